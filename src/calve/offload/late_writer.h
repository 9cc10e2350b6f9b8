// Writes the hot rows that a comparison found to be missing in cold, and commits them.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "calve/datafile/data_file_writer.h"
#include "calve/fingerprint/row_hash.h"
#include "calve/offload/late.h"
#include "calve/offload/verify_rows.h"

namespace calve::offload {

// How often each row is missing.
using MissingRowCounts = std::map<fingerprint::RowHash, int64_t>;

// Files begun are deleted unless they were committed. Not thread-safe.
class LateWriter {
 public:
  // All borrowed.
  LateWriter(const OffloadContext& context, const OffloadRequest& request, const LateLook& look,
             const VerifyPlan& plan);
  ~LateWriter();

  // Reads the group's hot rows once more and writes those that are missing, each as often as it is. Rows that are gone
  // by now are left out; so are those that came since.
  Status Write(const BucketGroup& group, MissingRowCounts missing);

  const std::string& commit_id() const { return commit_id_; }

  struct Committed {
    std::optional<int64_t> snapshot_id;  // none: another calve committed first
    int64_t rows = 0, files = 0, bytes = 0;
  };
  // nullopt: there was nothing to commit.
  Result<std::optional<Committed>> Commit();

 private:
  Status Begin(const std::shared_ptr<arrow::Schema>& schema);

  const OffloadContext& context_;
  const OffloadRequest& request_;
  const LateLook& look_;
  const VerifyPlan& plan_;
  const std::string commit_id_;
  std::unique_ptr<datafile::DataFileWriter> writer_;
  int64_t rows_ = 0;
};

}  // namespace calve::offload
