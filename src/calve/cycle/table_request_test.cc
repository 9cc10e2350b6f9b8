// Every key of a table reaches the request: a key that is forgotten would be read, shown by `calve config` and ignored.
#include "calve/cycle/table_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/config/load_config.h"

namespace calve::cycle {
namespace {

using iceberg::Type;
using iceberg::TypeId;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr int64_t kRequestMinute = 60 * kMicrosPerSecond;

config::TableConfig TableOf(const std::string& keys) {
  const std::string text =
      "source: {url: \"http://default@127.0.0.1:8123/k2\"}\ncatalog: {warehouse: \"file:///srv/cold\"}\n"
      "limits: {max_threads: 3}\ntables:\n  -\n" +
      keys;
  return config::ParseConfig(text, "calve.yaml", [](const std::string&) { return std::nullopt; })
      .ValueOrDie()
      .tables.at(0);
}

constexpr const char* kEverything = R"yaml(
    source: k2.trades
    name: spot
    target: cold.trades
    layer: raw
    cursor: {timestamp: ts, sequence: seq, covers: 7m}
    mode: upsert
    key: [venue, id]
    partition_by: ["days(ts)", "bucket(16, id)"]
    sort_by: ["id", "ts desc"]
    buffer: 11m
    lookback: 13m
    lease: 17m
    start_from: "2024-08-09T00:00:00Z"
    where: "venue != 'test'"
    columns:
      payload: {expr: "toString(payload)", type: string, rename: text}
      seq: {type: "decimal(20,0)"}
      secret: {exclude: true}
      symbol: {rename: ticker}
    constants: {region: eu, loaded: {expr: "today()", type: date}}
    new_columns: fail
    properties: {write.format.default: parquet}
    settings: {max_block_size: 1000}
    view: k2.trades_all
    memory: 96MiB
    chunk: {rows: 19, bytes: 23MiB}
    distribute: {above: 29K rows, slice_rows: 31, command: [writers, "--all"], timeout: 37m}
)yaml";

TEST(TableRequest, EveryKeyReachesIt) {
  const offload::OffloadRequest request = RequestOf(TableOf(kEverything));
  EXPECT_EQ(request.source_table, "k2.trades");
  EXPECT_EQ(request.query, "");
  EXPECT_EQ(request.where, "venue != 'test'");
  EXPECT_EQ(request.target.ToString(), "cold.trades");
  EXPECT_EQ(request.layer, "raw");
  EXPECT_EQ(request.timestamp_column, "ts");
  EXPECT_EQ(request.sequence_column, "seq");
  EXPECT_EQ(request.covers_micros, 7 * kRequestMinute);
  EXPECT_EQ(request.buffer_micros, 11 * kRequestMinute);
  EXPECT_EQ(request.lookback_micros, 13 * kRequestMinute);
  EXPECT_EQ(request.lease_micros, 17 * kRequestMinute);
  EXPECT_EQ(request.start_from, *ParseTimestamp("2024-08-09T00:00:00Z"));
  EXPECT_FALSE(request.start_at_first);
  EXPECT_EQ(request.mode, offload::Mode::kUpsert);
  EXPECT_THAT(request.key, ElementsAre("venue", "id"));
  EXPECT_THAT(request.partition_by, ElementsAre("days(ts)", "bucket(16, id)"));
  EXPECT_THAT(request.sort_by, ElementsAre("id", "ts desc"));
  EXPECT_THAT(request.properties, ElementsAre(Pair("write.format.default", "parquet")));
  EXPECT_THAT(request.settings, ElementsAre(Pair("max_block_size", "1000"), Pair("max_threads", "3")));
  EXPECT_EQ(request.view, "k2.trades_all");
  EXPECT_EQ(request.memory_bytes, int64_t{96} << 20);
  EXPECT_TRUE(request.repartition);
  EXPECT_EQ(request.chunk.rows, 19);
  EXPECT_EQ(request.chunk.bytes, int64_t{23} << 20);
  ASSERT_TRUE(request.distribute);
  EXPECT_EQ(request.distribute->rows_above, 29'000);
  EXPECT_EQ(request.distribute->slice_rows, 31);
  EXPECT_THAT(request.distribute->command, ElementsAre("writers", "--all"));
  EXPECT_EQ(request.distribute->timeout_micros, 37 * kRequestMinute);
}

TEST(TableRequest, EveryKeyOfAColumn) {
  const offload::ColumnOptions columns = RequestOf(TableOf(kEverything)).columns;
  EXPECT_THAT(columns.excluded, ElementsAre("secret"));
  EXPECT_THAT(columns.expressions,
              ElementsAre(Pair("loaded", "today()"), Pair("payload", "toString(payload)"), Pair("region", "'eu'")));
  EXPECT_THAT(columns.types,
              ElementsAre(Pair("loaded", Type::Of(TypeId::kDate)), Pair("payload", Type::Of(TypeId::kString)),
                          Pair("seq", Type::Decimal(20, 0))));
  EXPECT_THAT(columns.renamed, ElementsAre(Pair("payload", "text"), Pair("symbol", "ticker")));
  EXPECT_EQ(columns.new_columns, offload::NewColumns::kFail);
}

TEST(TableRequest, AQueryIsCalledByTheTablesName) {
  const auto request = RequestOf(TableOf(R"(
    query: "SELECT * FROM spot UNION ALL SELECT * FROM futures"
    name: both
    target: cold.both
    cursor: {timestamp: ts}
    start_from: beginning
)"));
  EXPECT_EQ(request.source_table, "both");
  EXPECT_EQ(request.query, "SELECT * FROM spot UNION ALL SELECT * FROM futures");
  EXPECT_TRUE(request.start_at_first);
  EXPECT_FALSE(request.start_from);
}

// What the file does not say is what the configuration's own reference says, and nothing is on that was not asked
// for.
TEST(TableRequest, Defaults) {
  const auto request = RequestOf(TableOf("    source: trades\n    target: cold.trades\n    cursor: {timestamp: ts}\n"));
  EXPECT_EQ(request.buffer_micros, 5 * kRequestMinute);
  EXPECT_EQ(request.lookback_micros, 2 * kMicrosPerDay);
  EXPECT_EQ(request.lease_micros, 10 * kRequestMinute);
  EXPECT_EQ(request.covers_micros, 0);
  EXPECT_EQ(request.chunk.rows, 50'000'000);
  EXPECT_EQ(request.mode, offload::Mode::kAuto);
  EXPECT_EQ(request.columns.new_columns, offload::NewColumns::kAdd);
  EXPECT_EQ(request.where + request.view + request.query + request.layer + request.sequence_column, "");
  EXPECT_FALSE(request.distribute);
  EXPECT_FALSE(request.start_from || request.start_at_first || request.dry_run || request.until);
  EXPECT_THAT(request.columns.expressions, IsEmpty());
  EXPECT_GT(request.memory_bytes, 0);
}

}  // namespace
}  // namespace calve::cycle
