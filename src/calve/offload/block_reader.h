// The thread that reads and decodes blocks of a query into a queue.
#pragma once

#include <thread>

#include "calve/base/stop.h"
#include "calve/offload/block_queue.h"
#include "calve/source/source.h"

namespace calve::offload {

// Joins its thread on every way out. All arguments are borrowed.
class BlockReader {
 public:
  BlockReader(source::BlockStream& stream, BlockQueue& queue, const StopToken& stop);
  ~BlockReader();
  BlockReader(const BlockReader&) = delete;
  BlockReader& operator=(const BlockReader&) = delete;

 private:
  BlockQueue& queue_;
  std::thread thread_;
};

}  // namespace calve::offload
