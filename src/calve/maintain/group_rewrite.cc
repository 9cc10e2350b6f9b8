#include "calve/maintain/group_rewrite.h"

#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "calve/datafile/data_file_reader.h"
#include "calve/datafile/data_file_writer.h"
#include "calve/fingerprint/row_hash.h"
#include "calve/maintain/row_sort.h"
#include "calve/table/sliced_job.h"

namespace calve::maintain {
namespace {

// Of a multiset of rows: it is the same for the same rows in any order and any files.
class RowSum {
 public:
  explicit RowSum(const iceberg::Schema& schema) : hasher_(IdsOf(schema)) {}

  Status Add(const arrow::RecordBatch& batch) {
    constexpr int64_t kChunk = fingerprint::RowHasher::kChunkRows;
    for (int64_t offset = 0; offset < batch.num_rows(); offset += kChunk) {
      const int64_t length = std::min(kChunk, batch.num_rows() - offset);
      ARROW_RETURN_NOT_OK(hasher_.Hash(batch, offset, length));
      for (int64_t i = 0; i < length; ++i) {
        const fingerprint::RowHash& row = hasher_.rows()[static_cast<size_t>(i)];
        low_ += row.low;
        high_ += row.high;
      }
    }
    rows_ += batch.num_rows();
    return Status::OK();
  }
  int64_t rows() const { return rows_; }
  bool Equals(const RowSum& other) const { return rows_ == other.rows_ && low_ == other.low_ && high_ == other.high_; }

 private:
  static std::vector<int> IdsOf(const iceberg::Schema& schema) {
    std::vector<int> ids;
    for (const iceberg::NestedField& field : schema.fields) ids.push_back(field.id);
    return ids;
  }

  fingerprint::RowHasher hasher_;
  int64_t rows_ = 0;
  uint64_t low_ = 0, high_ = 0;
};

template <typename Take>
Status ReadRows(storage::FileIO& file_io, const iceberg::Schema& schema, const table::ScanTask& task,
                const StopToken& stop, Take take) {
  datafile::ReadRequest request;
  request.schema = request.table_schema = schema;
  request.deletes = task.deletes;
  request.dictionaries = false;  // one writer takes the rows of all files
  ARROW_ASSIGN_OR_RAISE(const auto reader, datafile::DataFileReader::Open(file_io, task.file, std::move(request)));
  while (true) {
    ARROW_RETURN_NOT_OK(stop.Check());
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
    if (!batch) return Status::OK();
    ARROW_RETURN_NOT_OK(take(batch));
  }
}

// What is written: sorted where all rows of the group fit into a quarter of the memory, else as they come.
class GroupOutput {
 public:
  GroupOutput(storage::FileIO& file_io, const iceberg::TableMetadata& metadata, const CompactionGroup& group,
              const std::string& file_prefix, int64_t memory_bytes)
      : file_io_(file_io),
        metadata_(metadata),
        group_(group),
        file_prefix_(file_prefix),
        memory_bytes_(memory_bytes),
        sorts_(CanSort(metadata.schema(), metadata.sort_order())) {}

  Status Take(const std::shared_ptr<arrow::RecordBatch>& batch) {
    if (!sorts_) return Write(batch, 0);
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(*batch));
    held_.push_back(batch);
    held_bytes_ += bytes;
    if (held_bytes_ <= memory_bytes_ / 4) return Status::OK();  // sorting takes as much again
    sorts_ = false;
    return WriteAll(std::exchange(held_, {}), 0);
  }
  // Empty where every row of every file was deleted.
  Result<std::vector<iceberg::DataFile>> Finish() {
    if (sorts_) {
      ARROW_ASSIGN_OR_RAISE(auto sorted, SortRows(metadata_.schema(), metadata_.sort_order(), held_));
      held_.clear();
      ARROW_RETURN_NOT_OK(WriteAll(sorted, metadata_.default_sort_order_id));
    }
    if (!writer_) return std::vector<iceberg::DataFile>{};
    return writer_->Finish();
  }
  void Abort() {
    if (!writer_) return;
    const Status aborted = writer_->Abort();
    static_cast<void>(aborted);  // leftovers are found by orphan removal
  }

 private:
  Status WriteAll(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches, int sort_order_id) {
    for (const auto& batch : batches) ARROW_RETURN_NOT_OK(Write(batch, sort_order_id));
    return Status::OK();
  }
  Status Write(const std::shared_ptr<arrow::RecordBatch>& batch, int sort_order_id) {
    if (!writer_) ARROW_RETURN_NOT_OK(Open(batch->schema(), sort_order_id));
    return writer_->Write(batch);
  }
  Status Open(const std::shared_ptr<arrow::Schema>& schema, int sort_order_id) {
    datafile::WriteContext context{metadata_.schema(), metadata_.spec(), table::DataLocationOf(metadata_),
                                   file_prefix_};
    datafile::WriterOptions base;
    base.memory_bytes = memory_bytes_ / 2;
    base.sort_order_id = sort_order_id;
    ARROW_ASSIGN_OR_RAISE(auto options, datafile::WriterOptionsFromProperties(metadata_.properties, base));
    options.target_file_bytes = group_.file_bytes;
    ARROW_ASSIGN_OR_RAISE(writer_,
                          datafile::DataFileWriter::Make(file_io_, std::move(context), std::move(options), schema));
    return Status::OK();
  }

  storage::FileIO& file_io_;
  const iceberg::TableMetadata& metadata_;
  const CompactionGroup& group_;
  const std::string& file_prefix_;
  const int64_t memory_bytes_;
  bool sorts_;
  std::vector<std::shared_ptr<arrow::RecordBatch>> held_;
  int64_t held_bytes_ = 0;
  std::unique_ptr<datafile::DataFileWriter> writer_;
};

Status CheckWritten(storage::FileIO& file_io, const iceberg::Schema& schema, const CompactionGroup& group,
                    const std::vector<iceberg::DataFile>& written, const RowSum& read, const StopToken& stop) {
  RowSum found(schema);
  for (const iceberg::DataFile& file : written) {
    if (file.partition != group.tasks.front().file.partition) {
      return MakeError(ErrorKind::kFailed,
                       fmt::format("rows of {} and the files beside it belong to other partitions than the table says",
                                   group.tasks.front().file.file_path),
                       "Another program wrote them so; compact the partition with it, or leave it as it is.");
    }
    ARROW_RETURN_NOT_OK(
        ReadRows(file_io, schema, {file, 0, {}}, stop, [&](const auto& batch) { return found.Add(*batch); }));
  }
  if (found.Equals(read)) return Status::OK();
  return MakeError(ErrorKind::kCorrupt,
                   fmt::format("{} rows were read from {} and the files beside it, and {} rows that are not the same "
                               "were found where they were written; the table is as it was",
                               read.rows(), group.tasks.front().file.file_path, found.rows()),
                   "Run again; if it stays, the store or the memory of this machine changes what it holds.");
}

}  // namespace

Result<RewrittenGroup> RewriteGroup(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                    const CompactionGroup& group, const std::string& file_prefix, int64_t memory_bytes,
                                    const StopToken& stop, const std::function<void(int64_t rows)>& on_read) {
  const iceberg::Schema& schema = metadata.schema();
  RewrittenGroup rewritten;
  GroupOutput output(file_io, metadata, group, file_prefix, memory_bytes);
  RowSum read(schema);
  int64_t rows_in_files = 0;
  for (const table::ScanTask& task : group.tasks) {
    rows_in_files += task.file.record_count;
    rewritten.removed.push_back(task.file);
    ARROW_RETURN_NOT_OK(ReadRows(file_io, schema, task, stop, [&](const auto& batch) -> Status {
      ARROW_RETURN_NOT_OK(read.Add(*batch));
      if (on_read) on_read(batch->num_rows());
      return output.Take(batch);
    }));
  }
  rewritten.rows = read.rows();
  rewritten.rows_deleted = rows_in_files - read.rows();
  ARROW_ASSIGN_OR_RAISE(rewritten.added, output.Finish());
  const Status checked = CheckWritten(file_io, schema, group, rewritten.added, read, stop);
  if (!checked.ok()) {
    output.Abort();
    return checked;
  }
  return rewritten;
}

}  // namespace calve::maintain
