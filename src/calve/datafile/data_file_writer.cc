#include "calve/datafile/data_file_writer.h"

#include <atomic>
#include <future>

#include "calve/datafile/parquet_file.h"
#include "calve/datafile/partition_split.h"
#include "calve/datafile/worker_pool.h"
#include "calve/datafile/writer_options.h"

namespace calve::datafile {
namespace {

// Batches are taken in pieces of this size, so that limits are looked at often enough.
constexpr int64_t kPieceRows = 131'072;
// Files that take rows at once encode their columns in parallel up to this many; beyond it the files go in parallel.
constexpr size_t kThreadedFilesMax = 4;
// Pages of many files get smaller, so that what is not compressed yet fits in memory; never below this.
constexpr int64_t kPageBytesMin = 16 << 10;
constexpr size_t kClosingsMax = 4;

struct OpenFile {
  std::unique_ptr<ParquetFile> file;
  size_t ordinal = 0;
  std::vector<iceberg::Literal> partition;
  uint64_t last_used = 0;
};

struct Work {
  OpenFile* target = nullptr;
  const PartitionSplitter::Part* part = nullptr;

  Status Run() const {
    for (const auto& slice : part->slices) ARROW_RETURN_NOT_OK(target->file->Append(*slice));
    return Status::OK();
  }
};

}  // namespace

struct DataFileWriter::Impl {
  enum class State { kWriting, kFailed, kFinished };

  Impl(storage::FileIO& io, WriteContext ctx, WriterOptions opts)
      : file_io(io), context(std::move(ctx)), options(std::move(opts)), pool(std::max(options.threads, 1)) {}

  Status WritePiece(const std::shared_ptr<arrow::RecordBatch>& piece);
  Result<OpenFile*> FileOf(const PartitionSplitter::Part& part, size_t parts);
  int64_t PageBytes(size_t files) const;
  std::string LocationOf(size_t ordinal, const std::vector<iceberg::Literal>& partition) const;
  Status Encode(const std::vector<PartitionSplitter::Part>& parts);
  // Footer, metrics, descriptor; the bytes are made durable in the background.
  Status CloseFiles(const std::vector<uint32_t>& partitions);
  Status CloseLargeFiles(const std::vector<PartitionSplitter::Part>& parts);
  Status LimitMemory();
  Status LimitOpenFiles();
  Status WaitForClosings();
  void CountBytes();
  Status DeleteAll();

  // constant after construction
  storage::FileIO& file_io;
  const WriteContext context;
  const WriterOptions options;
  std::shared_ptr<arrow::Schema> batch_schema;
  std::unique_ptr<FileFormat> format;
  std::shared_ptr<arrow::internal::ThreadPool> executor;  // of columns; null with one thread

  WorkerPool pool;  // of files
  std::unique_ptr<PartitionSplitter> splitter;
  std::map<uint32_t, OpenFile> open;     // by partition
  std::vector<std::string> locations;    // of every file begun
  std::vector<iceberg::DataFile> files;  // of every file begun; complete once it is closed
  std::vector<std::future<Status>> closings;
  int64_t closed_bytes = 0;
  uint64_t clock = 0;
  State state = State::kWriting;
  std::atomic<int64_t> bytes_written{0};
};

Result<std::unique_ptr<DataFileWriter>> DataFileWriter::Make(storage::FileIO& file_io, WriteContext context,
                                                             WriterOptions options,
                                                             std::shared_ptr<arrow::Schema> batch_schema) {
  ARROW_RETURN_NOT_OK(CheckWriterOptions(options));
  auto impl = std::make_unique<Impl>(file_io, std::move(context), std::move(options));
  if (batch_schema->num_fields() != static_cast<int>(impl->context.schema.fields.size())) {
    return MakeError(ErrorKind::kFailed, fmt::format("batches of {} columns for a schema of {}",
                                                     batch_schema->num_fields(), impl->context.schema.fields.size()));
  }
  impl->batch_schema = std::move(batch_schema);
  ARROW_ASSIGN_OR_RAISE(impl->format, FileFormat::Make(impl->context.schema, impl->options));
  ARROW_ASSIGN_OR_RAISE(impl->splitter, PartitionSplitter::Make(impl->context.schema, impl->context.spec));
  if (impl->options.threads > 1) {
    ARROW_ASSIGN_OR_RAISE(impl->executor, arrow::internal::ThreadPool::Make(impl->options.threads));
  }
  return std::unique_ptr<DataFileWriter>(new DataFileWriter(std::move(impl)));
}

DataFileWriter::DataFileWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

DataFileWriter::~DataFileWriter() {
  if (impl_->state != Impl::State::kFinished) (void)Abort();
}

Status DataFileWriter::Write(const std::shared_ptr<arrow::RecordBatch>& batch) {
  Impl& impl = *impl_;
  if (impl.state != Impl::State::kWriting) return MakeError(ErrorKind::kFailed, "the writer is finished or has failed");
  if (batch->schema() != impl.batch_schema && !batch->schema()->Equals(*impl.batch_schema, /*check_metadata=*/false)) {
    return MakeError(ErrorKind::kFailed, fmt::format("a batch of another schema: {}, not {}",
                                                     batch->schema()->ToString(), impl.batch_schema->ToString()));
  }
  for (int64_t offset = 0; offset < batch->num_rows(); offset += kPieceRows) {
    const bool whole = batch->num_rows() <= kPieceRows;
    Status status = impl.WritePiece(whole ? batch : batch->Slice(offset, kPieceRows));
    if (!status.ok()) {
      impl.state = Impl::State::kFailed;
      return status;
    }
  }
  return Status::OK();
}

Result<std::vector<iceberg::DataFile>> DataFileWriter::Finish() {
  Impl& impl = *impl_;
  if (impl.state != Impl::State::kWriting) return MakeError(ErrorKind::kFailed, "the writer is finished or has failed");
  impl.state = Impl::State::kFailed;
  std::vector<uint32_t> partitions;
  for (const auto& [partition, target] : impl.open) partitions.push_back(partition);
  ARROW_RETURN_NOT_OK(impl.CloseFiles(partitions));
  ARROW_RETURN_NOT_OK(impl.WaitForClosings());
  impl.CountBytes();
  impl.state = Impl::State::kFinished;
  return impl.files;
}

Status DataFileWriter::Abort() {
  impl_->state = Impl::State::kFailed;
  return impl_->DeleteAll();
}

int64_t DataFileWriter::bytes_written() const { return impl_->bytes_written.load(std::memory_order_relaxed); }

Status DataFileWriter::Impl::WritePiece(const std::shared_ptr<arrow::RecordBatch>& piece) {
  ARROW_ASSIGN_OR_RAISE(const auto parts, splitter->Split(piece));
  ARROW_RETURN_NOT_OK(Encode(parts));
  ARROW_RETURN_NOT_OK(CloseLargeFiles(parts));
  ARROW_RETURN_NOT_OK(LimitMemory());
  ARROW_RETURN_NOT_OK(LimitOpenFiles());
  CountBytes();
  return Status::OK();
}

Status DataFileWriter::Impl::Encode(const std::vector<PartitionSplitter::Part>& parts) {
  std::vector<Work> threaded, single;
  for (const PartitionSplitter::Part& part : parts) {
    ARROW_ASSIGN_OR_RAISE(OpenFile * target, FileOf(part, parts.size()));
    (target->file->is_threaded() ? threaded : single).push_back({target, &part});
  }
  ARROW_RETURN_NOT_OK(pool.ForEach(single.size(), [&](size_t i) { return single[i].Run(); }));
  for (const Work& work : threaded) ARROW_RETURN_NOT_OK(work.Run());
  return Status::OK();
}

Result<OpenFile*> DataFileWriter::Impl::FileOf(const PartitionSplitter::Part& part, size_t parts) {
  OpenFile& target = open[part.partition];
  target.last_used = ++clock;
  if (target.file) return &target;
  target.ordinal = files.size();
  target.partition = splitter->ValuesOf(part.partition);
  locations.push_back(LocationOf(target.ordinal, target.partition));
  files.emplace_back();
  const bool threaded = parts <= kThreadedFilesMax;
  ARROW_ASSIGN_OR_RAISE(
      target.file, ParquetFile::Make(file_io, *format, locations.back(), *part.slices.front(),
                                     PageBytes(std::max(open.size(), parts)), threaded ? executor.get() : nullptr));
  return &target;
}

int64_t DataFileWriter::Impl::PageBytes(size_t files_open) const {
  const auto buffers = static_cast<int64_t>(files_open * format->leaves.size());
  const int64_t share = options.memory_bytes / 4 / std::max<int64_t>(buffers, 1);
  return std::min(options.page_bytes, std::max(share, kPageBytesMin));
}

std::string DataFileWriter::Impl::LocationOf(size_t ordinal, const std::vector<iceberg::Literal>& partition) const {
  std::string name = fmt::format("{}-{:05}.parquet", context.file_prefix, ordinal);
  if (!context.spec.is_unpartitioned()) {
    name = PartitionPath(context.spec, context.schema, partition) + "/" + name;
  }
  return storage::JoinLocation(context.data_location, name);
}

Status DataFileWriter::Impl::CloseFiles(const std::vector<uint32_t>& partitions) {
  std::vector<OpenFile*> targets;
  for (const uint32_t partition : partitions) targets.push_back(&open.at(partition));
  // Every file in a task of its own writes only to its own descriptor.
  ARROW_RETURN_NOT_OK(pool.ForEach(targets.size(), [&](size_t i) -> Status {
    ARROW_ASSIGN_OR_RAISE(iceberg::DataFile file, targets[i]->file->WriteFooter());
    file.spec_id = context.spec.spec_id;
    file.partition = targets[i]->partition;
    file.sort_order_id = options.sort_order_id;
    files[targets[i]->ordinal] = std::move(file);
    // A few files of a large load close while the next ones are encoded; many small ones close here, in parallel.
    return targets.size() > kClosingsMax ? targets[i]->file->TakeStream()->Close() : Status::OK();
  }));
  for (OpenFile* target : targets) {
    closed_bytes += files[target->ordinal].file_size_in_bytes;
    auto stream = target->file->TakeStream();
    if (stream) closings.push_back(std::async(std::launch::async, [stream] { return stream->Close(); }));
  }
  for (const uint32_t partition : partitions) open.erase(partition);
  return closings.size() >= kClosingsMax ? WaitForClosings() : Status::OK();
}

Status DataFileWriter::Impl::WaitForClosings() {
  Status first;
  for (std::future<Status>& closing : closings) {
    Status status = closing.get();
    if (first.ok()) first = std::move(status);
  }
  closings.clear();
  return first;
}

Status DataFileWriter::Impl::CloseLargeFiles(const std::vector<PartitionSplitter::Part>& parts) {
  std::vector<uint32_t> large;
  for (const PartitionSplitter::Part& part : parts) {
    if (open.at(part.partition).file->bytes_estimate() >= options.target_file_bytes) large.push_back(part.partition);
  }
  return large.empty() ? Status::OK() : CloseFiles(large);
}

Status DataFileWriter::Impl::LimitMemory() {
  std::vector<std::pair<int64_t, uint32_t>> held;  // bytes, partition
  int64_t total = 0;
  for (const auto& [partition, target] : open) {
    held.emplace_back(target.file->memory_bytes(), partition);
    total += held.back().first;
  }
  if (total <= options.memory_bytes) return Status::OK();
  std::sort(held.rbegin(), held.rend());
  std::vector<uint32_t> largest;
  for (const auto& [bytes, partition] : held) {
    // Well below the limit, lest every batch closes a file.
    if (total <= options.memory_bytes / 4 * 3) break;
    total -= bytes;
    largest.push_back(partition);
  }
  return CloseFiles(largest);
}

Status DataFileWriter::Impl::LimitOpenFiles() {
  std::vector<std::pair<uint64_t, uint32_t>> used;  // last use, partition
  for (const auto& [partition, target] : open) {
    if (target.file->is_open()) used.emplace_back(target.last_used, partition);
  }
  const auto limit = static_cast<size_t>(std::max(options.open_files_max, 1));
  if (used.size() <= limit) return Status::OK();
  std::sort(used.begin(), used.end());
  std::vector<uint32_t> oldest;
  for (size_t i = 0; i < used.size() - limit; ++i) oldest.push_back(used[i].second);
  return CloseFiles(oldest);
}

void DataFileWriter::Impl::CountBytes() {
  int64_t bytes = closed_bytes;
  for (const auto& [partition, target] : open) bytes += target.file->bytes_estimate();
  bytes_written.store(bytes, std::memory_order_relaxed);
}

Status DataFileWriter::Impl::DeleteAll() {
  (void)WaitForClosings();  // what matters now is that the files go
  for (auto& [partition, target] : open) {
    if (target.file) target.file->Discard();
  }
  open.clear();
  Status first;
  for (const std::string& location : locations) {
    Status status = file_io.Delete(location);
    if (first.ok()) first = std::move(status);
  }
  locations.clear();
  files.clear();
  return first;
}

}  // namespace calve::datafile
