// Over the real embedded engine; skipped where libchdb.so is not installed.
#include "calve/source/chdb_source.h"

#include <arrow/array.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "calve/source/chdb_library.h"
#include "calve/source/introspection.h"
#include "calve/source/testing_read_numbers.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CALVE_SANITIZED 1
#else
#define CALVE_SANITIZED 0
#endif

namespace calve::source {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class ChdbSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    // The engine brings its own allocator and unwinder, which the sanitizers' runtimes do not survive.
    if (CALVE_SANITIZED) GTEST_SKIP() << "not under sanitizers";
    if (auto library = LoadChdbLibrary(""); !library.ok()) GTEST_SKIP() << library.status().ToString();
    char path[] = "/tmp/calve-chdb-XXXXXX";
    directory_ = mkdtemp(path);
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  Result<std::unique_ptr<Source>> Open(const std::string& parameters = "") {
    SourceOptions options;
    options.url = "chdb:" + directory_ + parameters;
    return OpenSource(options, stop_);
  }

  std::string directory_;
  StopToken stop_;
};

TEST_F(ChdbSourceTest, StreamsAndCountsBytes) {
  auto source = Open().ValueOrDie();
  auto stream = source->Query("SELECT number FROM numbers(300000) -- a comment", {}).ValueOrDie();
  int64_t rows = 0, blocks = 0;
  uint64_t sum = 0;
  while (auto block = stream->Next().ValueOrDie()) {
    const auto& column = static_cast<const arrow::UInt64Array&>(*block->column(0));
    for (int64_t i = 0; i < column.length(); ++i) sum += column.Value(i);
    rows += block->num_rows();
    ++blocks;
  }
  EXPECT_EQ(rows, 300'000);
  EXPECT_EQ(sum, uint64_t{300'000} * 299'999 / 2);
  EXPECT_GT(blocks, 1);
  EXPECT_GE(stream->bytes_read(), 2'400'000);
  EXPECT_EQ(stream->Next().ValueOrDie(), nullptr);
  EXPECT_EQ(source->name(), "chdb:" + directory_);
  EXPECT_EQ(source->database(), "default");
}

TEST_F(ChdbSourceTest, EmptyResultsAreEnds) {
  auto source = Open().ValueOrDie();
  ASSERT_TRUE(
      source->Execute("CREATE TABLE t (number UInt64, d Date) ENGINE = MergeTree PARTITION BY d ORDER BY number", {})
          .ok());
  const std::vector<std::string> queries = {
      "SELECT number FROM t",         "SELECT number FROM numbers(10) WHERE number > 100",
      "SELECT number FROM t LIMIT 0", "SELECT number FROM t ORDER BY number",
      "SELECT number FROM t WHERE 0", "SELECT number FROM t GROUP BY number HAVING count() > 5"};
  for (int round = 0; round < 2; ++round) {
    for (const auto& sql : queries) EXPECT_EQ(ReadNumbers(*source, sql).ValueOrDie().size(), 0) << sql;
    // With rows elsewhere in the table, so that parts are read and filtered away.
    ASSERT_TRUE(source->Execute("INSERT INTO t SELECT number, '2024-01-01' FROM numbers(0)", {}).ok());
  }
}

TEST_F(ChdbSourceTest, ErrorsAreTheEnginesOwn) {
  auto source = Open().ValueOrDie();
  const auto unknown = source->Query("SELECT * FROM nope", {}).status();
  EXPECT_EQ(KindOf(unknown), ErrorKind::kConfig) << unknown.ToString();
  EXPECT_NE(MessageOf(unknown).find("Code 60"), std::string::npos) << unknown.ToString();
  EXPECT_EQ(KindOf(source->Query("SELEC 1", {}).status()), ErrorKind::kConfig);
  EXPECT_FALSE(source->Execute("DROP TABLE nope", {}).ok());
  // In the middle: the rows before are no result.
  const auto middle = ReadNumbers(*source, "SELECT number + throwIf(number = 1000000) FROM numbers(2000000)").status();
  EXPECT_NE(MessageOf(middle).find("Code 395"), std::string::npos) << middle.ToString();
  EXPECT_EQ(ReadNumbers(*source, "SELECT number FROM numbers(3)").ValueOrDie().size(), 3);  // and it goes on
}

TEST_F(ChdbSourceTest, QueriesMayInterleave) {
  auto source = Open().ValueOrDie();
  auto one = source->Query("SELECT number FROM numbers(200000)", {}).ValueOrDie();
  auto two = source->Query("SELECT number FROM numbers(200000)", {}).ValueOrDie();
  EXPECT_EQ(ReadNumbers(*source, "SELECT 5::UInt64").ValueOrDie(), std::vector<uint64_t>{5});
  int64_t rows = 0;
  for (bool more = true; more;) {
    more = false;
    for (auto* stream : {one.get(), two.get()}) {
      auto block = stream->Next().ValueOrDie();
      if (!block) continue;
      rows += block->num_rows();
      more = true;
    }
  }
  EXPECT_EQ(rows, 400'000);
}

TEST_F(ChdbSourceTest, SettingsHoldForTheirQueryOnly) {
  auto source = Open("?max_threads=3").ValueOrDie();
  QueryOptions options;
  options.settings["max_block_size"] = "7";
  EXPECT_EQ(ReadNumbers(*source, "SELECT toUInt64(getSetting('max_block_size'))", options).ValueOrDie(),
            std::vector<uint64_t>{7});
  EXPECT_NE(ReadNumbers(*source, "SELECT toUInt64(getSetting('max_block_size'))").ValueOrDie(),
            std::vector<uint64_t>{7});
  EXPECT_EQ(ReadNumbers(*source, "SELECT toUInt64(getSetting('max_threads'))").ValueOrDie(), std::vector<uint64_t>{3});
  options.settings = {{"no_such_setting", "1"}};
  EXPECT_EQ(KindOf(ReadNumbers(*source, "SELECT 1", options).status()), ErrorKind::kConfig);
  options.settings = {{"max_execution_time", "0.2"}};
  EXPECT_NE(MessageOf(ReadNumbers(
                          *source,
                          "SELECT number FROM system.numbers WHERE sleepEachRow(0.05) = 1 SETTINGS max_block_size = 1",
                          options)
                          .status())
                .find("Code 159"),
            std::string::npos);
}

TEST_F(ChdbSourceTest, KeysWithoutAZoneHideNoRowsFromAnotherTimeZone) {
  const QueryOptions east{"", {{"session_timezone", "Pacific/Kiritimati"}}},
      west{"", {{"session_timezone", "Pacific/Pago_Pago"}}};
  const std::vector<std::string> keys = {"PARTITION BY toYYYYMMDD(ts) ORDER BY (n, ts)", "ORDER BY (toDate(ts), n)",
                                         "PARTITION BY (n % 2, toDate(ts)) ORDER BY (toStartOfDay(ts), n) "};
  for (const auto& key : keys) {
    auto source = Open().ValueOrDie();
    ASSERT_TRUE(source
                    ->Execute("CREATE TABLE t (n UInt64, ts DateTime64(3)) ENGINE = MergeTree " + key +
                                  " SETTINGS index_granularity = 2",
                              east)
                    .ok());
    ASSERT_TRUE(
        source
            ->Execute(
                "INSERT INTO t SELECT number, fromUnixTimestamp64Milli(toInt64(1723075200000 + number * 3600000)) "
                "FROM numbers(100)",
                east)
            .ok());
    source = nullptr;
    source = Open().ValueOrDie();
    for (const char* window :
         {"ts > fromUnixTimestamp64Milli(1723150800000)", "ts <= fromUnixTimestamp64Milli(1723150800000)",
          "ts = fromUnixTimestamp64Milli(1723150800000)"}) {
      const std::string sql = std::string("SELECT toUInt64(count()) FROM t WHERE ") + window;
      auto all = source->Query(sql + " SETTINGS use_partition_pruning = 0, use_primary_key = 0", west).ValueOrDie();
      auto seen = source->Query(sql, west).ValueOrDie();
      EXPECT_TRUE(all->Next().ValueOrDie()->Equals(*seen->Next().ValueOrDie())) << key << ": " << window;
    }
    ASSERT_TRUE(source->Execute("DROP TABLE t SYNC", {}).ok());
  }
}

TEST_F(ChdbSourceTest, AStreamLeftEarlyDoesNotWaitForItsQuery) {
  auto source = Open().ValueOrDie();
  auto endless = source->Query("SELECT number FROM system.numbers", {}).ValueOrDie();
  ASSERT_TRUE(endless->Next().ok());
  const auto began = steady_clock::now();
  endless.reset();
  EXPECT_LT(steady_clock::now() - began, milliseconds(3000));
  EXPECT_EQ(ReadNumbers(*source, "SELECT number FROM numbers(3)").ValueOrDie().size(), 3);
}

TEST_F(ChdbSourceTest, AStopEndsAQueryThatHasNoRowYet) {
  auto source = Open().ValueOrDie();
  std::thread stopper([&] {
    std::this_thread::sleep_for(milliseconds(300));
    stop_.RequestStop(15);
  });
  const auto began = steady_clock::now();
  const auto status = ReadNumbers(*source, "SELECT sum(sipHash64(number)) FROM numbers(20000000000)").status();
  EXPECT_EQ(KindOf(status), ErrorKind::kStopped) << status.ToString();
  EXPECT_LT(steady_clock::now() - began, milliseconds(10'000));
  stopper.join();
}

TEST_F(ChdbSourceTest, MayBeClosedAndOpenedAgain) {
  auto first = Open().ValueOrDie();
  ASSERT_TRUE(first->Execute("CREATE TABLE t (number UInt64) ENGINE = MergeTree ORDER BY number", {}).ok());
  ASSERT_TRUE(first->Execute("INSERT INTO t SELECT number FROM numbers(10)", {}).ok());
  auto stream = first->Query("SELECT number FROM t", {}).ValueOrDie();
  auto block = stream->Next().ValueOrDie();
  auto second = Open().ValueOrDie();  // beside the first
  EXPECT_EQ(ReadNumbers(*second, "SELECT number FROM t").ValueOrDie().size(), 10);
  stream.reset();
  first.reset();
  second.reset();
  EXPECT_EQ(block->num_rows(), 10);  // the rows outlive the engine
  EXPECT_EQ(static_cast<const arrow::UInt64Array&>(*block->column(0)).Value(9), 9);
  block.reset();
  auto third = Open().ValueOrDie();
  EXPECT_EQ(ReadNumbers(*third, "SELECT number FROM t").ValueOrDie().size(), 10);
}

TEST_F(ChdbSourceTest, DirectoriesThatCannotServe) {
  SourceOptions options;
  auto expect = [&](const std::string& url, const std::string& says) {
    options.url = url;
    const Status status = OpenSource(options, stop_).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << url << status.ToString();
    EXPECT_NE(MessageOf(status).find(says), std::string::npos) << status.ToString();
  };
  expect("chdb:" + directory_ + "/nope", "does not exist");
  std::ofstream(directory_ + "/file") << "x";
  expect("chdb:" + directory_ + "/file", "is no directory");
  expect("chdb:" + directory_, "no ClickHouse data");
  std::filesystem::create_directory(directory_ + "/db");
  expect("chdb:" + directory_ + "/db?database=nope", "nope");
  options.chdb_library = directory_ + "/no.so";
  expect("chdb:" + directory_ + "/db", directory_ + "/no.so");
}

TEST_F(ChdbSourceTest, ADirectoryInUseNamesItsUser) {
  { ASSERT_TRUE(Open().ok()); }
  const std::string ready = directory_ + "/tmp/ready";
  const pid_t child = fork();
  if (child == 0) {
    // As another process's engine would hold it.
    std::ofstream(directory_ + "/status") << "PID: " << getpid() << "\nStarted at: now\n";
    const int file = open((directory_ + "/status").c_str(), O_RDWR);
    flock(file, LOCK_EX);
    std::ofstream(ready) << "x";
    pause();
    _exit(0);
  }
  while (!std::filesystem::exists(ready)) std::this_thread::sleep_for(milliseconds(10));
  const Status status = Open().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << status.ToString();
  EXPECT_NE(MessageOf(status).find("in use by another process (id " + std::to_string(child) + ")"), std::string::npos)
      << status.ToString();
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(Open().ok());
}

TEST_F(ChdbSourceTest, OurSignalHandlersStay) {
  struct sigaction ours {};
  ours.sa_handler = SIG_IGN;
  struct sigaction before {};
  sigaction(SIGTERM, &ours, &before);
  auto source = Open().ValueOrDie();
  ASSERT_TRUE(ReadNumbers(*source, "SELECT number FROM numbers(3)").ok());
  struct sigaction now {};
  sigaction(SIGTERM, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_IGN);
  sigaction(SIGTERM, &before, nullptr);
}

TEST_F(ChdbSourceTest, NothingIsSaidOnStdout) {
  testing::internal::CaptureStdout();
  {
    auto source = Open().ValueOrDie();
    (void)source->Query("SELECT * FROM nope", {});
    (void)ReadNumbers(*source, "SELECT number FROM numbers(3)");
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST_F(ChdbSourceTest, Introspection) {
  auto source = Open().ValueOrDie();
  for (const char* sql :
       {"CREATE DATABASE k2",
        "CREATE TABLE k2.trades (t DateTime64(3), seq UInt64 COMMENT 'it''s', s LowCardinality(String), "
        "m String MATERIALIZED upper(s), geo Point) ENGINE = ReplacingMergeTree(seq) PARTITION BY toDate(t) ORDER BY "
        "(s, t)",
        "CREATE VIEW k2.v AS SELECT seq FROM k2.trades", "CREATE TABLE k2.`odd``name.x` (a Int8) ENGINE = Memory",
        "INSERT INTO k2.trades (t, seq, s) SELECT now64(3), number, toString(number) FROM numbers(10)"}) {
    const Status done = source->Execute(sql, {});
    ASSERT_TRUE(done.ok()) << done.ToString();
  }
  const auto info = AskServer(*source).ValueOrDie();
  EXPECT_GE(info.major, 25);
  EXPECT_EQ(info.uuid, "");
  const int64_t now = SystemClock().Now();
  EXPECT_LT(std::abs(info.now - now), 60 * kMicrosPerSecond);

  const auto table = DescribeTable(*source, "k2.trades").ValueOrDie();
  EXPECT_EQ(table.database, "k2");
  EXPECT_EQ(table.engine, "ReplacingMergeTree");
  EXPECT_EQ(table.partition_key, "toDate(t)");
  EXPECT_EQ(table.sorting_key, "s, t");
  EXPECT_EQ(table.uuid.size(), 36);
  EXPECT_EQ(table.total_rows, 10);
  EXPECT_GT(table.total_bytes.value_or(0), 0);
  ASSERT_EQ(table.columns.size(), 5);
  EXPECT_EQ(table.columns[0].name, "t");
  EXPECT_EQ(table.columns[0].type.kind, TypeKind::kDateTime64);
  EXPECT_EQ(table.columns[1].comment, "it's");
  EXPECT_EQ(table.columns[2].type.kind, TypeKind::kLowCardinality);
  EXPECT_EQ(table.columns[3].default_kind, "MATERIALIZED");
  EXPECT_EQ(table.columns[4].type.text, "Point");

  EXPECT_EQ(DescribeTable(*source, "k2.v").ValueOrDie().engine, "View");
  EXPECT_EQ(DescribeTable(*source, "`k2`.`odd``name.x`").ValueOrDie().name, "odd`name.x");
  EXPECT_EQ(DescribeTable(*source, "k2.\"odd`name.x\"").ValueOrDie().columns.size(), 1);
  EXPECT_EQ(DescribeTable(*source, "system.one").ValueOrDie().columns.size(), 1);

  auto expect = [&](const std::string& name, ErrorKind kind, const std::string& remedy) {
    const Status status = DescribeTable(*source, name).status();
    EXPECT_EQ(KindOf(status), kind) << status.ToString();
    EXPECT_NE(RemedyOf(status).find(remedy), std::string::npos) << status.ToString();
  };
  expect("k2.trade", ErrorKind::kNotFound, "did you mean k2.trades?");
  expect("trades", ErrorKind::kNotFound, "in another database: k2.trades");
  expect("k22.trade", ErrorKind::kNotFound, "did you mean k2.trade?");
  expect("k2.", ErrorKind::kConfig, "database.table");
  expect("a.b.c", ErrorKind::kConfig, "database.table");
  expect("`open", ErrorKind::kConfig, "database.table");

  EXPECT_EQ(QueryText(*source, "SELECT 'a', CAST(NULL, 'Nullable(Int8)'), 7, toString(1.5), toLowCardinality('lc')")
                .ValueOrDie(),
            (std::vector<std::vector<std::string>>{{"a", "", "7", "1.5", "lc"}}));
  EXPECT_EQ(KindOf(QueryText(*source, "SELECT 1 WHERE 0").status()), ErrorKind::kCorrupt);
  EXPECT_EQ(QueryRows(*source, "SELECT 1 WHERE 0").ValueOrDie().size(), 0);
  const std::string nasty = "a'b\\c`d\n\t\"e";
  EXPECT_EQ(QueryText(*source, "SELECT " + QuoteString(nasty) + " AS " + QuoteIdentifier(nasty)).ValueOrDie()[0][0],
            nasty);
}

TEST(ChdbLibraryTest, WhereItIsLookedFor) {
  EXPECT_EQ(ChdbLibraryCandidates("/a.so", "/b.so", "/p"), std::vector<std::string>{"/a.so"});
  EXPECT_EQ(ChdbLibraryCandidates("", "/b.so", "/p"), std::vector<std::string>{"/b.so"});
  EXPECT_EQ(ChdbLibraryCandidates("", "", "/p").front(), "/p/libchdb.so");
  EXPECT_EQ(ChdbLibraryCandidates("", "", "/p").at(1), "/p/../lib/calve/libchdb.so") << "of an installed program";
  EXPECT_EQ(ChdbLibraryCandidates("", "", "/p").back(), "libchdb.so");
  const Status status = LoadChdbLibrary("/nonexistent/libchdb.so").status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_NE(MessageOf(status).find("/nonexistent/libchdb.so"), std::string::npos);
}

}  // namespace
}  // namespace calve::source
