#include "calve/offload/late_writer.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>

#include "calve/base/random.h"
#include "calve/offload/bucket_row_hasher.h"
#include "calve/offload/commit_window.h"
#include "calve/offload/hot_rows.h"
#include "calve/offload/source_select.h"

namespace calve::offload {
namespace {

constexpr int64_t kQueueBytesMax = 32 << 20;

// The columns that were compared, out of a batch of all columns of the target.
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

}  // namespace

LateWriter::LateWriter(const OffloadContext& context, const OffloadRequest& request, const LateLook& look,
                       const VerifyPlan& plan)
    : context_(context), request_(request), look_(look), plan_(plan), commit_id_(RandomUuid()) {}

// The data file writer deletes what it did not finish; what it finished goes with the commit's outcome.
LateWriter::~LateWriter() = default;

Status LateWriter::Write(const BucketGroup& group, MissingRowCounts missing) {
  if (missing.empty()) return Status::OK();
  const iceberg::Schema& all = plan_.target.schema();
  HotScan scan;
  scan.sql = SelectRows(plan_.table, plan_.columns, group.window, plan_.cursor);
  scan.query.settings = request_.settings;
  scan.schema = all;
  scan.window = group.window;
  scan.cursor_column = plan_.cursor.column;
  scan.queue_bytes_max = std::min(request_.memory_bytes / 8, kQueueBytesMax);
  BucketRowHasher hasher(plan_, 3'600 * kMicrosPerSecond);
  return ReadHotRows(context_.source, scan, context_.stop, [&](size_t, const auto& batch) -> Status {
    ARROW_ASSIGN_OR_RAISE(auto compared, ComparedColumns(*batch, all, plan_.schema));
    arrow::Int64Builder take;
    ARROW_RETURN_NOT_OK(hasher.ForEach(*compared, &group.buckets, true,
                                       [&](const fingerprint::RowEntry& entry, int64_t row, size_t) -> Status {
                                         auto found = missing.find(entry.row);
                                         if (found == missing.end() || found->second == 0) return Status::OK();
                                         --found->second;
                                         return take.Append(row);
                                       }));
    if (take.length() == 0) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(auto indexes, take.Finish());
    ARROW_ASSIGN_OR_RAISE(auto taken, arrow::compute::Take(batch, indexes));
    if (!writer_) ARROW_RETURN_NOT_OK(Begin(batch->schema()));
    rows_ += indexes->length();
    return writer_->Write(taken.record_batch());
  });
}

Status LateWriter::Begin(const std::shared_ptr<arrow::Schema>& schema) {
  const iceberg::TableMetadata& metadata = plan_.target;
  datafile::WriteContext write{metadata.schema(), metadata.spec(),
                               metadata.Property("write.data.path", storage::JoinLocation(metadata.location, "data")),
                               commit_id_};
  datafile::WriterOptions base;
  base.memory_bytes = request_.memory_bytes / 2;
  ARROW_ASSIGN_OR_RAISE(auto options, datafile::WriterOptionsFromProperties(metadata.properties, base));
  ARROW_ASSIGN_OR_RAISE(writer_, datafile::DataFileWriter::Make(context_.file_io, write, options, schema));
  return Status::OK();
}

Result<std::optional<LateWriter::Committed>> LateWriter::Commit() {
  if (!writer_) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(auto files, writer_->Finish());
  ARROW_ASSIGN_OR_RAISE(auto watermark, ReadWatermark(plan_.target));
  if (!watermark) return MakeError(ErrorKind::kFailed, "late rows for a table without a watermark");
  WindowCommit commit{request_.target, {plan_.target, ""}, watermark->stamp.window_to, files, watermark->stamp};
  commit.planned_commit = watermark->stamp.commit_id;
  commit.stamp.kind = "late";
  commit.stamp.window_from = watermark->stamp.window_to;  // it moves nothing
  commit.stamp.rows = rows_;
  commit.stamp.commit_id = commit_id_;
  ARROW_ASSIGN_OR_RAISE(auto committed, CommitOrDelete(context_.catalog, context_.file_io, context_.clock, commit));
  Committed result;
  if (!committed) return result;
  result.snapshot_id = committed->snapshot_id;
  result.rows = rows_;
  result.files = static_cast<int64_t>(files.size());
  for (const auto& file : files) result.bytes += file.file_size_in_bytes;
  return result;
}

}  // namespace calve::offload
