#include "calve/offload/block_queue.h"

#include <arrow/util/byte_size.h>

#include <utility>

namespace calve::offload {

bool BlockQueue::Push(std::shared_ptr<arrow::RecordBatch> block, int64_t wire_bytes) {
  int64_t size = arrow::util::TotalBufferSize(*block);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return cancelled_ || entries_.empty() || bytes_ + size <= bytes_max_; });
  if (cancelled_) return false;
  entries_.push_back(Entry{Item{std::move(block), wire_bytes}, size});
  bytes_ += size;
  changed_.notify_all();
  return true;
}

void BlockQueue::Finish(Status status, int64_t wire_bytes) {
  std::lock_guard lock(mutex_);
  finished_ = true;
  status_ = std::move(status);
  wire_bytes_ = wire_bytes;
  changed_.notify_all();
}

void BlockQueue::Cancel() {
  std::lock_guard lock(mutex_);
  cancelled_ = true;
  entries_.clear();
  changed_.notify_all();
}

Result<BlockQueue::Item> BlockQueue::Pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !entries_.empty() || finished_; });
  if (entries_.empty()) {
    ARROW_RETURN_NOT_OK(status_);
    return Item{nullptr, wire_bytes_};
  }
  Entry entry = std::move(entries_.front());
  entries_.pop_front();
  bytes_ -= entry.size;
  changed_.notify_all();
  return std::move(entry.item);
}

}  // namespace calve::offload
