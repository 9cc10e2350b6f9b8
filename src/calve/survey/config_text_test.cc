#include "calve/survey/config_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/config/load_config.h"
#include "calve/survey/testing_facts.h"

namespace calve::survey {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::optional<std::string> NoEnvironment(const std::string&) { return std::nullopt; }

config::Config Told() {
  config::Config config;
  config.source.url = "http://default@127.0.0.1:8123/k2";
  config.catalog.warehouse = "file:///srv/cold";
  return config;
}

std::string TextOf(const DatabaseFacts& facts, const config::Config& config = Told()) {
  return ConfigText(Propose(facts, "cold").ValueOrDie(), facts, config);
}

config::Config Loaded(const std::string& text) {
  auto config = config::ParseConfig(text, "calve.yaml", NoEnvironment);
  EXPECT_TRUE(config.ok()) << config.status().ToString() << "\n" << text;
  return config.ok() ? *config : config::Config();
}

DatabaseFacts Medallion() {
  auto bronze = MakeTable("bronze_a", "ReplacingMergeTree",
                          {{"venue", "LowCardinality(String)"}, {"ts", "DateTime64(3)"}, {"sequence", "UInt64"}},
                          "venue, ts, sequence", "(venue, toYYYYMMDD(ts))");
  bronze.engine_full = "ReplacingMergeTree ORDER BY ts TTL toDateTime(ts) + toIntervalHour(6)";
  bronze.comment = "raw\ntrades: {as they came}";
  auto gold =
      MakeTable("ohlcv_5m", "AggregatingMergeTree", {{"window_start", "DateTime"}, {"n", "AggregateFunction(count)"}},
                "window_start", "toYYYYMM(window_start)");
  auto silver =
      MakeTable("silver_b", "MergeTree", {{"id", "UUID"}, {"ts", "DateTime64(9)"}, {"raw", "IntervalDay"}}, "ts");
  silver.uniqueness["id"] = {5, 5};
  DatabaseFacts facts = MakeDatabase({bronze, gold, MakeTable("dates", "MergeTree", {{"day", "Date"}}, "day"), silver,
                                      MakeTable(".inner.sums", "SummingMergeTree", {{"ts", "DateTime"}}, "ts")});
  facts.others = {{"v", "MaterializedView", ""},
                  {"w", "MaterializedView", ""},
                  {"queue", "Kafka", ""},
                  {"m", "Memory", ""},
                  {"gone", "MergeTree", "there is no table gone"}};
  facts.views = {{{"k2", "v"}, "CREATE MATERIALIZED VIEW k2.v TO k2.silver_b AS SELECT 1 FROM k2.bronze_a"},
                 {{"k2", "w"},
                  "CREATE MATERIALIZED VIEW k2.w TO k2.ohlcv_5m AS SELECT toStartOfFiveMinutes(ts) AS window_start "
                  "FROM k2.silver_b"}};
  return facts;
}

TEST(ConfigText, LoadsAsItWasProposed) {
  const config::Config config = Loaded(TextOf(Medallion()));
  EXPECT_EQ(config.source.url, "http://default@127.0.0.1:8123/k2");
  EXPECT_EQ(config.catalog.warehouse, "file:///srv/cold");
  ASSERT_EQ(config.tables.size(), 3);
  const config::TableConfig &bronze = config.tables[0], &silver = config.tables[1], &gold = config.tables[2];
  EXPECT_EQ(bronze.name, "bronze_a");
  EXPECT_EQ(bronze.target.ToString(), "cold.bronze_a");
  EXPECT_EQ(bronze.cursor.sequence, "sequence");
  EXPECT_THAT(bronze.partition_by, ElementsAre("days(ts)", "venue"));
  EXPECT_THAT(bronze.after, IsEmpty());
  EXPECT_EQ(silver.layer, "silver");
  EXPECT_THAT(silver.after, ElementsAre("bronze_a"));
  EXPECT_THAT(silver.key, ElementsAre("id"));
  EXPECT_EQ(silver.columns.at("raw").expr, "toString(`raw`)");
  EXPECT_EQ(silver.columns.at("ts").type->ToString(), "timestamptz");
  EXPECT_EQ(gold.layer, "gold");
  EXPECT_EQ(gold.cursor.covers_micros, 300 * kMicrosPerSecond);
  EXPECT_EQ(silver.cursor.covers_micros, 0);
  EXPECT_THAT(gold.after, ElementsAre("silver_b"));
  EXPECT_THAT(gold.partition_by, ElementsAre("months(window_start)"));
  EXPECT_EQ(gold.mode, offload::Mode::kAuto);
}

TEST(ConfigText, SaysWhy) {
  const std::string text = TextOf(Medallion());
  for (const char* reason :
       {"is the first time in the sorting key", "bronze by its name", "gold: the layer behind",
        "filled from silver_b by w", "here upsert", "here append", "CALVE_SOURCE_PASSWORD",
        "raw trades: {as they came}", "kept for 6h", "less than the lookback of 2d", "A row stands for 5m"}) {
    EXPECT_THAT(text, HasSubstr(reason));
  }
  EXPECT_THAT(text, HasSubstr("2^63-1"));
}

TEST(ConfigText, WhatIsLeftOutIsSaid) {
  const DatabaseFacts facts = Medallion();
  const Proposal proposal = Propose(facts, "cold").ValueOrDie();
  std::vector<std::string> names;
  for (const LeftOut& left : proposal.left_out) names.push_back(left.table);
  EXPECT_THAT(names, ElementsAre(".inner.sums", "dates", "gone", "m", "queue", "v", "w"));
  const std::string text = TextOf(facts);
  for (const char* line :
       {"# v - a materialised view: its rows are in silver_b", "# queue - Kafka: a stream",
        "# m - Memory: ", "# .inner.sums - holds the rows of the view sums", "# gone - there is no table gone",
        "  # Not offloaded until it has a cursor: its only time is day, a Date",
        "  # - source: dates\n  #   target: cold.dates\n  #   cursor: {timestamp: COLUMN}\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(ConfigText, OddNamesComeThrough) {
  const std::vector<std::string> names = {"a b",        "it's",       "\"q\"",     "a: b # c",
                                          "${HOME} $5", "- x",        "null",      "123",
                                          "1e3",        "Ünïcode 表", "back`tick", "back\\slash",
                                          "a.b",        "new\nline",  "tab\t\x7f", "nel\xc2\x85sep\xe2\x80\xa8.",
                                          "x/y",        "{a}",        "[b]",       "!t",
                                          "*al",        "&an",        "true",      "%d",
                                          "@x",         "backtick",   "Yes",       "~",
                                          "?"};
  std::vector<TableFacts> tables;
  for (const std::string& name : names) {
    // Never plain: the column of a table is called as the table, and is of a type that needs a word.
    tables.push_back(MakeTable(name, "MergeTree", {{"t " + name, "DateTime64(9)"}, {name, "IntervalDay"}},
                               source::QuoteIdentifier("t " + name)));
    tables.back().comment = "# " + name + "\r\n- source: x";
  }
  std::ranges::sort(tables, {}, [](const TableFacts& facts) { return facts.table.name; });
  const DatabaseFacts facts = MakeDatabase(tables);
  const std::string text = TextOf(facts);
  const config::Config config = Loaded(text);
  ASSERT_EQ(config.tables.size(), names.size());
  std::set<std::string> targets;
  for (size_t i = 0; i < tables.size(); ++i) {
    const std::string& name = tables[i].table.name;
    EXPECT_EQ(config.tables[i].name, name);
    EXPECT_EQ(config.tables[i].cursor.timestamp, "t " + name);
    EXPECT_TRUE(config.tables[i].columns.contains(name)) << name;
    EXPECT_EQ(config.tables[i].columns.at(name).expr, "toString(" + source::QuoteIdentifier(name) + ")");
    EXPECT_TRUE(targets.insert(config.tables[i].target.ToString()).second);
    EXPECT_EQ(config.tables[i].target.ToString().find_first_of("/\\\n"), std::string::npos);
    EXPECT_EQ(config.tables[i].target.levels.size(), 1);
  }
}

TEST(ConfigText, OddNamesInOrder) {
  DatabaseFacts facts = MakeDatabase({MakeTable("the source: x", "MergeTree", {{"ts", "DateTime"}}, "ts"),
                                      MakeTable("to, `it`", "MergeTree", {{"ts", "DateTime"}}, "ts")});
  facts.views = {
      {{"k2", "v"}, "CREATE MATERIALIZED VIEW k2.v TO k2.`to, ``it``` AS SELECT ts FROM k2.`the source: x`"}};
  const config::Config config = Loaded(TextOf(facts));
  ASSERT_EQ(config.tables.size(), 2);
  EXPECT_THAT(config.tables[1].after, ElementsAre("the source: x"));
}

TEST(ConfigText, BytesThatAreNoTextAreLeftOut) {
  const DatabaseFacts facts =
      MakeDatabase({MakeTable("bad\xff", "MergeTree", {{"ts", "DateTime"}}, "ts"),
                    MakeTable("good", "MergeTree", {{"ts", "DateTime"}}, "ts"),
                    MakeTable("worse", "MergeTree", {{"ts", "DateTime"}, {"\xc3(", "Int8"}}, "ts")});
  EXPECT_EQ(Propose(facts, "cold").ValueOrDie().left_out.size(), 2);
  EXPECT_EQ(Loaded(TextOf(facts)).tables.size(), 1);
}

TEST(ConfigText, AnotherDatabaseThanTheSources) {
  DatabaseFacts facts = MakeDatabase({MakeTable("t", "MergeTree", {{"ts", "DateTime"}}, "ts"),
                                      MakeTable("t.u", "MergeTree", {{"ts", "DateTime"}}, "ts")});
  facts.database = "the db";
  facts.is_urls = false;
  const config::Config config = Loaded(TextOf(facts));
  EXPECT_EQ(config.tables[0].source, "`the db`.t");
  EXPECT_EQ(config.tables[0].name, "t");
  EXPECT_EQ(config.tables[1].source, "`the db`.`t.u`");
  EXPECT_EQ(config.tables[1].name, "t.u");
  EXPECT_EQ(config.tables[1].target.ToString(), "cold.t_u");
}

TEST(ConfigText, HowTheSourceWasReachedIsKept) {
  config::Config told = Told();
  told.source.url = "https://calve@db:8443/k2?max_threads=2&x=$";
  told.source.password_file = "/run/secrets/it's";
  told.source.ca_file = "/etc/ca.pem";
  told.source.compression = "zstd";
  told.source.idle_timeout_micros = 90 * kMicrosPerSecond;
  told.source.settings = {{"max_execution_time", "600"}};
  told.catalog.type = "sqlite:////srv/catalog.db";
  told.catalog.name = "lake";
  told.state.url = "sqlite:////srv/journal.db";
  const std::string text = TextOf(Medallion(), told);
  const config::Config config = Loaded(text);
  EXPECT_EQ(config.source, told.source);
  EXPECT_EQ(config.catalog, told.catalog);
  EXPECT_EQ(config.state, told.state);
  EXPECT_THAT(text, Not(HasSubstr("connect_timeout"))) << "defaults need not be said";
}

TEST(ConfigText, ManyTables) {
  std::vector<TableFacts> tables;
  for (int i = 0; i < 1001; ++i)
    tables.push_back(MakeTable("t" + std::to_string(i), "MergeTree", {{"ts", "DateTime"}}, "ts"));
  const DatabaseFacts facts = MakeDatabase(tables);
  const Proposal proposal = Propose(facts, "cold").ValueOrDie();
  EXPECT_EQ(proposal.tables.size(), 1000);
  ASSERT_EQ(proposal.left_out.size(), 1);
  EXPECT_THAT(proposal.left_out[0].reason, HasSubstr("1000 tables"));
  Loaded(TextOf(facts));
}

TEST(ConfigText, NamespacesAreChecked) {
  for (const char* wrong : {"", ".", "a.", ".a", "a..b"}) {
    EXPECT_EQ(KindOf(Propose(Medallion(), wrong).status()), ErrorKind::kConfig) << wrong;
  }
  EXPECT_EQ(Propose(Medallion(), "lake.cold").ValueOrDie().tables[0].target, "lake.cold.bronze_a");
}

TEST(ConfigText, CommentsStayComments) {
  EXPECT_EQ(Comment("a\nb\r\n- c: d\xe2\x80\xa8"
                    "e\xff",
                    2),
            "  # a b - c: d e\xef\xbf\xbd\n");
  EXPECT_EQ(Comment("", 0), "#\n");
  const std::string wrapped =
      Comment(std::string(200, 'x') + " " + std::string(100, 'y') + " z " + std::string(30, 'w'), 4);
  EXPECT_EQ(std::ranges::count(wrapped, '\n'), 3);
  for (size_t at = 0; at < wrapped.size(); at = wrapped.find('\n', at) + 1)
    EXPECT_EQ(wrapped.substr(at, 6).substr(0, 5), "    #");
}

}  // namespace
}  // namespace calve::survey
