// One INSERT: the rows of some buckets, all of them or those that a comparison chose.
#pragma once

#include "calve/offload/restore_compare.h"

namespace calve::offload {

struct InsertedRows {
  int64_t rows = 0;
  fingerprint::Fingerprints sums;  // of what was sent, by bucket
};

class RestoreInserter {
 public:
  // All borrowed.
  RestoreInserter(const RestoreContext& context, const RestoreRequest& request, const RestorePlan& plan,
                  const RestoreComparison& comparison);

  // An INSERT without rows: errors in SQL, types and rights come up before anything is sent.
  Status Try();

  // `wanted` null: all cold rows of the group. Errors as those of Source::Insert; `inserted` counts what was sent by
  // then.
  Status Insert(const BucketGroup& group, WantedRows* wanted, InsertedRows* inserted,
                const std::function<void(int64_t)>& told);

 private:
  source::QueryOptions Options() const;
  Result<std::shared_ptr<arrow::RecordBatch>> Chosen(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                     const BucketGroup& group, WantedRows* wanted);
  // ClickHouse's errors tell of the columns as they travel: c3 is price.
  Status WithColumnNames(const Status& status) const;
  std::shared_ptr<arrow::RecordBatch> Renamed(const arrow::RecordBatch& batch) const;

  const RestoreContext& context_;
  const RestoreRequest& request_;
  const RestorePlan& plan_;
  const RestoreComparison& comparison_;
  std::vector<int> compared_columns_;  // of a batch of plan.read
};

}  // namespace calve::offload
