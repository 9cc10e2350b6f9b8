#include "calve/offload/restore_insert.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>

#include "calve/datafile/arrow_schema.h"
#include "calve/offload/bucket_row_hasher.h"
#include "calve/offload/cold_stream.h"

namespace calve::offload {
namespace {

constexpr int64_t kInsertQueueBytesMax = 32 << 20;

}  // namespace

RestoreInserter::RestoreInserter(const RestoreContext& context, const RestoreRequest& request, const RestorePlan& plan,
                                 const RestoreComparison& comparison)
    : context_(context), request_(request), plan_(plan), comparison_(comparison) {
  for (size_t i = 0; i < plan.compare.schema.fields.size(); ++i) compared_columns_.push_back(static_cast<int>(i));
}

source::QueryOptions RestoreInserter::Options() const {
  source::QueryOptions options;
  options.settings = request_.settings;
  // A replicated table must not take a block for one that it has seen: it may have been deleted since. What is missing
  // is known from comparing, never from that.
  options.settings.insert({"insert_deduplicate", "0"});
  options.settings.insert({"async_insert", "0"});  // the answer is to say that the rows are in
  options.settings.insert({"input_format_null_as_default", "0"});
  if (plan_.compare.table.engine == "Distributed") options.settings.insert({"insert_distributed_sync", "1"});
  return options;
}

Status RestoreInserter::Try() {
  ARROW_ASSIGN_OR_RAISE(auto schema, datafile::ToArrowSchema(plan_.read));
  ARROW_ASSIGN_OR_RAISE(auto nothing, arrow::RecordBatch::MakeEmpty(schema));
  auto once = [batch = Renamed(*nothing)]() mutable -> Result<std::shared_ptr<arrow::RecordBatch>> {
    return std::exchange(batch, nullptr);
  };
  return WithColumnNames(context_.source.Insert(plan_.insertion, once, Options()));
}

Status RestoreInserter::WithColumnNames(const Status& status) const {
  if (status.ok()) return status;
  const std::string text = MessageOf(status);
  std::string named;
  for (size_t i = 0; i < plan_.travel_names.size(); ++i) {
    if (!MentionsName(text, plan_.travel_names[i])) continue;
    named +=
        fmt::format("{}{} is column {}", named.empty() ? "" : ", ", plan_.travel_names[i], plan_.read.fields[i].name);
  }
  if (named.empty()) return status;
  return MakeError(KindOf(status), fmt::format("{} ({})", text, named), RemedyOf(status));
}

std::shared_ptr<arrow::RecordBatch> RestoreInserter::Renamed(const arrow::RecordBatch& batch) const {
  arrow::FieldVector fields;
  for (int i = 0; i < batch.num_columns(); ++i) {
    fields.push_back(arrow::field(plan_.travel_names[static_cast<size_t>(i)], batch.column(i)->type(),
                                  batch.schema()->field(i)->nullable()));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch.num_rows(), batch.columns());
}

Result<std::shared_ptr<arrow::RecordBatch>> RestoreInserter::Chosen(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                                    const BucketGroup& group, WantedRows* wanted) {
  if (!wanted) return batch;
  ARROW_ASSIGN_OR_RAISE(auto compared, batch->SelectColumns(compared_columns_));
  BucketRowHasher hasher(plan_.compare, request_.bucket_micros);
  arrow::Int64Builder take;
  ARROW_RETURN_NOT_OK(hasher.ForEach(*compared, &group.buckets, false,
                                     [&](const fingerprint::RowEntry& entry, int64_t row, size_t) -> Status {
                                       return wanted->Take(entry.row) ? take.Append(row) : Status::OK();
                                     }));
  ARROW_ASSIGN_OR_RAISE(auto indexes, take.Finish());
  ARROW_ASSIGN_OR_RAISE(auto taken, arrow::compute::Take(batch, indexes));
  return taken.record_batch();
}

Status RestoreInserter::Insert(const BucketGroup& group, WantedRows* wanted, InsertedRows* inserted,
                               const std::function<void(int64_t)>& told) {
  const VerifyPlan& compare = plan_.compare;
  ColdScan scan;
  scan.schema = plan_.read;
  scan.table_schema = compare.target.schema();
  scan.range = iceberg::RowRange{compare.column_ids[static_cast<size_t>(compare.cursor_index)], group.window.from,
                                 group.window.to};
  ARROW_ASSIGN_OR_RAISE(scan.tasks,
                        table::PlanScan(context_.file_io, compare.target, *compare.snapshot_id, scan.range));
  ColdStream cold(context_.file_io, scan, request_.cold_threads,
                  std::min(request_.memory_bytes / 8, kInsertQueueBytesMax), context_.stop);
  fingerprint::FingerprintBuilder sums = comparison_.NewBuilder();
  const auto next = [&]() -> Result<std::shared_ptr<arrow::RecordBatch>> {
    while (true) {
      ARROW_RETURN_NOT_OK(context_.stop.Check());
      ARROW_ASSIGN_OR_RAISE(auto batch, cold.Next());
      if (!batch) return nullptr;
      ARROW_ASSIGN_OR_RAISE(batch, plan_.defaults.Apply(batch, plan_.read));
      ARROW_ASSIGN_OR_RAISE(batch, Chosen(batch, group, wanted));
      if (batch->num_rows() == 0) continue;
      ARROW_ASSIGN_OR_RAISE(auto compared, batch->SelectColumns(compared_columns_));
      ARROW_RETURN_NOT_OK(sums.Add(*compared));
      inserted->rows += batch->num_rows();
      told(batch->num_rows());
      return Renamed(*batch);
    }
  };
  Status done = context_.source.Insert(plan_.insertion, next, Options());
  inserted->sums = sums.buckets();
  return WithColumnNames(done);
}

}  // namespace calve::offload
