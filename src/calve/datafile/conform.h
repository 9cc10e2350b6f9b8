// Fits blocks from a source to a target schema: matched by name, cast without loss, every value checked.
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <string>

#include "calve/iceberg/type.h"

namespace calve::datafile {

// Checked once, before anything is read or written. Not thread-safe to build; Apply is const and thread-safe.
class Conformer {
 public:
  // Columns of `source` that `target` lacks are an error here (the caller leaves them out of its query or adds them);
  // columns of `target` that `source` lacks become null (kConfig where they are required). A cast that could lose
  // anything, by type, is kUnsupported; one that could by value (UInt64 to long, String to string as UTF-8) is checked
  // value by value in Apply.
  static Result<std::unique_ptr<Conformer>> Make(const iceberg::Schema& target, const arrow::Schema& source);
  ~Conformer();

  // The Arrow schema of what Apply yields: ToArrowSchema(target), but that string columns stay dictionary-encoded where
  // they came so.
  const std::shared_ptr<arrow::Schema>& schema() const;
  // kValue names column, row's value, the target type and the way out.
  Result<std::shared_ptr<arrow::RecordBatch>> Apply(const arrow::RecordBatch& batch) const;

 private:
  struct Impl;
  explicit Conformer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace calve::datafile
