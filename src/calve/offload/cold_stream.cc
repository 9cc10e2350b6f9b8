#include "calve/offload/cold_stream.h"

namespace calve::offload {

ColdStream::ColdStream(storage::FileIO& file_io, const ColdScan& scan, size_t threads, int64_t queue_bytes_max,
                       const StopToken& stop)
    : queue_(queue_bytes_max), thread_([this, &file_io, &scan, threads, &stop] {
        queue_.Finish(ReadColdRows(file_io, scan, threads, stop, [this](size_t, const auto& batch) {
          return queue_.Push(batch, 0) ? Status::OK() : MakeError(ErrorKind::kStopped, "nobody reads any more");
        }));
      }) {}

ColdStream::~ColdStream() {
  queue_.Cancel();
  thread_.join();
}

Result<std::shared_ptr<arrow::RecordBatch>> ColdStream::Next() {
  ARROW_ASSIGN_OR_RAISE(BlockQueue::Item item, queue_.Pop());
  return std::move(item.block);
}

}  // namespace calve::offload
