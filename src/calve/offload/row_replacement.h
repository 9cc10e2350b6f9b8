// Rows into the target and rows out of it, in one snapshot: hot rows are written to new files, the files that hold rows
// which go are written anew without them (copy-on-write).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "calve/datafile/data_file_writer.h"
#include "calve/offload/cold_rows.h"
#include "calve/offload/commit_window.h"
#include "calve/offload/row_changes.h"
#include "calve/offload/verify_rows.h"

namespace calve::offload {

// Files begun and not committed are deleted with it, unless a commit's outcome is not known. Not thread-safe.
class RowReplacement {
 public:
  // All borrowed; `plan` tells source, target and key as they are.
  RowReplacement(const VerifyContext& context, const VerifyRequest& request, const VerifyPlan& plan);
  ~RowReplacement();

  // Reads the hot rows of a group of buckets once more and writes those that `changes` takes. Rows that are gone by now
  // are left out.
  Status AddHot(const BucketGroup& group, RowChanges& changes);
  // Finds the cold rows that go: in the group's buckets, or (null) anywhere.
  Status FindCold(const BucketGroup* group, RowChanges& changes);
  // The same by key alone, anywhere, in any snapshot of the target's: rows whose key `gone` knows.
  Status FindColdKeys(const std::function<bool(const fingerprint::RowHash&)>& gone);

  // Writes the files anew that hold rows which go. What AddHot wrote comes first in `files`.
  struct Files {
    std::vector<iceberg::DataFile> added, removed;
    int64_t rows_added = 0, rows_removed = 0;
    int64_t bytes = 0;  // of `added`
  };
  Result<Files> Finish();
  // After Finish: what was written is no longer ours to delete.
  void Release() { added_.clear(); }

  const std::string& commit_id() const { return commit_id_; }

 private:
  struct RemovedRows {
    table::ScanTask task;
    std::vector<int64_t> positions;
  };
  Status FindIn(const ColdScan& scan, const RowsOfFile& consumer);
  Status Rewrite(const RemovedRows& removed);
  Result<std::unique_ptr<datafile::DataFileWriter>> NewWriter(const std::shared_ptr<arrow::Schema>& schema,
                                                              const char* part);
  Status Collect(datafile::DataFileWriter& writer);

  const VerifyContext& context_;
  const VerifyRequest& request_;
  const VerifyPlan& plan_;
  const std::string commit_id_;
  std::unique_ptr<datafile::DataFileWriter> hot_writer_, cold_writer_;
  std::map<std::string, RemovedRows> removed_;  // by path
  std::vector<iceberg::DataFile> added_;
  int64_t rows_added_ = 0, rows_removed_ = 0;
};

}  // namespace calve::offload
