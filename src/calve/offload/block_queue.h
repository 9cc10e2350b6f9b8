// Blocks on their way from the reading thread to the writing one; bounded by bytes.
#pragma once

#include <arrow/record_batch.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "calve/base/error.h"

namespace calve::offload {

// Any number of producers, of which one finishes it for all; one consumer. All members are thread-safe.
class BlockQueue {
 public:
  explicit BlockQueue(int64_t bytes_max) : bytes_max_(bytes_max) {}

  // Waits while the queue is full (one block always fits). False once the consumer is gone.
  bool Push(std::shared_ptr<arrow::RecordBatch> block, int64_t wire_bytes);
  // After the last block: OK, or why there are no more.
  void Finish(Status status, int64_t wire_bytes = 0);
  // The consumer gives up; Push returns false from now on.
  void Cancel();

  struct Item {
    std::shared_ptr<arrow::RecordBatch> block;  // null at the end
    int64_t wire_bytes = 0;                     // read by then; at the end: by all
  };
  // Waits for the next block; the error that the producer finished with, after the blocks before it.
  Result<Item> Pop();

 private:
  const int64_t bytes_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // protected by mutex_
  struct Entry {
    Item item;
    int64_t size = 0;
  };
  std::deque<Entry> entries_;
  int64_t bytes_ = 0;
  bool finished_ = false;
  bool cancelled_ = false;
  Status status_;
  int64_t wire_bytes_ = 0;
};

}  // namespace calve::offload
