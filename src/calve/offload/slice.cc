#include "calve/offload/slice.h"

#include <algorithm>

#include "calve/datafile/conform.h"
#include "calve/offload/cursor_check.h"
#include "calve/offload/slice_fingerprint.h"

namespace calve::offload {
namespace {

// Casts blocks and hands them to the data file writer; made with the first block, which tells the columns.
class Sink {
 public:
  Sink(storage::FileIO& file_io, const SlicePlan& plan)
      : file_io_(file_io), plan_(plan), fingerprint_(plan.cursor_column, plan.fingerprint_sequence.value_or("")) {}

  Status Take(const std::shared_ptr<arrow::RecordBatch>& block) {
    if (!conformer_) ARROW_RETURN_NOT_OK(Begin(*block->schema()));
    ARROW_RETURN_NOT_OK(Look(*block));
    ARROW_ASSIGN_OR_RAISE(auto fitted, conformer_->Apply(*block));
    ARROW_RETURN_NOT_OK(writer_->Write(fitted));
    result_.rows += block->num_rows();
    return Status::OK();
  }

  Result<SliceResult> Finish(int64_t bytes_read) {
    if (writer_) {
      ARROW_ASSIGN_OR_RAISE(result_.files, writer_->Finish());
    }
    result_.bytes_read = bytes_read;
    result_.fingerprint = fingerprint_.value();
    int64_t in_files = 0;
    for (const auto& file : result_.files) in_files += file.record_count;
    if (in_files != result_.rows) {
      return MakeError(ErrorKind::kFailed,
                       fmt::format("{} rows were read, but the files hold {}", result_.rows, in_files),
                       "Nothing was committed. This is a defect of calve; please report it.");
    }
    return std::move(result_);
  }

  Status Abort() { return writer_ ? writer_->Abort() : Status::OK(); }
  int64_t rows() const { return result_.rows; }
  int64_t bytes_written() const { return writer_ ? writer_->bytes_written() : 0; }

 private:
  Status Begin(const arrow::Schema& source) {
    ARROW_ASSIGN_OR_RAISE(conformer_, datafile::Conformer::Make(plan_.write.schema, source));
    ARROW_ASSIGN_OR_RAISE(writer_,
                          datafile::DataFileWriter::Make(file_io_, plan_.write, plan_.writer, conformer_->schema()));
    return Status::OK();
  }

  Status Look(const arrow::RecordBatch& block) {
    if (plan_.fingerprint_sequence) ARROW_RETURN_NOT_OK(fingerprint_.Add(block));
    if (!plan_.cursor_column.empty()) {
      auto cursor = block.GetColumnByName(plan_.cursor_column);
      if (cursor) ARROW_RETURN_NOT_OK(CheckCursor(*cursor, plan_.window, plan_.cursor_column));
    }
    if (!plan_.sequence_column.empty()) {
      auto sequence = block.GetColumnByName(plan_.sequence_column);
      auto highest = sequence ? MaxInteger(*sequence) : std::nullopt;
      if (highest) result_.max_sequence = std::max(*highest, result_.max_sequence.value_or(*highest));
    }
    return Status::OK();
  }

  storage::FileIO& file_io_;
  const SlicePlan& plan_;
  RowsFingerprint fingerprint_;
  std::unique_ptr<datafile::Conformer> conformer_;
  std::unique_ptr<datafile::DataFileWriter> writer_;
  SliceResult result_;
};

// Of the writing thread.
struct WriteTimes {
  SecondsSum starved, work;
};

Status Drain(BlockQueue& queue, Sink& sink, const StopToken& stop, const SliceProgress& progress, int64_t& bytes_read,
             WriteTimes& times) {
  while (true) {
    ARROW_RETURN_NOT_OK(stop.Check());
    ARROW_ASSIGN_OR_RAISE(BlockQueue::Item item, times.starved.Time([&] { return queue.Pop(); }));
    bytes_read = std::max(bytes_read, item.wire_bytes);  // threads may push theirs in another order than they counted
    if (!item.block) return Status::OK();
    ARROW_RETURN_NOT_OK(times.work.Time([&] { return sink.Take(item.block); }));
    progress(sink.rows(), bytes_read, sink.bytes_written());
  }
}

}  // namespace

void SliceSeconds::Add(const SliceSeconds& more) {
  read += more.read, decode += more.decode, held += more.held;
  starved += more.starved, encode += more.encode, upload += more.upload;
}

void SliceResult::Add(SliceResult&& more) {
  files.insert(files.end(), std::make_move_iterator(more.files.begin()), std::make_move_iterator(more.files.end()));
  rows += more.rows, bytes_read += more.bytes_read;
  if (more.max_sequence) max_sequence = std::max(*more.max_sequence, max_sequence.value_or(*more.max_sequence));
  seconds.Add(more.seconds);
}

Result<SliceResult> WriteSlice(source::Source& source, storage::FileIO& file_io, const SlicePlan& plan,
                               const StopToken& stop, const SliceProgress& progress) {
  BlockQueue queue(plan.queue_bytes_max);
  SecondsSum store;
  SlicePlan timed = plan;
  timed.writer.store_time = &store;
  Sink sink(file_io, timed);
  SliceSeconds seconds;
  WriteTimes writing;
  int64_t bytes_read = 0;
  Status drained;
  {
    BlockReader reader(source, plan.queries, plan.readers, queue, stop);
    drained = Drain(queue, sink, stop, progress, bytes_read, writing);
    seconds.read = reader.times().read.seconds();
    seconds.decode = reader.times().decode.seconds();
    seconds.held = reader.times().held.seconds();
  }
  auto result =
      drained.ok() ? writing.work.Time([&] { return sink.Finish(bytes_read); }) : Result<SliceResult>(drained);
  if (!result.ok()) {
    // What went wrong first is what the operator needs to know; leftovers of a failed clean-up are found by orphan
    // removal.
    Status aborted = sink.Abort();
    static_cast<void>(aborted);
    return result;
  }
  seconds.starved = writing.starved.seconds();
  seconds.upload = store.seconds();
  seconds.encode = std::max(0.0, writing.work.seconds() - seconds.upload);
  result->seconds = seconds;
  return result;
}

}  // namespace calve::offload
