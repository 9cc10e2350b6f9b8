#include "calve/offload/offload_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/offload/slice_lines.h"

namespace calve::offload {
namespace {

using ::testing::HasSubstr;

OffloadPlan WholePlan() {
  OffloadPlan plan;
  plan.id = "00000000-0000-4000-8000-000000000001";
  plan.target = {{"cold", "with.dot"}, "trades"};
  plan.table_uuid = "uuid", plan.planned_sequence_number = 12;
  plan.data_location = "s3://lake/cold/trades/data";
  plan.source_table = "db.trades", plan.journal_name = "trades", plan.layer = "bronze";
  plan.stamp.source = "server/db.trades/table";
  plan.planned_from = 1'000'001;
  plan.adopts_row = true;
  plan.window = {1'000'001, 1'700'000'000'000'001};
  plan.made_at = 1'700'000'000'000'002;
  plan.cursor_column = "ts", plan.sequence_column = "sequence", plan.fingerprint_sequence = "sequence";
  plan.select = {"SELECT `ts`, '\"\\\n' FROM `db`.`trades` AS _t FINAL WHERE ", " AND _t.`sign` > 0"};
  plan.count = {"SELECT toString(count()) FROM t WHERE ", ""};
  plan.settings = {{"max_threads", "2"}};
  plan.properties = {{"write.parquet.compression-codec", "zstd"}};
  plan.schema.fields = {{1, "ts", false, iceberg::Type::Of(iceberg::TypeId::kTimestampTz), ""},
                        {2, "symbol", false, iceberg::Type::Of(iceberg::TypeId::kString), "text"}};
  plan.spec.spec_id = 3;
  plan.spec.fields = {{2, 1000, "symbol", {}}};
  plan.sort_order_id = 1;
  plan.replicas = {{"http://a:8123", "http://b:8123"}, {"http://c:8123"}};
  plan.identity = {"SELECT 'which'", "that \"one\""};
  plan.slice_count = 40, plan.rows = int64_t{10} << 30;
  plan.fingerprint = 0xfedcba9876543210;
  return plan;
}

TEST(OffloadPlan, WhatWasWrittenIsRead) {
  OffloadPlan first = WholePlan();
  first.identity = {};
  first.planned_from.reset(), first.window.from.reset(), first.start_from = 5, first.fingerprint_sequence.reset();
  for (const OffloadPlan& plan : {WholePlan(), first}) {
    const std::string text = WriteOffloadPlan(plan);
    const OffloadPlan read = ReadOffloadPlan(text).ValueOrDie();
    EXPECT_EQ(WriteOffloadPlan(read), text);
    EXPECT_EQ(read.target, plan.target);
    EXPECT_EQ(read.planned_sequence_number, plan.planned_sequence_number);
    EXPECT_EQ(read.window, plan.window);
    EXPECT_EQ(read.stamp.commit_id, plan.id);
    EXPECT_EQ(read.stamp.window_to, plan.window.to);
    EXPECT_EQ(read.planned_from, plan.planned_from);
    EXPECT_EQ(read.start_from, plan.start_from);
    EXPECT_EQ(read.select.Of("1"), plan.select.Of("1"));
    EXPECT_EQ(read.schema, plan.schema);
    EXPECT_EQ(read.spec, plan.spec);
    EXPECT_EQ(read.fingerprint, plan.fingerprint);
    EXPECT_EQ(read.replicas, plan.replicas);
    EXPECT_EQ(read.identity.query, plan.identity.query);
    EXPECT_EQ(read.identity.answer, plan.identity.answer);
    EXPECT_EQ(read.fingerprint_sequence, plan.fingerprint_sequence);
  }
}

TEST(OffloadPlan, ASliceIsReadFromItsShardAndTheReplicasThatHoldIt) {
  OffloadPlan plan = WholePlan();
  const source::QueryOptions options = QueryOf(plan, {"1", 1, 0, 0});
  EXPECT_EQ(options.shard, 1);
  EXPECT_EQ(*options.among, plan.replicas);
  EXPECT_EQ(options.settings, plan.settings);
  const SlicePlan slice = WritingOf(plan, {{"1", 0, 0, 0}, {"2", 1, 0, 0}}, {"d", "p", 1 << 20}).ValueOrDie();
  EXPECT_EQ(slice.queries.at(1).options.shard, 1);
  EXPECT_EQ(*slice.queries.at(0).options.among, plan.replicas);
  plan.replicas.clear();
  EXPECT_EQ(QueryOf(plan, {"1", std::nullopt, 0, 0}).among, nullptr) << "one server";
}

TEST(OffloadPlan, OneOfAnotherFormatIsRefused) {
  std::string text = WriteOffloadPlan(WholePlan());
  text.replace(text.find("\"format\":1"), 10, "\"format\":2");
  const Status later = ReadOffloadPlan(text).status();
  EXPECT_EQ(KindOf(later), ErrorKind::kConfig);
  EXPECT_THAT(RemedyOf(later), HasSubstr("one version"));
  EXPECT_EQ(KindOf(ReadOffloadPlan("{}").status()), ErrorKind::kCorrupt);
  EXPECT_EQ(KindOf(ReadOffloadPlan("").status()), ErrorKind::kCorrupt);
}

TEST(SliceLines, WhatWasWrittenIsRead) {
  const SliceLine slice{
      {"s3://lake/t/calve-plans/a.json", "cold.trades", kOffloadJob, 7}, 40, {"_t.`x` = '\"'", 2, 9, 1}};
  const std::string text = WriteSliceLine(slice);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const SliceLine read = ReadSliceLine(text).ValueOrDie();
  EXPECT_EQ(read.range, slice.range);
  EXPECT_EQ(read.of, 40);
  EXPECT_EQ(read.origin.slice, 7);
  EXPECT_EQ(WriteSliceLine(read), text);

  const auto types = PartitionTypesOf(WholePlan()).ValueOrDie();
  WrittenLine written{slice.origin, "attempt", 9, ~uint64_t{0}, false, std::nullopt, 1 << 30, 1.25, {}};
  iceberg::DataFile file;
  file.spec_id = 3;
  file.file_path = "s3://lake/t/data/p/a.parquet";
  file.partition = {iceberg::Literal(std::string("ΩUSDT"))};
  file.record_count = 9;
  written.files = {file, file};
  const std::string line = WriteWrittenLine(written, types).ValueOrDie();
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const WrittenLine again = ReadWrittenLine(line, types).ValueOrDie();
  EXPECT_EQ(WriteWrittenLine(again, types).ValueOrDie(), line);
  EXPECT_EQ(again.fingerprint, ~uint64_t{0});
  EXPECT_FALSE(again.max_sequence.has_value());
  EXPECT_EQ(ReadLineOrigin(line).ValueOrDie().plan, slice.origin.plan);
}

TEST(SliceLines, WhatIsNoneIsRefused) {
  const std::string good = WriteSliceLine({{"p", "cold.t", kOffloadJob, 0}, 1, {"1", std::nullopt, 3, 4}});
  ASSERT_TRUE(ReadSliceLine(good).ok());
  for (const auto& [from, to] : {std::pair("\"fingerprint\":\"0000000000000004\"", "\"fingerprint\":\"4\""),
                                 std::pair("\"slice\":0", "\"slice\":-1"), std::pair("\"where\"", "\"were\""),
                                 std::pair("\"rows\":3", "\"rows\":\"3\""), std::pair("{", "["), std::pair("}", "")}) {
    std::string bad = good;
    bad.replace(bad.find(from), std::string(from).size(), to);
    EXPECT_EQ(KindOf(ReadSliceLine(bad).status()), ErrorKind::kCorrupt) << bad;
  }
  EXPECT_EQ(KindOf(ReadLineOrigin("[]").status()), ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace calve::offload
