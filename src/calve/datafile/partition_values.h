// The values of one partition field, computed by column. The results are those of iceberg::ApplyTransform.
#pragma once

#include <arrow/array/data.h>
#include <arrow/record_batch.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "calve/iceberg/partition_spec.h"

namespace calve::datafile {

// A number for each row; where all rows have the same one, only that.
struct PartitionIds {
  std::optional<uint32_t> constant;
  std::vector<uint32_t> rows;
};

// Ids are given in the order in which values come and hold for its lifetime. Not thread-safe.
class PartitionValues {
 public:
  static Result<std::unique_ptr<PartitionValues>> Make(const iceberg::Schema& schema,
                                                       const iceberg::PartitionField& field);

  Result<PartitionIds> IdsOf(const arrow::RecordBatch& batch);
  const iceberg::Literal& At(uint32_t id) const { return values_[id]; }

 private:
  // The source column and the structs around it.
  struct Column {
    std::shared_ptr<arrow::ArrayData> leaf;
    std::vector<uint8_t> valid;  // empty: all
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  Result<Column> Resolve(const arrow::RecordBatch& batch) const;
  uint32_t IdOfNull();
  uint32_t IdOfResult(const iceberg::Literal& value);
  uint32_t IdOfInteger(int64_t result);
  uint32_t IdOfText(std::string_view result);
  iceberg::Literal LiteralOf(int64_t result) const;

  bool IntegersMayGoFast() const;
  PartitionIds Integers(const Column& column);
  template <typename T>
  PartitionIds IntegersOf(const Column& column);
  int64_t TransformInteger(int64_t value) const;
  PartitionIds Texts(const Column& column);
  PartitionIds Dictionary(const Column& column);
  PartitionIds OneByOne(const Column& column);

  iceberg::Transform transform_;
  iceberg::Type source_;
  iceberg::Type result_;
  std::vector<size_t> path_;  // from the top-level column down

  std::vector<iceberg::Literal> values_;
  std::optional<uint32_t> null_id_;
  std::unordered_map<int64_t, uint32_t> integers_;
  std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>>
      texts_;  // text results, or Appendix D bytes of others
};

}  // namespace calve::datafile
