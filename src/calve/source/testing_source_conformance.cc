#include "calve/source/testing_source_conformance.h"

#include <arrow/api.h>
#include <gmock/gmock.h>

#include <chrono>
#include <thread>
#include <utility>

#include "calve/source/testing_read_numbers.h"

namespace calve::source {

std::unique_ptr<Source> SourcePlace::Open(SourceOptions options) {
  options.attempts_max = 2;
  options.connect_timeout_ms = 5'000;
  options.idle_timeout_ms = 20'000;
  return OpenSource(options, stop).ValueOrDie();
}

void SourceConformance::SetUp() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the engine's own allocator and unwinder do not survive the sanitizers' runtimes";
#endif
  if (auto library = LoadChdbLibrary(""); !library.ok()) GTEST_SKIP() << library.status().ToString();
  place_ = std::make_unique<SourcePlace>();
  SourceOptions embedded;
  embedded.url = "chdb:" + place_->directory.path();
  beside_ = place_->Open(embedded);
  source_ = GetParam().open(*place_);
}

std::vector<uint64_t> SourceConformance::Numbers(uint64_t count) const {
  std::vector<uint64_t> numbers;
  for (int shard = 0; shard < GetParam().shards; ++shard) {
    for (uint64_t i = 0; i < count; ++i) numbers.push_back(i);
  }
  return numbers;
}

Result<std::vector<uint64_t>> SourceConformance::Ask(const std::string& sql, QueryOptions options) {
  options.scope = Scope::kEveryShard;
  return ReadNumbers(*source_, sql, options);
}

Result<std::unique_ptr<BlockStream>> SourceConformance::Begin(const std::string& sql, QueryOptions options) {
  options.scope = Scope::kEveryShard;
  return source_->Query(sql, options);
}

void SourceConformance::Do(const std::string& sql) {
  const Status done = beside_->Execute(sql, {});
  ASSERT_TRUE(done.ok()) << sql << ": " << done.ToString();
}

std::vector<uint64_t> SourceConformance::InPlace(const std::string& sql) {
  return ReadNumbers(*beside_, sql).ValueOrDie();
}

namespace {

using std::chrono::steady_clock;
using ::testing::HasSubstr;

QueryOptions With(const std::string& setting, const std::string& value) {
  QueryOptions options;
  options.settings[setting] = value;
  return options;
}

std::shared_ptr<arrow::RecordBatch> BatchOf(int64_t first, int64_t count) {
  arrow::Int64Builder numbers;
  arrow::StringBuilder texts;
  for (int64_t i = first; i < first + count; ++i) {
    EXPECT_TRUE(numbers.Append(i).ok());
    EXPECT_TRUE((i % 3 ? texts.Append("t" + std::to_string(i)) : texts.AppendNull()).ok());
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("c1", arrow::int64(), false), arrow::field("c2", arrow::utf8())}), count,
      {numbers.Finish().ValueOrDie(), texts.Finish().ValueOrDie()});
}

// `batches` of a hundred rows, and what follows them: the end, or an error.
BatchProducer Batches(int64_t batches, Status then = Status::OK()) {
  return [batches, then, n = int64_t{0}]() mutable -> Result<std::shared_ptr<arrow::RecordBatch>> {
    if (n < batches) return BatchOf(100 * n++, 100);
    ARROW_RETURN_NOT_OK(then);
    return nullptr;
  };
}

const Insertion kIntoT{"`default`.`t` (`n`, `s`)", "SELECT c1, c2", "c1 Int64, c2 Nullable(String)"};

TEST_P(SourceConformance, RowsComeInOrderUpToAProvenEnd) {
  auto stream = Begin("SELECT number FROM numbers(300000)").ValueOrDie();
  std::vector<uint64_t> rows;
  int64_t blocks = 0, bytes_before = 0;
  while (auto block = stream->Next().ValueOrDie()) {
    ASSERT_GT(block->num_rows(), 0) << "blocks have rows";
    ASSERT_EQ(block->schema()->ToString(), "number: uint64 not null");
    const auto& column = static_cast<const arrow::UInt64Array&>(*block->column(0));
    rows.insert(rows.end(), column.raw_values(), column.raw_values() + column.length());
    EXPECT_GE(stream->bytes_read(), bytes_before);
    bytes_before = stream->bytes_read();
    ++blocks;
  }
  EXPECT_EQ(rows, Numbers(300'000));
  EXPECT_GT(blocks, 1) << "not held in memory as a whole";
  EXPECT_GE(stream->bytes_read(), 8 * static_cast<int64_t>(rows.size()));
  EXPECT_EQ(stream->Next().ValueOrDie(), nullptr) << "the end stays the end";
  EXPECT_GE(stream->wait_seconds(), 0);
}

TEST_P(SourceConformance, AnEmptyResultIsAnEnd) {
  Do("CREATE TABLE t (number UInt64, d Date) ENGINE = MergeTree PARTITION BY d ORDER BY number");
  for (const bool with_rows : {false, true}) {
    if (with_rows) Do("INSERT INTO t SELECT number, '2024-01-01' FROM numbers(10)");
    for (const char* sql : {"SELECT number FROM t WHERE number > 100", "SELECT number FROM t LIMIT 0",
                            "SELECT number FROM t WHERE d = '2000-01-01' ORDER BY number",
                            "SELECT number FROM t WHERE number > 100 GROUP BY number HAVING count() > 5"}) {
      EXPECT_EQ(Ask(sql).ValueOrDie().size(), 0) << sql;
    }
  }
  EXPECT_EQ(Ask("SELECT number FROM t ORDER BY number").ValueOrDie(), Numbers(10));
}

TEST_P(SourceConformance, AWrongQueryFailsBeforeItsFirstRowWithTheServersWords) {
  for (const auto& [sql, code] :
       {std::pair{"SELECT * FROM no_such_table", "Code 60"}, {"SELECT no_such_column FROM numbers(1)", "Code 47"}}) {
    const Status wrong = Begin(sql).status();
    EXPECT_EQ(KindOf(wrong), ErrorKind::kConfig) << wrong.ToString();
    EXPECT_THAT(MessageOf(wrong), HasSubstr(code));
    EXPECT_THAT(MessageOf(wrong), HasSubstr("no_such"));
  }
  EXPECT_EQ(KindOf(Begin("SELEC 1").status()), ErrorKind::kConfig);
  EXPECT_EQ(Ask("SELECT number FROM numbers(3)").ValueOrDie(), Numbers(3)) << "and it goes on";
}

TEST_P(SourceConformance, AnExceptionAmidTheRowsIsNoEnd) {
  auto stream =
      Begin("SELECT number + throwIf(number = 1000000) FROM numbers(2000000)", With("max_threads", "1")).ValueOrDie();
  int64_t rows = 0;
  Status ended;
  while (true) {
    auto block = stream->Next();
    ended = block.status();
    if (!block.ok() || !*block) break;
    rows += (*block)->num_rows();
  }
  EXPECT_EQ(KindOf(ended), ErrorKind::kFailed) << ended.ToString();
  EXPECT_THAT(MessageOf(ended), HasSubstr("Code 395"));
  EXPECT_GT(rows, 0) << "it was to come amid the rows";
  EXPECT_LE(rows, 1'000'000);
  stream.reset();
  EXPECT_EQ(Ask("SELECT number FROM numbers(3)").ValueOrDie(), Numbers(3));
}

TEST_P(SourceConformance, QueriesRunSideBySide) {
  std::vector<std::jthread> threads;
  std::atomic<int> whole{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 3; ++round) {
        const auto numbers = Ask("SELECT number FROM numbers(100000)");
        if (numbers.ok() && *numbers == Numbers(100'000)) ++whole;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(whole, 12);
  // Of one thread, too, and neither waits for the other.
  auto one = Begin("SELECT number FROM numbers(200000)").ValueOrDie();
  auto two = Begin("SELECT number FROM numbers(200000)").ValueOrDie();
  int64_t rows = 0;
  for (bool more = true; std::exchange(more, false);) {
    for (auto* stream : {one.get(), two.get()}) {
      const auto block = stream->Next().ValueOrDie();
      if (block) rows += block->num_rows();
      more = more || block;
    }
  }
  EXPECT_EQ(rows, 400'000 * GetParam().shards);
}

TEST_P(SourceConformance, AStreamIsLeftEarlyWithoutWaitingForItsQuery) {
  auto endless = Begin("SELECT number FROM system.numbers").ValueOrDie();
  ASSERT_TRUE(endless->Next().ok());
  const auto began = steady_clock::now();
  endless.reset();
  EXPECT_LT(steady_clock::now() - began, std::chrono::seconds(5));
  EXPECT_EQ(Ask("SELECT number FROM numbers(3)").ValueOrDie(), Numbers(3));
}

TEST_P(SourceConformance, AStreamOutlivesItsSource) {
  auto stream = Begin("SELECT number FROM numbers(300000)").ValueOrDie();
  source_.reset();
  int64_t rows = 0;
  while (const auto block = stream->Next().ValueOrDie()) rows += block->num_rows();
  EXPECT_EQ(rows, 300'000 * GetParam().shards);
}

TEST_P(SourceConformance, SettingsAreTheirQuerysOwn) {
  const std::string sql = "SELECT toUInt64(getSetting('max_block_size')) FROM numbers(1)";
  const auto usual = Ask(sql).ValueOrDie().front();
  EXPECT_EQ(Ask(sql, With("max_block_size", "7")).ValueOrDie().front(), 7U);
  EXPECT_EQ(Ask(sql).ValueOrDie().front(), usual);
  const Status unknown = Ask(sql, With("no_such_setting", "1")).status();
  EXPECT_EQ(KindOf(unknown), ErrorKind::kConfig) << unknown.ToString();
  EXPECT_THAT(MessageOf(unknown), HasSubstr("no_such_setting"));
  const Status late = Ask("SELECT number FROM system.numbers WHERE sleepEachRow(0.05) = 1 SETTINGS max_block_size = 1",
                          With("max_execution_time", "0.3"))
                          .status();
  EXPECT_THAT(MessageOf(late), HasSubstr("Code 159")) << late.ToString();
}

TEST_P(SourceConformance, AStopEndsAWaitingCall) {
  auto slow =
      Begin("SELECT number FROM system.numbers WHERE NOT sleepEachRow(0.02) SETTINGS max_block_size = 1").ValueOrDie();
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    place_->stop.RequestStop(15);
  });
  const auto began = steady_clock::now();
  Status ended;
  while (ended.ok()) ended = slow->Next().status();
  EXPECT_EQ(KindOf(ended), ErrorKind::kStopped) << ended.ToString();
  EXPECT_LT(steady_clock::now() - began, std::chrono::seconds(10));
  EXPECT_EQ(KindOf(Begin("SELECT number FROM numbers(3)").status()), ErrorKind::kStopped) << "and none begins";
}

// What a column is does not depend on how it came.
TEST_P(SourceConformance, AColumnIsTheSameWhicheverWayItComes) {
  const std::string sql =
      "SELECT toInt8(-1) AS i8, toUInt16(2) AS u16, toInt64(-3) AS i64, toInt256(4) AS i256, 0.5::Float32 AS f32, "
      "true AS b, 'äß' AS s, toFixedString('ab', 3) AS fs, toDate('2024-02-29') AS d, toDate32('1925-01-01') AS d32, "
      "toDateTime('2024-02-29 12:00:00', 'UTC') AS dt, toDateTime64('2024-02-29 12:00:00.123456', 6, 'Asia/Tokyo') AS "
      "dt64, toDecimal128('1.25', 20) AS dec, toUUID('00112233-4455-6677-8899-aabbccddeeff') AS u, toIPv6('::1') AS "
      "ip, "
      "CAST('b', 'Enum8(''a'' = -1, ''b'' = 2)') AS e, toNullable('x') AS n, CAST(NULL, 'Nullable(Int32)') AS nn, "
      "toLowCardinality('low') AS lc, CAST('l', 'LowCardinality(Nullable(String))') AS lcn, "
      "[1::UInt8, 2] AS a, map('k', 1::Int32) AS m, (1::Int8, 'two')::Tuple(x Int8, y String) AS t FROM numbers(3)";
  const auto expected = beside_->Query(sql, {}).ValueOrDie()->Next().ValueOrDie();
  auto stream = Begin(sql).ValueOrDie();
  for (int shard = 0; shard < GetParam().shards; ++shard) {
    const auto block = stream->Next().ValueOrDie();
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(block->schema()->Equals(*expected->schema(), /*check_metadata=*/true))
        << block->schema()->ToString(true) << "\nand not\n"
        << expected->schema()->ToString(true);
    EXPECT_TRUE(block->Equals(*expected)) << block->ToString();
  }
  EXPECT_EQ(stream->Next().ValueOrDie(), nullptr);
}

TEST_P(SourceConformance, StatementsAreDoneOrRefusedAsAWhole) {
  const Status made = source_->Execute("CREATE TABLE t (number UInt64) ENGINE = MergeTree ORDER BY number", {});
  if (!GetParam().changes) {
    EXPECT_EQ(KindOf(made), ErrorKind::kUnsupported) << made.ToString();
    EXPECT_EQ(InPlace("SELECT count() FROM system.tables WHERE name = 't'").front(), 0U);
    return;
  }
  ASSERT_TRUE(made.ok()) << made.ToString();
  ASSERT_TRUE(source_->Execute("INSERT INTO t SELECT number FROM numbers(5)", {}).ok());
  EXPECT_EQ(InPlace("SELECT number FROM t ORDER BY number").size(), 5U);
  const Status again = source_->Execute("CREATE TABLE t (number UInt64) ENGINE = MergeTree ORDER BY number", {});
  EXPECT_THAT(MessageOf(again), HasSubstr("Code 57"));
}

TEST_P(SourceConformance, RowsAreInserted) {
  Do("CREATE TABLE t (n Int64, s Nullable(String)) ENGINE = MergeTree ORDER BY n");
  const Status inserted = source_->Insert(kIntoT, Batches(20), {});
  if (!GetParam().changes) {
    EXPECT_EQ(KindOf(inserted), ErrorKind::kUnsupported) << inserted.ToString();
    EXPECT_EQ(InPlace("SELECT count() FROM t").front(), 0U);
    return;
  }
  ASSERT_TRUE(inserted.ok()) << inserted.ToString();
  EXPECT_EQ(InPlace("SELECT toUInt64(n) FROM t ORDER BY n").size(), 2'000U);
  EXPECT_EQ(InPlace("SELECT countIf(if(n % 3 != 0, s = 't' || toString(n), s IS NULL)) FROM t").front(), 2'000U);
  ASSERT_TRUE(source_->Insert(kIntoT, Batches(0), {}).ok()) << "nothing to do";
  EXPECT_EQ(InPlace("SELECT count() FROM t").front(), 2'000U);
}

TEST_P(SourceConformance, AnInsertThatFailsSaysWhy) {
  Do("CREATE TABLE t (n Int64, s Nullable(String)) ENGINE = MergeTree ORDER BY n");
  const Status own = source_->Insert(kIntoT, Batches(3, MakeError(ErrorKind::kCorrupt, "our own words")), {});
  if (!GetParam().changes) {
    EXPECT_EQ(KindOf(own), ErrorKind::kUnsupported) << own.ToString();
    return;
  }
  EXPECT_EQ(KindOf(own), ErrorKind::kCorrupt) << own.ToString();
  EXPECT_THAT(MessageOf(own), HasSubstr("our own words"));
  const Status refused =
      source_->Insert({"`default`.`nowhere` (`n`)", kIntoT.select, kIntoT.structure}, Batches(1), {});
  EXPECT_THAT(MessageOf(refused), HasSubstr("Code 60")) << refused.ToString();
}

TEST_P(SourceConformance, ItHasANameForMessages) {
  EXPECT_FALSE(source_->name().empty());
  EXPECT_EQ(source_->database(), "default");
  EXPECT_EQ(source_->name().find("secret"), std::string::npos) << source_->name();
}

}  // namespace
}  // namespace calve::source
