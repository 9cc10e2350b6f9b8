// What the real engine does only in some releases or moments, played by functions in the library's place.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>

#include "calve/source/chdb_source.h"
#include "calve/source/testing_native_bytes.h"
#include "calve/source/testing_read_numbers.h"

namespace calve::source {

struct ChdbLibrary::Connection {};
struct ChdbLibrary::Result {
  std::string bytes, error;
};

namespace {

using std::chrono::milliseconds;
using FakeResult = ChdbLibrary::Result;

// The library's functions are plain ones: what they do stands here, for the one test that runs.
struct Stage {
  std::mutex mutex;
  std::deque<FakeResult> fetches;                  // what stream_fetch answers, one after another
  FakeResult whole, stream;                        // what a SELECT as a whole, and stream_query, answer
  std::vector<std::string> queries, cancelled;     // protected by mutex
  std::atomic<bool> blocks{false}, killed{false};  // stream_fetch waits for a KILL
  std::atomic<int> connections{0}, results{0};     // not yet closed and destroyed
};
std::unique_ptr<Stage> stage;

FakeResult* New(const FakeResult& result) {
  ++stage->results;
  return std::make_unique<FakeResult>(result).release();
}

ChdbLibrary FakeLibrary() {
  ChdbLibrary library{};
  library.connect = [](int, char**) {
    ++stage->connections;
    return std::make_unique<ChdbLibrary::Connection*>(nullptr).release();
  };
  library.close_connection = [](ChdbLibrary::Connection** cell) {
    --stage->connections;
    std::unique_ptr<ChdbLibrary::Connection*> owned(cell);
  };
  library.query = [](ChdbLibrary::Connection*, const char* sql, size_t size, const char*, size_t) {
    const std::string text(sql, size);
    std::lock_guard lock(stage->mutex);
    stage->queries.push_back(text);
    if (text.starts_with("KILL")) stage->killed = true;
    const bool about_itself = text.find("system.") != std::string::npos;
    return New(about_itself || text.find("SELECT") == std::string::npos ? FakeResult{} : stage->whole);
  };
  library.stream_query = [](ChdbLibrary::Connection*, const char*, size_t, const char*, size_t) {
    return New(stage->stream);
  };
  library.stream_fetch = [](ChdbLibrary::Connection*, FakeResult*) {
    while (stage->blocks && !stage->killed) std::this_thread::sleep_for(milliseconds(5));
    if (stage->killed) return New({"", "Code: 394. DB::Exception: Query was cancelled. (QUERY_WAS_CANCELLED)"});
    if (stage->fetches.empty()) return New({"", "No active streaming query"});
    const FakeResult result = stage->fetches.front();
    stage->fetches.pop_front();
    return New(result);
  };
  library.stream_cancel = [](ChdbLibrary::Connection*, FakeResult*) {
    std::lock_guard lock(stage->mutex);
    stage->cancelled.push_back("");
  };
  library.destroy_result = [](FakeResult* result) {
    --stage->results;
    std::unique_ptr<FakeResult> owned(result);
  };
  library.buffer = [](FakeResult* result) { return result->bytes.data(); };
  library.length = [](FakeResult* result) { return result->bytes.size(); };
  library.error = [](FakeResult* result) { return result->error.empty() ? nullptr : result->error.c_str(); };
  return library;
}

class ChdbSourceFakeTest : public testing::Test {
 protected:
  ChdbSourceFakeTest() {
    stage = std::make_unique<Stage>();
    char path[] = "/tmp/calve-chdb-fake-XXXXXX";
    url_.scheme = SourceScheme::kChdb;
    url_.directory = mkdtemp(path);
    url_.database = "default";
  }
  ~ChdbSourceFakeTest() override {
    EXPECT_EQ(stage->connections, 0);
    EXPECT_EQ(stage->results, 0);
    std::filesystem::remove_all(url_.directory);
  }
  std::unique_ptr<Source> Open() { return OpenChdbSource(FakeLibrary(), url_, {}, stop_).ValueOrDie(); }

  SourceUrl url_;
  StopToken stop_;
};

TEST_F(ChdbSourceFakeTest, AnEndIsAnAnswerWithoutBytes) {
  stage->fetches = {{NumberBlock(0, 3), ""}, {NumberBlock(3, 2), ""}, {"", ""}};
  EXPECT_EQ(ReadNumbers(*Open()).ValueOrDie(), (std::vector<uint64_t>{0, 1, 2, 3, 4}));
}

TEST_F(ChdbSourceFakeTest, NoActiveStreamIsNoEndInTheMiddle) {
  stage->fetches = {{NumberBlock(0, 3), ""}};
  EXPECT_EQ(KindOf(ReadNumbers(*Open()).status()), ErrorKind::kFailed);
}

TEST_F(ChdbSourceFakeTest, NoActiveStreamAtFirstIsAskedAgainAsAWhole) {
  EXPECT_EQ(ReadNumbers(*Open()).ValueOrDie().size(), 0);
  EXPECT_NE(stage->queries.back().find("SELECT number"), std::string::npos);
  stage->whole = {NumberBlock(0, 4), ""};  // it was not empty, after all
  EXPECT_EQ(ReadNumbers(*Open()).ValueOrDie().size(), 4);
  stage->whole = {"", "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)"};
  const Status status = ReadNumbers(*Open()).status();
  EXPECT_NE(MessageOf(status).find("Code 241"), std::string::npos) << status.ToString();
}

TEST_F(ChdbSourceFakeTest, WhatIsNotStreamedIsAskedAsAWhole) {
  stage->stream = {"",
                   "Code: 36. DB::Exception: Streaming query is not supported for query: DESCRIBE t. (BAD_ARGUMENTS)"};
  stage->whole = {NumberBlock(7, 1), ""};
  EXPECT_EQ(ReadNumbers(*Open()).ValueOrDie(), std::vector<uint64_t>{7});
}

TEST_F(ChdbSourceFakeTest, RowsToInsertGoThroughAFileThatIsThereForTheStatementAlone) {
  const auto rows = [n = 0]() mutable -> Result<std::shared_ptr<arrow::RecordBatch>> {
    if (++n > 1) return nullptr;
    return arrow::RecordBatch::MakeEmpty(arrow::schema({arrow::field("c1", arrow::int64())}));
  };
  const Insertion insertion{"`db`.`t` (`a`)", "SELECT c1", "c1 Int64"};
  auto source = Open();
  ASSERT_TRUE(source->Insert(insertion, rows, {}).ok());
  const std::string sql = stage->queries.back();
  const size_t at = sql.find("FROM file('");
  ASSERT_NE(at, std::string::npos) << sql;
  EXPECT_NE(sql.find("INSERT INTO `db`.`t` (`a`) SELECT c1 FROM file("), std::string::npos) << sql;
  EXPECT_TRUE(sql.ends_with("', 'ArrowStream', 'c1 Int64')")) << sql;
  const std::filesystem::path file = sql.substr(at + 11, sql.find('\'', at + 11) - at - 11);
  EXPECT_FALSE(std::filesystem::exists(file.parent_path())) << file;
  const size_t asked = stage->queries.size();
  ASSERT_TRUE(source->Insert(insertion, [] { return nullptr; }, {}).ok());
  EXPECT_EQ(stage->queries.size(), asked) << "nothing to insert";
}

TEST_F(ChdbSourceFakeTest, AStopKillsWhatRuns) {
  stage->blocks = true;
  auto source = Open();
  std::thread stopper([&] {
    std::this_thread::sleep_for(milliseconds(100));
    stop_.RequestStop(15);
  });
  EXPECT_EQ(KindOf(ReadNumbers(*source).status()), ErrorKind::kStopped);
  stopper.join();
  EXPECT_EQ(KindOf(source->Execute("DROP TABLE t", {})), ErrorKind::kStopped);
}

TEST_F(ChdbSourceFakeTest, AStreamLeftEarlyIsKilledThenCancelled) {
  stage->fetches = {{NumberBlock(0, 3), ""}, {NumberBlock(3, 2), ""}};
  auto source = Open();
  auto stream = source->Query("SELECT number", {}).ValueOrDie();
  ASSERT_TRUE(stream->Next().ok());
  source.reset();  // the stream keeps what it needs
  stream.reset();
  EXPECT_TRUE(stage->killed);
  EXPECT_EQ(stage->cancelled.size(), 1);
}

TEST_F(ChdbSourceFakeTest, ManyThreads) {
  stage->whole = {NumberBlock(0, 10), ""};
  stage->stream = {"", "Code: 36. DB::Exception: Streaming query is not supported for query. (BAD_ARGUMENTS)"};
  auto source = Open();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) EXPECT_EQ(ReadNumbers(*source).ValueOrDie().size(), 10);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(stage->connections, 6);  // the idle ones are kept, not collected
}

}  // namespace
}  // namespace calve::source
