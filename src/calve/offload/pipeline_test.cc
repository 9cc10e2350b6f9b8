#include <arrow/builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "calve/offload/block_queue.h"
#include "calve/offload/block_reader.h"
#include "calve/offload/cursor_check.h"
#include "calve/source/testing_fake_source.h"

namespace calve::offload {
namespace {

std::shared_ptr<arrow::RecordBatch> Block(int64_t rows) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < rows; ++i) EXPECT_TRUE(builder.Append(i).ok());
  auto array = builder.Finish().ValueOrDie();
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("a", arrow::int64())}), rows, {array});
}

std::shared_ptr<arrow::Array> Times(std::vector<int64_t> values, arrow::TimeUnit::type unit) {
  arrow::TimestampBuilder builder(arrow::timestamp(unit, "UTC"), arrow::default_memory_pool());
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

TEST(BlockQueue, DeliversInOrderThenTheError) {
  BlockQueue queue(1 << 20);
  EXPECT_TRUE(queue.Push(Block(1), 10));
  EXPECT_TRUE(queue.Push(Block(2), 20));
  queue.Finish(MakeError(ErrorKind::kRetry, "cut"));
  EXPECT_EQ(queue.Pop()->block->num_rows(), 1);
  EXPECT_EQ(queue.Pop()->wire_bytes, 20);
  EXPECT_EQ(KindOf(queue.Pop().status()), ErrorKind::kRetry);
}

TEST(BlockQueue, HoldsNoMoreThanItsBoundButOneBlockAlways) {
  BlockQueue queue(100 * 8);
  std::atomic<int> pushed{0};
  std::thread producer([&] {
    for (int i = 0; i < 5; ++i) {
      if (queue.Push(Block(80), 0)) ++pushed;
    }
    queue.Finish(Status::OK());
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(pushed, 1);
  int popped = 0;
  while (queue.Pop()->block) ++popped;
  producer.join();
  EXPECT_EQ(popped, 5);
}

TEST(BlockQueue, LetsAWaitingProducerGoWhenTheConsumerGivesUp) {
  BlockQueue queue(1);
  EXPECT_TRUE(queue.Push(Block(10), 0));
  std::thread producer([&] { EXPECT_FALSE(queue.Push(Block(10), 0)); });
  queue.Cancel();
  producer.join();
}

// Answers with as many rows as the query's text says, or an error; counts how many are asked at once.
class CountingSource : public source::TestingFakeSource {
 public:
  CountingSource() : TestingFakeSource([](const std::string&) { return Rows{}; }) {}
  Result<std::unique_ptr<source::BlockStream>> Query(const std::string& sql, const source::QueryOptions&) override {
    if (sql == "refused") return MakeError(ErrorKind::kRetry, "refused");
    return std::make_unique<Stream>(*this, std::stoll(sql));
  }
  std::atomic<int> open{0}, most{0}, begun{0};

 private:
  class Stream : public source::BlockStream {
   public:
    Stream(CountingSource& source, int64_t blocks) : source_(source), left_(blocks) {
      ++source_.begun;
      const int open = ++source_.open;
      int most = source_.most;
      while (most < open && !source_.most.compare_exchange_weak(most, open)) {
      }
    }
    ~Stream() override { --source_.open; }
    Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      if (left_ == 0) return nullptr;
      --left_;
      bytes_ += 100;
      return Block(1);
    }
    int64_t bytes_read() const override { return bytes_; }
    double wait_seconds() const override { return static_cast<double>(bytes_) / 100 * 0.0005; }  // of each block's 2 ms

   private:
    CountingSource& source_;
    int64_t left_, bytes_ = 0;
  };
};

TEST(BlockReader, AllQueriesAreReadByAFewThreads) {
  CountingSource source;
  BlockQueue queue(1 << 20);
  StopToken stop;
  BlockReader reader(source, {{"3", {}}, {"0", {}}, {"5", {}}, {"2", {}}, {"4", {}}}, 2, queue, stop);
  int blocks = 0;
  auto item = queue.Pop().ValueOrDie();
  for (; item.block; item = queue.Pop().ValueOrDie()) ++blocks;
  EXPECT_EQ(blocks, 14);
  EXPECT_EQ(item.wire_bytes, 1400);
  EXPECT_EQ(source.most, 2);
  EXPECT_EQ(source.begun, 5);
}

TEST(BlockReader, TellsWaitingForBytesFromDecodingAndFromAFullQueue) {
  CountingSource source;
  BlockQueue queue(1);
  StopToken stop;
  BlockReader reader(source, {{"20", {}}}, 1, queue, stop);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the second block finds no place
  while (queue.Pop()->block) {
  }
  EXPECT_GE(reader.times().read.seconds(), 0.0099);
  EXPECT_LT(reader.times().read.seconds(), 0.03) << "what the transport says, and no more";
  EXPECT_GE(reader.times().decode.seconds(), 0.03);
  EXPECT_GE(reader.times().held.seconds(), 0.02);
}

TEST(BlockReader, TheFirstErrorEndsThemAll) {
  CountingSource source;
  BlockQueue queue(1 << 20);
  StopToken stop;
  BlockReader reader(source, {{"1", {}}, {"refused", {}}, {"1000000", {}}, {"1000000", {}}}, 2, queue, stop);
  auto item = queue.Pop();
  while (item.ok() && item->block) item = queue.Pop();
  EXPECT_EQ(KindOf(item.status()), ErrorKind::kRetry) << item.status();
}

TEST(BlockReader, AStopEndsIt) {
  CountingSource source;
  BlockQueue queue(1 << 20);
  StopToken stop;
  BlockReader reader(source, {{"1000000", {}}, {"1000000", {}}}, 2, queue, stop);
  ASSERT_TRUE(queue.Pop().ok());
  stop.RequestStop(15);
  auto item = queue.Pop();
  while (item.ok() && item->block) item = queue.Pop();
  EXPECT_EQ(KindOf(item.status()), ErrorKind::kStopped) << item.status();
}

TEST(CursorCheck, AcceptsTheWindowsEndAndRefusesItsStart) {
  Window window{1'000'000, 2'000'000};
  EXPECT_TRUE(CheckCursor(*Times({1'001, 2'000}, arrow::TimeUnit::MILLI), window, "ts").ok());
  EXPECT_EQ(KindOf(CheckCursor(*Times({1'000}, arrow::TimeUnit::MILLI), window, "ts")), ErrorKind::kCorrupt);
  EXPECT_EQ(KindOf(CheckCursor(*Times({2'001}, arrow::TimeUnit::MILLI), window, "ts")), ErrorKind::kCorrupt);
  EXPECT_TRUE(CheckCursor(*Times({2}, arrow::TimeUnit::SECOND), window, "ts").ok());
  EXPECT_TRUE(CheckCursor(*Times({1'000'000'001}, arrow::TimeUnit::NANO), window, "ts").ok());
  EXPECT_TRUE(CheckCursor(*Times({-5}, arrow::TimeUnit::SECOND), Window{std::nullopt, 0}, "ts").ok());
}

TEST(MaxInteger, TakesTheLargestAndCapsUInt64) {
  arrow::UInt64Builder builder;
  ASSERT_TRUE(builder.AppendValues(std::vector<uint64_t>{1, 7, 3}).ok());
  EXPECT_EQ(MaxInteger(*builder.Finish().ValueOrDie()), 7);
  ASSERT_TRUE(builder.AppendValues(std::vector<uint64_t>{UINT64_MAX}).ok());
  EXPECT_EQ(MaxInteger(*builder.Finish().ValueOrDie()), INT64_MAX);
  arrow::Int64Builder negative;
  ASSERT_TRUE(negative.AppendValues(std::vector<int64_t>{-9, -4}).ok());
  EXPECT_EQ(MaxInteger(*negative.Finish().ValueOrDie()), -4);
  arrow::Int64Builder none;
  ASSERT_TRUE(none.AppendNull().ok());
  EXPECT_EQ(MaxInteger(*none.Finish().ValueOrDie()), std::nullopt);
}

}  // namespace
}  // namespace calve::offload
