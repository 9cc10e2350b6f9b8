// The threads that read and decode blocks of queries into a queue.
#pragma once

#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "calve/base/seconds_sum.h"
#include "calve/base/stop.h"
#include "calve/offload/block_queue.h"
#include "calve/source/source.h"

namespace calve::offload {

struct ReadQuery {
  std::string sql;
  source::QueryOptions options;
};

// So many shards of a cluster are read at once at the most, where `readers` does not say more: each query has a block
// in hand.
constexpr int64_t kShardsAtOnce = 16;

// The query once for each of so many shards; 0: as it is, for a source that is no cluster.
std::vector<ReadQuery> OnEachShard(const ReadQuery& query, int shards);

// What the reading threads spent their time with, all together.
struct ReadTimes {
  SecondsSum read;    // asking, and waiting for bytes
  SecondsSum decode;  // of bytes into columns
  SecondsSum held;    // waiting for the queue to take a block: the encoder is slower
};

// Queries are begun in their order, at most `readers` at once; the queue is finished after the last block of all, or
// with the first error. Joins its threads on every way out. Everything is borrowed but `queries`.
class BlockReader {
 public:
  BlockReader(source::Source& source, std::vector<ReadQuery> queries, int64_t readers, BlockQueue& queue,
              const StopToken& stop);
  ~BlockReader();
  BlockReader(const BlockReader&) = delete;
  BlockReader& operator=(const BlockReader&) = delete;

  // Complete once the queue has given its end.
  const ReadTimes& times() const { return times_; }

 private:
  void Work();
  // False: there is none left, or nobody wants it any more.
  bool TakeNext(size_t& query);
  // False: the consumer is gone, or another thread failed.
  Result<bool> ReadOne(const ReadQuery& query);
  // Bytes off the wire by now, of all queries.
  int64_t AddBytes(int64_t more);
  void End(const Status& status);

  source::Source& source_;
  const std::vector<ReadQuery> queries_;
  BlockQueue& queue_;
  const StopToken& stop_;
  ReadTimes times_;
  std::mutex mutex_;
  // protected by mutex_
  size_t next_ = 0;
  size_t working_ = 0;  // threads
  int64_t wire_bytes_ = 0;
  bool ended_ = false;
  // last: they use all of the above
  std::vector<std::thread> threads_;
};

}  // namespace calve::offload
