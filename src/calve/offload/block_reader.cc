#include "calve/offload/block_reader.h"

#include <algorithm>

namespace calve::offload {

std::vector<ReadQuery> OnEachShard(const ReadQuery& query, int shards) {
  if (shards == 0) return {query};
  std::vector<ReadQuery> queries;
  for (int shard = 0; shard < shards; ++shard) {
    queries.push_back(query);
    queries.back().options.shard = shard;
  }
  return queries;
}

BlockReader::BlockReader(source::Source& source, std::vector<ReadQuery> queries, int64_t readers, BlockQueue& queue,
                         const StopToken& stop)
    : source_(source), queries_(std::move(queries)), queue_(queue), stop_(stop) {
  const auto threads =
      std::clamp<size_t>(static_cast<size_t>(std::max<int64_t>(readers, 1)), 1, std::max<size_t>(queries_.size(), 1));
  working_ = threads;
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

BlockReader::~BlockReader() {
  queue_.Cancel();
  for (std::thread& thread : threads_) thread.join();
}

void BlockReader::Work() {
  Status status;
  size_t query = 0;
  while (status.ok() && TakeNext(query)) {
    auto more = ReadOne(queries_[query]);
    status = more.status();
    if (more.ok() && !*more) break;
  }
  End(status);
}

bool BlockReader::TakeNext(size_t& query) {
  std::lock_guard lock(mutex_);
  if (ended_ || next_ == queries_.size()) return false;
  query = next_++;
  return true;
}

Result<bool> BlockReader::ReadOne(const ReadQuery& query) {
  ARROW_RETURN_NOT_OK(stop_.Check());
  ARROW_ASSIGN_OR_RAISE(auto stream, times_.read.Time([&] { return source_.Query(query.sql, query.options); }));
  int64_t seen = 0;
  while (true) {
    ARROW_RETURN_NOT_OK(stop_.Check());
    SecondsSum next;
    const double waited_before = stream->wait_seconds();
    ARROW_ASSIGN_OR_RAISE(auto block, next.Time([&] { return stream->Next(); }));
    const double waited = stream->wait_seconds() - waited_before;
    times_.read.Add(waited);
    times_.decode.Add(std::max(0.0, next.seconds() - waited));
    const int64_t bytes = stream->bytes_read();
    const int64_t all = AddBytes(bytes - seen);
    seen = bytes;
    if (!block) return true;
    if (!times_.held.Time([&] { return queue_.Push(std::move(block), all); })) return false;
  }
}

int64_t BlockReader::AddBytes(int64_t more) {
  std::lock_guard lock(mutex_);
  return wire_bytes_ += more;
}

void BlockReader::End(const Status& status) {
  std::lock_guard lock(mutex_);
  --working_;
  if (ended_ || (status.ok() && working_ > 0)) return;
  ended_ = true;
  queue_.Finish(status, wire_bytes_);
}

}  // namespace calve::offload
