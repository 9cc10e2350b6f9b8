#include "calve/config/load_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/config/resolved.h"
#include "calve/config/testing_config_files.h"

namespace calve::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

Result<Config> Loaded(const std::string& text, const Environment& environment = NoVariables) {
  return config::ParseConfig(text, "calve.yaml", environment);
}

const std::string kConfigTop =
    "source: {url: \"http://default@127.0.0.1:8123/k2\"}\ncatalog: {warehouse: \"file:///srv/cold\"}\n";
const std::string kTable = "tables:\n  - source: trades\n    target: cold.trades\n    cursor: {timestamp: ts}\n";

TEST(LoadConfig, EverythingThatIsWrongIsSaidAtOnceInTheOrderOfTheFile) {
  auto config = Loaded(kConfigTop + "defaults: {buffer: 5}\n" + kTable + "    mode: merge\n    after: [nobody]\n");
  const std::string message = MessageOf(config.status());
  EXPECT_EQ(std::ranges::count(message, '\n'), 2);
  const size_t buffer = message.find("calve.yaml:3:20: defaults.buffer"),
               mode = message.find("calve.yaml:8:11: tables[0].mode"),
               after = message.find("calve.yaml:9:13: tables[0].after[0]");
  EXPECT_LT(buffer, mode);
  EXPECT_LT(mode, after);
  EXPECT_NE(after, std::string::npos) << message;
}

TEST(LoadConfig, FindingsAreBounded) {
  std::string text = kConfigTop + "tables:\n";
  for (int i = 0; i < 500; ++i) text += "  - {nope: 1}\n";
  const std::string message = MessageOf(Loaded(text).status());
  EXPECT_EQ(std::ranges::count(message, '\n'), 50);
  EXPECT_THAT(message, HasSubstr("and "));
}

TEST(LoadConfig, EveryKeyReachesItsMember) {
  auto loaded = LoadConfig((ConfigFolder() / "valid_everything.yaml").string(), NoVariables);
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  const Config& config = *loaded;
  EXPECT_EQ(config.source.url, "https://reader@clickhouse.example:8443/k2");
  EXPECT_EQ(config.source.password_file, (ConfigFolder() / "secrets/clickhouse").string());
  EXPECT_EQ(config.source.ca_file, "/etc/ssl/ca.pem");
  EXPECT_EQ(config.source.cert_file, (ConfigFolder() / "client.pem").string());
  EXPECT_EQ(config.source.key_file, (ConfigFolder() / "client.key").string());
  EXPECT_EQ(config.source.compression, "zstd");
  EXPECT_EQ(config.source.connect_timeout_micros, 3 * kMicrosPerSecond);
  EXPECT_EQ(config.source.idle_timeout_micros, 150 * kMicrosPerSecond);
  EXPECT_THAT(config.source.settings, ElementsAre(Pair("log_comment", "calve"), Pair("max_execution_time", "600"),
                                                  Pair("wait_end_of_query", "true")));
  EXPECT_EQ(config.catalog, (CatalogConfig{"sqlite:////srv/catalog.db", "", "lake", "file:///srv/cold"}));
  EXPECT_EQ(config.state,
            (StateConfig{"postgresql://calve@db/platform?sslmode=verify-full", "", "/run/secrets/state"}));
  EXPECT_EQ(
      config.schedule,
      (ScheduleConfig{15 * kMicrosPerMinute,
                      "",
                      "Europe/Berlin",
                      2 * kMicrosPerMinute,
                      60 * kMicrosPerMinute,
                      {5 * kMicrosPerSecond, kMicrosPerMinute, 3, 30 * kMicrosPerMinute, 24 * 60 * kMicrosPerMinute}}));
  EXPECT_EQ(config.limits, (LimitsConfig{3, int64_t{2} << 30, 6, 4, 5, {50, 80, 5 * kMicrosPerMinute}}));
  ASSERT_EQ(config.tables.size(), 2u);

  TableConfig raw;
  raw.name = "raw";
  raw.source = "k2.trades";
  raw.target = {{"cold"}, "trades"};
  raw.layer = "raw";
  raw.cursor = {"ts", "seq"};
  raw.mode = offload::Mode::kUpsert;
  raw.key = {"venue", "id"};
  raw.partition_by = {"days(ts)", "bucket(16, id)"};
  raw.sort_by = {"id", "ts desc"};
  raw.buffer_micros = 10 * kMicrosPerMinute;
  raw.lookback_micros = 0;
  raw.lease_micros = 60 * kMicrosPerMinute;
  raw.start_from = {false, *ParseTimestamp("2024-08-09")};
  raw.where = "venue != 'test'";
  raw.columns = {{"payload", {"toString(payload)", iceberg::Type::Of(iceberg::TypeId::kString), "", false}},
                 {"id", {"", iceberg::Type::Decimal(20, 0), "trade_id", false}},
                 {"debug", {"", std::nullopt, "", true}}};
  const auto text = iceberg::Type::Of(iceberg::TypeId::kString), date = iceberg::Type::Of(iceberg::TypeId::kDate);
  raw.constants = {{"origin", {Scalar{Scalar::Kind::kText, "k2"}, "", std::nullopt}},
                   {"version", {Scalar{Scalar::Kind::kNumber, "3"}, "", std::nullopt}},
                   {"live", {Scalar{Scalar::Kind::kBoolean, "true"}, "", std::nullopt}},
                   {"loaded", {std::nullopt, "toDate('2024-08-09')", date}},
                   {"note", {Scalar{Scalar::Kind::kText, "7"}, "", text}}};
  raw.new_columns = offload::NewColumns::kFail;
  raw.properties = {{"write.parquet.compression-codec", "zstd"}, {"history.expire.min-snapshots-to-keep", "5"}};
  raw.settings = {{"max_block_size", "10000"}, {"max_threads", "2"}, {"priority", "5"}};
  raw.view = "k2.trades_all";
  raw.memory_bytes = 128 << 20;
  raw.chunk.rows = 1'000'000;
  raw.chunk.bytes = 0;
  raw.distribute = {1'234'567, 2'000'000, {"calve", "write-slice", "--config", "calve.yaml"}, 120 * kMicrosPerMinute};
  raw.maintain = {true, 64 << 20, 8, false, true, kMicrosPerDay, 20, true, false, 7 * kMicrosPerDay};
  EXPECT_EQ(config.tables[0], raw);
  EXPECT_EQ(raw.constants["origin"].Expression(), "'k2'");
  EXPECT_EQ(raw.constants["version"].Expression(), "3");
  EXPECT_EQ(raw.constants["loaded"].Expression(), "toDate('2024-08-09')");

  const TableConfig& last = config.tables[1];
  EXPECT_EQ(last.query, "SELECT venue, max(ts) AS ts\nFROM trades GROUP BY venue\n");
  EXPECT_EQ(last.source, "");
  EXPECT_THAT(last.after, ElementsAre("raw"));
  EXPECT_TRUE(last.start_from.beginning);
  EXPECT_EQ(last.memory_bytes, 1 << 20);
  EXPECT_FALSE(last.distribute);
  EXPECT_EQ(last.maintain, (MaintainConfig{.compact = false, .keep_snapshots = 20}));
  EXPECT_THAT(last.settings,
              ElementsAre(Pair("max_block_size", "10000"), Pair("max_threads", "4"), Pair("priority", "5")));
}

TEST(LoadConfig, WithoutMoreATableIsOffloadedAsTheCommandDoesIt) {
  auto config = Loaded(kConfigTop + kTable);
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  TableConfig expected;
  expected.name = expected.source = "trades";
  expected.target = {{"cold"}, "trades"};
  expected.cursor.timestamp = "ts";
  expected.memory_bytes = 256 << 20;  // a fourth of the cycle's
  EXPECT_EQ(config->tables[0], expected);
  SourceConfig source;
  source.url = "http://default@127.0.0.1:8123/k2";
  EXPECT_EQ(config->source, source);
  EXPECT_EQ(config->schedule, ScheduleConfig());
  EXPECT_EQ(config->limits, LimitsConfig());
  EXPECT_THAT(config->as_written, IsEmpty());
}

TEST(LoadConfig, ATableOverridesDefaultsMappingsByKeyAndListsAsAWhole) {
  auto config = Loaded(kConfigTop + R"yaml(
defaults:
  cursor: {timestamp: ts, sequence: id}
  key: [a, b]
  properties: {x: 1, y: 2}
  columns: {c: {expr: "lower(c)"}, d: {exclude: true}}
  mode: upsert
tables:
  - {source: t, target: cold.t}
  - source: u
    target: cold.u
    cursor: {timestamp: at}
    key: [z]
    properties: {y: 3}
    columns: {c: {type: string}}
    mode: append
)yaml");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  const TableConfig &t = config->tables[0], &u = config->tables[1];
  EXPECT_EQ(t.cursor, (CursorConfig{"ts", "id"}));
  EXPECT_EQ(u.cursor, (CursorConfig{"at", "id"}));
  EXPECT_THAT(t.key, ElementsAre("a", "b"));
  EXPECT_THAT(u.key, ElementsAre("z"));
  EXPECT_THAT(u.properties, ElementsAre(Pair("x", "1"), Pair("y", "3")));
  EXPECT_EQ(u.columns.at("c").expr, "lower(c)");
  EXPECT_EQ(u.columns.at("c").type, iceberg::Type::Of(iceberg::TypeId::kString));
  EXPECT_FALSE(t.columns.at("c").type);
  EXPECT_TRUE(u.columns.at("d").exclude);
  EXPECT_EQ(t.mode, offload::Mode::kUpsert);
  EXPECT_EQ(u.mode, offload::Mode::kAppend);
}

TEST(LoadConfig, WithoutAfterATableWaitsForTheLayerBefore) {
  auto config = LoadConfig((ConfigFolder() / "valid_layers.yaml").string(), NoVariables);
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(config->tables[0].after, ElementsAre("clean"));
  EXPECT_THAT(config->tables[1].after, IsEmpty());
  EXPECT_THAT(config->tables[2].after, ElementsAre("trades", "quotes"));
}

TEST(LoadConfig, PasswordsFromTheEnvironmentLeaveTheUrl) {
  auto variable = [](const std::string& name) -> std::optional<std::string> {
    if (name == "PW") return "p@ss/w:rd#?";
    if (name == "URL") return "postgresql://calve:p%40ss@db/platform";
    return std::nullopt;
  };
  auto config = Loaded(
      "source: {url: \"http://u:${PW}@h:8123/k2\"}\nstate: {url: \"${URL}\"}\n"
      "catalog: {warehouse: /srv/cold}\n" +
          kTable,
      variable);
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->source.url, "http://u@h:8123/k2");
  EXPECT_EQ(config->source.password, "p@ss/w:rd#?");
  EXPECT_EQ(config->state.url, "postgresql://calve@db/platform");
  EXPECT_EQ(config->state.password, "p@ss");
  const std::string shown = ResolvedYaml(*config);
  EXPECT_THAT(shown, HasSubstr("http://u:${PW}@h:8123/k2"));
  EXPECT_THAT(shown, Not(HasSubstr("p@ss")));
  EXPECT_THAT(shown, Not(HasSubstr("p%40ss")));
}

// Whatever the value is used for, and whatever is wrong with it.
TEST(LoadConfig, WhatCameFromTheEnvironmentIsNeverSaid) {
  auto variable = [](const std::string&) { return std::optional<std::string>("hunter2"); };
  const char* lines[] = {
      "defaults: {buffer: \"${X}\"}\n", "defaults: {mode: \"${X}\"}\n",
      "defaults: {memory: \"${X}\"}\n", "defaults: {start_from: \"${X}\"}\n",
      "limits: {tables: \"${X}\"}\n",   "limits: {pause_when: {memory: \"${X}\"}}\n",
      "state: {url: \"${X}\"}\n",       "state: {url: \"postgresql://a@${X}@b/c\"}\n",
      "schedule: {cron: \"${X}\"}\n",   "defaults: {columns: {a: {type: \"${X}\"}}}\n",
      "schedule: {every: \"${X}\"}\n",  "defaults: {columns: {a: {exclude: \"${X}\"}}}\n",
      "limits: {memory: \"${X}\"}\n",   "state: {url: \"postgresql://u:${X}@h/a b?nope=${X}\"}\n",
  };
  for (const char* line : lines) {
    const Status status = Loaded(kConfigTop + line + kTable, variable).status();
    EXPECT_FALSE(status.ok()) << line;
    EXPECT_THAT(status.ToString() + RemedyOf(status), Not(HasSubstr("hunter2"))) << line;
  }
  for (const char* table : {"target: \"${X}\"", "target: cold.t\n    after: [\"${X}\"]",
                            "target: cold.t\n    after: [\"${X}\", \"${X}\"]"}) {
    const Status status =
        Loaded(kConfigTop + "tables:\n  - source: t\n    cursor: {timestamp: ts}\n    " + table + "\n", variable)
            .status();
    EXPECT_FALSE(status.ok()) << table;
    EXPECT_THAT(status.ToString() + RemedyOf(status), Not(HasSubstr("hunter2"))) << table;
  }
  const Status twice = Loaded(kConfigTop +
                                  "tables:\n  - {source: \"${X}\", target: \"cold.${X}\", cursor: {timestamp: a}}\n"
                                  "  - {source: \"${X}\", target: \"cold.${X}\", cursor: {timestamp: a}}\n",
                              variable)
                           .status();
  EXPECT_THAT(MessageOf(twice), HasSubstr("has the same target"));
  EXPECT_THAT(twice.ToString() + RemedyOf(twice), Not(HasSubstr("hunter2")));
  auto everywhere = Loaded(
      "source: {url: \"http://u@h/d\", password_file: \"${X}\", settings: {a: \"${X}\"}}\n"
      "catalog: {warehouse: \"${X}\"}\nlimits: {priority: 3}\n"
      "defaults: {where: \"${X}\", key: [\"${X}\"], properties: {p: \"${X}\"}, constants: {c: \"${X}\"}}\n"
      "tables: [{source: \"${X}\", target: \"cold.${X}\", cursor: {timestamp: \"${X}\"}, layer: \"${X}\"},\n"
      "  {source: b, target: cold.b, cursor: {timestamp: ts}, where: plain, key: [k]}]\n",
      variable);
  ASSERT_TRUE(everywhere.ok()) << everywhere.status().ToString();
  EXPECT_EQ(everywhere->tables[0].name, "hunter2");
  EXPECT_THAT(ResolvedYaml(*everywhere), Not(HasSubstr("hunter2")));
  const Json second = ResolvedJson(*everywhere)["tables"][1];
  EXPECT_EQ(second["where"], "plain");  // its own, not what the defaults took from the environment
  EXPECT_EQ(second["key"], Json({"k"}));
}

TEST(LoadConfig, LiteralSecretsInSettingsAreMaskedWhereShown) {
  auto config = Loaded(kConfigTop + kTable + "    properties: {s3.secret-access-key: abcdef, owner: me}\n");
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(ResolvedYaml(*config), Not(HasSubstr("abcdef")));
  EXPECT_EQ(config->tables[0].properties.at("s3.secret-access-key"), "abcdef");
}

TEST(LoadConfig, AFileThatCannotBeReadIsNamed) {
  for (const std::string& path : {std::string("/nowhere/calve.yaml"), ConfigFolder().string()}) {
    const Status status = LoadConfig(path, NoVariables).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
    EXPECT_THAT(MessageOf(status), HasSubstr(path));
  }
}

}  // namespace
}  // namespace calve::config
