// Slices of real tables in the embedded engine; skipped where libchdb.so is not installed. Keys of every type, with
// values as nasty as it has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "calve/offload/slice_count.h"
#include "calve/offload/slice_cut.h"
#include "calve/offload/slice_fingerprint.h"
#include "calve/offload/source_select.h"
#include "calve/source/chdb_library.h"

namespace calve::offload {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSliceSanitized = true;
#else
constexpr bool kSliceSanitized = false;
#endif

constexpr int64_t kSliceRows = 6'000;
constexpr const char* kSliceTime = "toDateTime64('2023-12-31 12:00:00', 3, 'UTC') + number % 43200";
const Window kSliceWindow{std::nullopt, ParseTimestamp("2024-01-02T00:00:00Z").ValueOrDie()};

struct SliceCase {
  std::string type, value;
};

struct SliceLayout {
  std::string name, engine;
  std::vector<int64_t> rows_max;  // so that rows are asked, and the index
};

class SliceEngine : public testing::Test {
 protected:
  void SetUp() override {
    // The engine brings its own allocator and unwinder, which the sanitizers' runtimes do not survive.
    if (kSliceSanitized) GTEST_SKIP() << "not under sanitizers";
    if (auto library = source::LoadChdbLibrary(""); !library.ok()) GTEST_SKIP() << library.status().ToString();
    char path[] = "/tmp/calve-slices-XXXXXX";
    directory_ = mkdtemp(path);
    source::SourceOptions options;
    options.url = "chdb:" + directory_;
    source_ = source::OpenSource(options, stop_).ValueOrDie();
  }
  void TearDown() override {
    source_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  void Execute(const std::string& sql) {
    const Status done = source_->Execute(sql, {});
    ASSERT_TRUE(done.ok()) << done.ToString() << "\n" << sql;
  }

  std::vector<int64_t> Numbers(const std::string& sql) {
    const auto rows = source::QueryRows(*source_, sql);
    EXPECT_TRUE(rows.ok()) << rows.status().ToString() << "\n" << sql.substr(0, 4000);
    std::vector<int64_t> numbers;
    if (rows.ok()) {
      for (const std::string& text : rows->at(0)) numbers.push_back(std::stoll(text));
    }
    return numbers;
  }

  // What a slice's writer does: reads its rows, and takes their fingerprint.
  void CheckAsRead(const source::SourceTable& table, const std::string& sequence, const SliceRange& slice) {
    auto stream = source_->Query(
        "SELECT ts" + (sequence.empty() ? "" : ", " + sequence) + " FROM " + RowsClause(table, slice.where), {});
    ASSERT_TRUE(stream.ok()) << stream.status().ToString();
    RowsFingerprint read("ts", sequence);
    while (true) {
      auto block = (*stream)->Next();
      ASSERT_TRUE(block.ok()) << block.status().ToString();
      if (!*block) break;
      const Status added = read.Add(**block);
      ASSERT_TRUE(added.ok()) << added.ToString();
    }
    EXPECT_EQ(read.rows(), slice.rows) << slice.where;
    EXPECT_EQ(read.value(), slice.fingerprint) << slice.where;
  }

  // Cuts, counts and checks that each row of the window is in one slice, also such as come later.
  std::vector<SliceRange> Cut(const source::SourceTable& table, int64_t rows_max, const std::string& insert_later = "",
                              const std::string& sequence = "seq") {
    SCOPED_TRACE(table.name);
    const Cursor cursor = ResolveCursor(table, "ts").ValueOrDie();
    const RowIdentity identity = ResolveIdentity(Mode::kAuto, table, "ts", {}).ValueOrDie();
    auto cut = CutSlices(*source_, table, cursor, identity, kSliceWindow, {rows_max, std::nullopt, {}});
    EXPECT_TRUE(cut.ok()) << cut.status().ToString();
    if (!cut.ok()) return {};
    std::vector<SliceRange> slices = *cut;
    if (!insert_later.empty()) Execute(insert_later);
    const Status counted = CountSlices(*source_, table, cursor, sequence, {}, slices);
    EXPECT_TRUE(counted.ok()) << counted.ToString();
    std::string hits;
    int64_t sum = 0;
    for (const SliceRange& slice : slices) {
      hits += (hits.empty() ? "" : " + ") + fmt::format("ifNull({}, 0)", slice.where);
      sum += slice.rows;
    }
    // Without the filter's own query, which shows no virtual column.
    source::SourceTable plain = table;
    plain.row_filter.clear();
    std::string rows = RowsClause(plain, WindowPredicate(kSliceWindow, cursor));
    if (!table.row_filter.empty()) rows += fmt::format(" AND (\n{}\n)", table.row_filter);
    const auto counts = Numbers(fmt::format("SELECT toString(count()), toString(sum(({}) != 1)) FROM {}", hits, rows));
    EXPECT_THAT(counts, testing::ElementsAre(sum, 0));
    return slices;
  }

  source::SourceTable Describe(const std::string& name) { return source::DescribeTable(*source_, name).ValueOrDie(); }

  static void ExpectEven(const std::vector<SliceRange>& slices, int64_t rows_max, int64_t partitions = 1) {
    int64_t rows = 0;
    for (const SliceRange& slice : slices) {
      rows += slice.rows;
      EXPECT_LE(2 * slice.rows, 3 * rows_max) << slice.where;
    }
    EXPECT_LE(static_cast<int64_t>(slices.size()), 2 * rows / rows_max + partitions);
  }

  std::string directory_;
  StopToken stop_;
  std::unique_ptr<source::Source> source_;
};

TEST_F(SliceEngine, KeysOfEveryType) {
  const std::vector<SliceCase> cases = {
      {"UInt64", "if(number % 3 = 0, number, 18446744073709551615 - number % 50)"},
      {"Int8", "toInt8(number % 256)"},
      {"Int128", "toInt128(number) * if(number % 2 = 0, -1, 1) * toInt128('100000000000000000000000000000')"},
      {"UInt256", "toUInt256(number) * toUInt256('100000000000000000000000000000000000000000000000000000000000000')"},
      {"Decimal(18, 4)", "toDecimal64(toInt64(number) - 3000, 4) / 16"},
      {"Decimal(76, 20)", "toDecimal256(toInt64(number) - 3000, 20) / 16"},
      {"String", R"(concat(char(number % 256, intDiv(number, 256) % 256), '\'\\"`', toString(number % 7)))"},
      {"String", "concat(repeat('x', 250 + number % 3), toString(number % 1000))"},
      {"LowCardinality(Nullable(String))", "if(number % 4 = 0, NULL, concat('s', toString(number % 20)))"},
      {"Nullable(Int32)", "if(number % 3 = 0, NULL, toInt32(number % 100) - 50)"},
      {"Nullable(String)", "if(number % 3 > 0, NULL, toString(number))"},
      {"Nullable(UUID)", "if(number % 2 = 0, NULL, reinterpretAsUUID(MD5(toString(number))))"},
      {"Float64", "if(number % 3 = 0, nan, number / 7)"},
      {"FixedString(5)", "toFixedString(char(number % 256, 0, number % 7), 5)"},
      {R"(Enum8('zz\'\\' = -1, 'b' = 2, 'a' = 5))", "[-1, 2, 5][number % 3 + 1]"},
      {"Enum16('b' = 1, 'a' = 2000)", "[1, 2000][number % 2 + 1]"},
      {"Date", "toDate('2023-01-01') + number % 1000"},
      {"Date32", "toDate32('1930-01-01') + number % 1000"},
      {"DateTime('Europe/Berlin')", "toDateTime('2023-10-29 00:00:00', 'UTC') + number"},  // an hour there twice
      {"DateTime64(1, 'America/New_York')", "toDateTime64('1969-12-31 23:00:00.3', 1, 'UTC') + number"},
      {"DateTime64(9, 'UTC')",
       "toDateTime64('1969-12-31 23:59:59.999', 9, 'UTC') + toIntervalNanosecond(number * 1001)"},
      {"UUID", "reinterpretAsUUID(MD5(toString(number)))"},
      {"IPv4", "toIPv4(toUInt32(number * 200001))"},
      {"IPv6", "toIPv6(IPv6NumToString(MD5(toString(number))))"},
      {"Bool", "number % 2 = 1"},
      {"Tuple(Int32, String)", "(toInt32(number % 5), 'x')"},
      {"Array(Int32)", "[toInt32(number % 5)]"}};
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].type);
    const std::string name = "key" + std::to_string(i);
    Execute(
        fmt::format("CREATE TABLE {} (k {}, ts DateTime64(3, 'UTC'), seq UInt64) ENGINE = MergeTree ORDER BY (k, "
                    "ts) SETTINGS allow_nullable_key = 1, index_granularity = 128",
                    name, cases[i].type));
    const auto insert = [&](int64_t begin, int64_t rows) {
      return fmt::format("INSERT INTO {} SELECT {}, {}, number * 12345678901234567 FROM numbers({}, {})", name,
                         cases[i].value, kSliceTime, begin, rows);
    };
    Execute(insert(0, kSliceRows));
    const source::SourceTable table = Describe(name);
    const auto slices = Cut(table, 500);
    ExpectEven(slices, 500);
    for (const SliceRange& slice : slices) {
      EXPECT_TRUE(std::all_of(slice.where.begin(), slice.where.end(), [](char c) { return c >= ' ' && c <= '~'; }));
    }
    CheckAsRead(table, "seq", slices.front());
    CheckAsRead(table, "seq", slices.back());
    Cut(table, 1500, insert(kSliceRows, kSliceRows));
  }
}

TEST_F(SliceEngine, PartitionsNullsAndMergedRows) {
  Execute(
      "CREATE TABLE multi (a LowCardinality(Nullable(String)), b Nullable(Int8), c Date, ts DateTime64(3, 'UTC'), seq "
      "UInt64) ENGINE = MergeTree PARTITION BY (c, a) ORDER BY (a, b, c, ts) SETTINGS allow_nullable_key = 1, "
      "index_granularity = 128");
  const auto insert_multi = [](int64_t begin, int64_t days) {
    return fmt::format(
        "INSERT INTO multi SELECT if(number % 5 = 0, NULL, ['x', 'y', 'z'][number % 3 + 1]), if(number % 7 = 0, NULL, "
        "number % 11 - 5), toDate('2024-01-01') + number % {}, {}, number FROM numbers({}, {})",
        days, kSliceTime, begin, kSliceRows);
  };
  Execute(insert_multi(0, 3));
  for (const int64_t rows_max : {100, 500, 2500}) ExpectEven(Cut(Describe("multi"), rows_max), rows_max, 12);
  Cut(Describe("multi"), 350, insert_multi(kSliceRows, 9));

  // Two versions of each row in two parts: FINAL has one of them.
  Execute(
      "CREATE TABLE rep (a LowCardinality(String), ts DateTime64(3, 'UTC'), seq UInt64, v UInt64) ENGINE = "
      "ReplacingMergeTree(v) PARTITION BY (a, toDate(ts)) ORDER BY (a, ts, seq) SETTINGS index_granularity = 128");
  Execute("SYSTEM STOP MERGES rep");
  for (int version = 0; version < 2; ++version) {
    Execute(
        fmt::format("INSERT INTO rep SELECT ['x', 'y', 'z'][number % 3 + 1], {}, number % 1000, {} FROM numbers({})",
                    kSliceTime, version, kSliceRows));
  }
  source::SourceTable merged = Describe("rep");
  int64_t rows = 0;
  for (const SliceRange& slice : Cut(merged, 500)) {
    rows += slice.rows;
    CheckAsRead(merged, "seq", slice);
  }
  EXPECT_EQ(rows, kSliceRows);
  // Of those the ones that a filter lets through, and a query in the table's place.
  merged.row_filter = "a = 'x' AND v = 1 -- the newer one";
  const auto filtered = Cut(merged, 500);
  ExpectEven(filtered, 500, 2);
  CheckAsRead(merged, "seq", filtered.front());
  const source::SourceTable query =
      source::DescribeQuery(*source_, "q", "SELECT ts, seq, a AS venue FROM rep WHERE v = 1 -- all of them")
          .ValueOrDie();
  const auto of_query = Cut(query, 500);
  ExpectEven(of_query, 500);
  CheckAsRead(query, "seq", of_query.back());
}

TEST_F(SliceEngine, FingerprintsOfEveryTime) {
  std::vector<std::string> times = {"DateTime", "DateTime('Asia/Kolkata')", "Nullable(DateTime)"};
  for (int precision = 0; precision <= 9; ++precision) times.push_back(fmt::format("DateTime64({})", precision));
  times.push_back("Nullable(DateTime64(3))");
  const std::vector<std::string> sequences = {"Int8",   "UInt16", "Nullable(Int32)", "Int64",
                                              "UInt64", "Int128", "UInt128",         "LowCardinality(UInt32)"};
  for (size_t i = 0; i < times.size(); ++i) {
    const std::string sequence = sequences[i % sequences.size()];
    SCOPED_TRACE(times[i] + " and " + sequence);
    const std::string name = "times" + std::to_string(i);
    // From before 1970 where the type can.
    const bool is_fine = times[i].find("DateTime64") != std::string::npos;
    Execute(
        fmt::format("CREATE TABLE {} (ts {}, seq {}) ENGINE = MergeTree ORDER BY tuple() SETTINGS "
                    "allow_suspicious_low_cardinality_types = 1",
                    name, times[i], sequence));
    Execute(fmt::format(
        "INSERT INTO {} SELECT {}, {} FROM numbers(3000)", name,
        is_fine ? "toDateTime64('1969-12-31 23:59:50.987654321', 9) + toIntervalNanosecond(number * 7654321)"
                : "toDateTime('2023-12-31 12:00:00') + number",
        sequence.starts_with("Nullable") ? "if(number % 3 = 0, NULL, toInt32(number) - 500)"
        : sequence.find("Int") == 0      ? "toInt64(number) * 7 - 500"
                                         : "number * 7"));
    const source::SourceTable table = Describe(name);
    for (const SliceRange& slice : Cut(table, 1000)) {
      EXPECT_GT(slice.rows, 0);
      CheckAsRead(table, "seq", slice);
    }
    for (const SliceRange& slice : Cut(table, 0, "", "")) CheckAsRead(table, "", slice);
  }
}

// What ClickHouse reads for all slices together, of what it reads for the window: rows of granules, by its own
// estimate.
TEST_F(SliceEngine, TheIndexPrunes) {
  const std::vector<SliceLayout> layouts = {
      {"plain", "MergeTree ORDER BY (exchange, symbol, ts, seq)", {2000, 8000}},
      {"parted",
       "ReplacingMergeTree PARTITION BY (exchange, toYYYYMMDD(ts)) ORDER BY (exchange, symbol, ts, seq)",
       {2000, 8000}},
      {"daily", "MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY (exchange, symbol, ts, seq)", {2000, 8000}},
      {"hourly", "MergeTree ORDER BY (exchange, toStartOfHour(ts), symbol)", {20000}},  // within an hour nothing prunes
      {"hashed", "MergeTree PARTITION BY seq % 4 ORDER BY (seq, exchange)", {2000, 8000}}};
  for (const SliceLayout& layout : layouts) {
    SCOPED_TRACE(layout.name);
    Execute(
        fmt::format("CREATE TABLE {} (exchange LowCardinality(String), symbol LowCardinality(String), ts "
                    "DateTime64(3, 'UTC'), seq UInt64) ENGINE = {} SETTINGS index_granularity = 128",
                    layout.name, layout.engine));
    Execute(
        fmt::format("INSERT INTO {} SELECT if(cityHash64(number, 1) % 3 = 0, 'kraken', 'binance'), concat('S', "
                    "toString(toUInt32(pow((cityHash64(number, 2) % 1000) / 1000., 3) * 100))), "
                    "toDateTime64('2024-01-01 00:00:00', 3, 'UTC') + number * 0.8, number FROM numbers(100000)",
                    layout.name));
    const source::SourceTable table = Describe(layout.name);
    for (const int64_t rows_max : layout.rows_max) {
      const auto slices = Cut(table, rows_max);
      ExpectEven(slices, rows_max, 8);
      int64_t read = 0, rows = 0;
      for (const SliceRange& slice : slices) {
        rows += slice.rows;
        read += Numbers(fmt::format("SELECT toString(sum(rows)) FROM (EXPLAIN ESTIMATE SELECT exchange FROM {})",
                                    RowsClause(table, slice.where)))[0];
      }
      EXPECT_EQ(rows, 100'000);
      EXPECT_LE(static_cast<double>(read), 1.3 * static_cast<double>(rows)) << rows_max;
    }
  }
}

}  // namespace
}  // namespace calve::offload
