#include "calve/offload/row_replacement.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>

#include <algorithm>
#include <mutex>

#include "calve/base/random.h"
#include "calve/offload/bucket_row_hasher.h"
#include "calve/offload/hot_rows.h"
#include "calve/offload/source_select.h"
#include "calve/table/sliced_job.h"

namespace calve::offload {
namespace {

constexpr int64_t kReplacementQueueBytesMax = 32 << 20;

// The columns that are compared, out of a batch of all columns of the target.
Result<std::shared_ptr<arrow::RecordBatch>> ComparedColumns(const arrow::RecordBatch& batch, const iceberg::Schema& all,
                                                            const iceberg::Schema& compared) {
  std::vector<int> indexes;
  for (const iceberg::NestedField& field : compared.fields) {
    for (size_t i = 0; i < all.fields.size(); ++i) {
      if (all.fields[i].id == field.id) indexes.push_back(static_cast<int>(i));
    }
  }
  return batch.SelectColumns(indexes);
}

Result<std::shared_ptr<arrow::RecordBatch>> TakeRows(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                     arrow::Int64Builder& rows) {
  ARROW_ASSIGN_OR_RAISE(auto indexes, rows.Finish());
  ARROW_ASSIGN_OR_RAISE(auto taken, arrow::compute::Take(batch, indexes));
  return taken.record_batch();
}

}  // namespace

RowReplacement::RowReplacement(const VerifyContext& context, const VerifyRequest& request, const VerifyPlan& plan)
    : context_(context), request_(request), plan_(plan), commit_id_(RandomUuid()) {}

// The writers delete what they did not finish.
RowReplacement::~RowReplacement() {
  for (const iceberg::DataFile& file : added_) {
    Status deleted = context_.file_io.Delete(file.file_path);
    static_cast<void>(deleted);  // leftovers are found by orphan removal
  }
}

Result<std::unique_ptr<datafile::DataFileWriter>> RowReplacement::NewWriter(
    const std::shared_ptr<arrow::Schema>& schema, const char* part) {
  const iceberg::TableMetadata& metadata = plan_.target;
  datafile::WriteContext write{metadata.schema(), metadata.spec(), table::DataLocationOf(metadata), commit_id_ + part};
  datafile::WriterOptions base;
  base.memory_bytes = request_.memory_bytes / 4;
  ARROW_ASSIGN_OR_RAISE(auto options, datafile::WriterOptionsFromProperties(metadata.properties, base));
  return datafile::DataFileWriter::Make(context_.file_io, write, options, schema);
}

Status RowReplacement::AddHot(const BucketGroup& group, RowChanges& changes) {
  const iceberg::Schema& all = plan_.target.schema();
  HotScan scan;
  scan.sql = SelectRows(plan_.table, plan_.columns, group.window, plan_.cursor);
  scan.query.settings = request_.settings;
  scan.schema = all;
  scan.window = group.window;
  scan.cursor_column = plan_.cursor.column;
  scan.queue_bytes_max = std::min(request_.memory_bytes / 8, kReplacementQueueBytesMax);
  BucketRowHasher hasher(plan_, request_.bucket_micros);
  return ReadHotRows(*context_.source, scan, context_.stop, [&](size_t, const auto& batch) -> Status {
    ARROW_ASSIGN_OR_RAISE(auto compared, ComparedColumns(*batch, all, plan_.schema));
    arrow::Int64Builder take;
    ARROW_RETURN_NOT_OK(hasher.ForEach(*compared, &group.buckets, true,
                                       [&](const fingerprint::RowEntry& entry, int64_t row, size_t) -> Status {
                                         return changes.TakeHot(entry) ? take.Append(row) : Status::OK();
                                       }));
    if (take.length() == 0) return Status::OK();
    rows_added_ += take.length();
    ARROW_ASSIGN_OR_RAISE(auto taken, TakeRows(batch, take));
    if (!hot_writer_) {
      ARROW_ASSIGN_OR_RAISE(hot_writer_, NewWriter(batch->schema(), ""));
    }
    return hot_writer_->Write(taken);
  });
}

Status RowReplacement::FindIn(const ColdScan& scan, const RowsOfFile& consumer) {
  return ReadColdFiles(context_.file_io, scan, request_.cold_threads, context_.stop, consumer);
}

Status RowReplacement::FindCold(const BucketGroup* group, RowChanges& changes) {
  if (!plan_.snapshot_id) return Status::OK();
  ColdScan scan;
  scan.schema = plan_.schema;
  scan.table_schema = plan_.target.schema();
  if (group && plan_.cursor_index >= 0) {
    const int field = plan_.column_ids[static_cast<size_t>(plan_.cursor_index)];
    scan.range = iceberg::RowRange{field, group->window.from, group->window.to};
  }
  ARROW_ASSIGN_OR_RAISE(scan.tasks, table::PlanScan(context_.file_io, plan_.target, *plan_.snapshot_id, scan.range));
  std::vector<BucketRowHasher> hashers(request_.cold_threads, BucketRowHasher(plan_, request_.bucket_micros));
  std::mutex mutex;  // over `changes` and removed_
  const std::set<TimestampMicros>* buckets = group && plan_.cursor_index >= 0 ? &group->buckets : nullptr;
  return FindIn(scan, [&](size_t lane, const table::ScanTask& task, const std::vector<int64_t>& positions,
                          const std::shared_ptr<arrow::RecordBatch>& batch) {
    return hashers[lane].ForEach(*batch, buckets, false, [&](const fingerprint::RowEntry& entry, int64_t row, size_t) {
      if (!changes.MayDrop(entry)) return Status::OK();
      std::lock_guard lock(mutex);
      if (!changes.DropCold(entry)) return Status::OK();
      RemovedRows& removed = removed_.try_emplace(task.file.file_path, task).first->second;
      removed.positions.push_back(positions[static_cast<size_t>(row)]);
      return Status::OK();
    });
  });
}

Status RowReplacement::FindColdKeys(const std::function<bool(const fingerprint::RowHash&)>& gone) {
  if (!plan_.snapshot_id) return Status::OK();
  ColdScan scan;
  std::vector<int> ids;
  for (int column : plan_.key) {
    scan.schema.fields.push_back(plan_.schema.fields[static_cast<size_t>(column)]);
    ids.push_back(plan_.column_ids[static_cast<size_t>(column)]);
  }
  scan.table_schema = plan_.target.schema();
  ARROW_ASSIGN_OR_RAISE(scan.tasks, table::PlanScan(context_.file_io, plan_.target, *plan_.snapshot_id, std::nullopt));
  std::vector<fingerprint::RowHasher> hashers(request_.cold_threads, fingerprint::RowHasher(ids));
  std::mutex mutex;  // over removed_
  return FindIn(scan,
                [&](size_t lane, const table::ScanTask& task, const std::vector<int64_t>& positions,
                    const std::shared_ptr<arrow::RecordBatch>& batch) -> Status {
                  constexpr int64_t kChunk = fingerprint::RowHasher::kChunkRows;
                  for (int64_t offset = 0; offset < batch->num_rows(); offset += kChunk) {
                    const int64_t length = std::min(kChunk, batch->num_rows() - offset);
                    ARROW_RETURN_NOT_OK(hashers[lane].Hash(*batch, offset, length));
                    for (int64_t i = 0; i < length; ++i) {
                      if (!gone(hashers[lane].rows()[static_cast<size_t>(i)])) continue;
                      std::lock_guard lock(mutex);
                      RemovedRows& removed = removed_.try_emplace(task.file.file_path, task).first->second;
                      removed.positions.push_back(positions[static_cast<size_t>(offset + i)]);
                    }
                  }
                  return Status::OK();
                });
}

// All columns of the rows that stay. Rows that delete files take out are not among them.
Status RowReplacement::Rewrite(const RemovedRows& removed) {
  ColdScan scan;
  scan.tasks = {removed.task};
  scan.schema = scan.table_schema = plan_.target.schema();
  scan.dictionaries = false;  // one writer takes the rows of all files
  return ReadColdFiles(context_.file_io, scan, 1, context_.stop,
                       [&](size_t, const table::ScanTask&, const std::vector<int64_t>& positions,
                           const std::shared_ptr<arrow::RecordBatch>& batch) -> Status {
                         arrow::Int64Builder stay;
                         for (size_t i = 0; i < positions.size(); ++i) {
                           if (std::binary_search(removed.positions.begin(), removed.positions.end(), positions[i])) {
                             continue;
                           }
                           ARROW_RETURN_NOT_OK(stay.Append(static_cast<int64_t>(i)));
                         }
                         if (stay.length() == 0) return Status::OK();
                         ARROW_ASSIGN_OR_RAISE(auto rows, TakeRows(batch, stay));
                         if (!cold_writer_) {
                           ARROW_ASSIGN_OR_RAISE(cold_writer_, NewWriter(batch->schema(), "-kept"));
                         }
                         return cold_writer_->Write(rows);
                       });
}

Status RowReplacement::Collect(datafile::DataFileWriter& writer) {
  ARROW_ASSIGN_OR_RAISE(auto files, writer.Finish());
  added_.insert(added_.end(), files.begin(), files.end());
  return Status::OK();
}

Result<RowReplacement::Files> RowReplacement::Finish() {
  Files files;
  for (auto& [path, removed] : removed_) {
    std::sort(removed.positions.begin(), removed.positions.end());
    rows_removed_ += static_cast<int64_t>(removed.positions.size());
    ARROW_RETURN_NOT_OK(Rewrite(removed));
    files.removed.push_back(removed.task.file);
  }
  if (hot_writer_) ARROW_RETURN_NOT_OK(Collect(*hot_writer_));
  if (cold_writer_) ARROW_RETURN_NOT_OK(Collect(*cold_writer_));
  files.added = added_;
  files.rows_added = rows_added_;
  files.rows_removed = rows_removed_;
  for (const auto& file : files.added) files.bytes += file.file_size_in_bytes;
  return files;
}

}  // namespace calve::offload
