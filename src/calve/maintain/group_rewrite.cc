#include "calve/maintain/group_rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "calve/datafile/data_file_reader.h"
#include "calve/datafile/data_file_writer.h"
#include "calve/fingerprint/row_hash.h"

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

Result<std::unique_ptr<datafile::DataFileWriter>> GroupWriter(storage::FileIO& file_io,
                                                              const iceberg::TableMetadata& metadata,
                                                              const CompactionGroup& group,
                                                              const std::string& file_prefix, int64_t memory_bytes,
                                                              const std::shared_ptr<arrow::Schema>& schema) {
  datafile::WriteContext context{metadata.schema(), metadata.spec(),
                                 metadata.Property("write.data.path", storage::JoinLocation(metadata.location, "data")),
                                 file_prefix};
  datafile::WriterOptions base;
  base.memory_bytes = memory_bytes;
  ARROW_ASSIGN_OR_RAISE(auto options, datafile::WriterOptionsFromProperties(metadata.properties, base));
  options.target_file_bytes = group.file_bytes;
  return datafile::DataFileWriter::Make(file_io, std::move(context), std::move(options), schema);
}

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
                                    const StopToken& stop) {
  const iceberg::Schema& schema = metadata.schema();
  RewrittenGroup rewritten;
  RowSum read(schema);
  int64_t rows_in_files = 0;
  std::unique_ptr<datafile::DataFileWriter> writer;
  for (const table::ScanTask& task : group.tasks) {
    rows_in_files += task.file.record_count;
    rewritten.removed.push_back(task.file);
    ARROW_RETURN_NOT_OK(ReadRows(file_io, schema, task, stop, [&](const auto& batch) -> Status {
      ARROW_RETURN_NOT_OK(read.Add(*batch));
      if (!writer) {
        ARROW_ASSIGN_OR_RAISE(writer,
                              GroupWriter(file_io, metadata, group, file_prefix, memory_bytes, batch->schema()));
      }
      return writer->Write(batch);
    }));
  }
  rewritten.rows = read.rows();
  rewritten.rows_deleted = rows_in_files - read.rows();
  if (!writer) return rewritten;  // every row of every file is deleted
  ARROW_ASSIGN_OR_RAISE(rewritten.added, writer->Finish());
  const Status checked = CheckWritten(file_io, schema, group, rewritten.added, read, stop);
  if (!checked.ok()) {
    const Status aborted = writer->Abort();
    static_cast<void>(aborted);  // leftovers are found by orphan removal
    return checked;
  }
  return rewritten;
}

}  // namespace calve::maintain
