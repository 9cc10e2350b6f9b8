#include "calve/offload/block_reader.h"

namespace calve::offload {
namespace {

Status ReadBlocks(source::BlockStream& stream, BlockQueue& queue, const StopToken& stop) {
  while (true) {
    ARROW_RETURN_NOT_OK(stop.Check());
    ARROW_ASSIGN_OR_RAISE(auto block, stream.Next());
    if (!block || !queue.Push(block, stream.bytes_read())) return Status::OK();
  }
}

}  // namespace

BlockReader::BlockReader(source::BlockStream& stream, BlockQueue& queue, const StopToken& stop)
    : queue_(queue), thread_([&stream, &queue, &stop] { queue.Finish(ReadBlocks(stream, queue, stop)); }) {}

BlockReader::~BlockReader() {
  queue_.Cancel();
  thread_.join();
}

}  // namespace calve::offload
