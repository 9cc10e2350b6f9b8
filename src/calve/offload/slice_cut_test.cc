#include "calve/offload/slice_cut.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "calve/offload/slice_count.h"
#include "calve/offload/testing_tables.h"
#include "calve/source/testing_fake_source.h"

namespace calve::offload {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using Answers = source::TestingFakeSource::Rows;

const Cursor kCutCursor{"ts", 0, false, false};
const Window kCutWindow{1'000'000, 9'000'000};
const std::string kCutIn =
    "_t.`ts` > toDateTime('1970-01-01 00:00:01', 'UTC') AND _t.`ts` <= toDateTime('1970-01-01 00:00:09', 'UTC')";

source::SourceTable CutTable(const std::string& engine = "MergeTree") {
  source::SourceTable table = MakeSourceTable({{"symbol", "String"}, {"ts", "DateTime"}, {"seq", "UInt64"}});
  table.engine = engine;
  table.sorting_key = "symbol, ts";
  return table;
}

bool Asks(const std::string& sql, const std::string& what) { return sql.find(what) != std::string::npos; }

Status UnknownName(const std::string& what) {
  return MakeError(ErrorKind::kFailed, "Code 47: Missing columns: " + what);
}

std::vector<std::string> ConditionsOf(const std::vector<SliceRange>& slices) {
  std::vector<std::string> conditions;
  for (const SliceRange& slice : slices) conditions.push_back(slice.where);
  return conditions;
}

Result<std::vector<SliceRange>> CutBy(source::Source& source, const source::SourceTable& table, int64_t rows_max,
                                      const RowIdentity& identity = {}) {
  return CutSlices(source, table, kCutCursor, identity, kCutWindow, {rows_max, 3, {}});
}

// A hundred marks of 10 rows: nothing but the index is asked.
TEST(SliceCut, ByTheIndex) {
  source::TestingFakeSource source([](const std::string& sql) -> Result<Answers> {
    if (!Asks(sql, "ORDER BY")) return Answers{{"100", "1000", "1"}};
    Answers marks;
    for (int i = 0; i < 100; ++i) {
      marks.push_back({"", "10", i < 50 ? "+61" : "+62", "+" + std::to_string(i) + "000000"});
    }
    return marks;
  });
  const auto slices = CutBy(source, CutTable(), 600).ValueOrDie();
  EXPECT_THAT(ConditionsOf(slices), ElementsAre(kCutIn + " AND _t.`symbol` < 'b'", kCutIn + " AND _t.`symbol` >= 'b'"));
  EXPECT_EQ(slices[0].shard, 3);
  ASSERT_EQ(source.asked.size(), 2u);
  EXPECT_THAT(source.asked[0],
              HasSubstr("FROM mergeTreeIndex('k2', 'trades') AS _t WHERE rows_in_granule > 0 AND " + kCutIn));
  EXPECT_THAT(source.asked[1], HasSubstr("mark_number % 1 = 0 ORDER BY _calve_partition, _t.`symbol`, _t.`ts`"));
  EXPECT_THAT(source.asked[1], Not(HasSubstr("`trades`"))) << "no row is read";
}

// What a table with four rows of one symbol answers, without an index.
Answers FourRows(const std::string& sql) {
  if (!Asks(sql, "ORDER BY")) return Answers{{"4"}};
  Answers rows;
  for (const char* second : {"2", "3", "4", "5"}) {
    rows.push_back({"", "1", "+61", std::string("+") + second + "000000"});
  }
  return rows;
}

const std::vector<std::string> kCutHalves = {
    kCutIn + " AND ((_t.`symbol` < 'a') OR (_t.`symbol` = 'a' AND _t.`ts` < toDateTime('1970-01-01 00:00:04', 'UTC')))",
    kCutIn +
        " AND ((_t.`symbol` = 'a' AND _t.`ts` >= toDateTime('1970-01-01 00:00:04', 'UTC')) OR (_t.`symbol` > 'a'))"};

// Twenty marks for each slice and sixteen for each part, or the rows themselves.
TEST(SliceCut, ByRowsWhereTheIndexTellsTooLittle) {
  for (const Answers& marks : {Answers{{"39", "8", "1"}}, Answers{{"100", "8", "7"}}, Answers{{"0", "0", "0"}}}) {
    source::TestingFakeSource source([&](const std::string& sql) -> Result<Answers> {
      if (Asks(sql, "mergeTreeIndex")) return marks;
      return FourRows(sql);
    });
    EXPECT_EQ(ConditionsOf(CutBy(source, CutTable(), 2).ValueOrDie()), kCutHalves);
    ASSERT_EQ(source.asked.size(), 3u);
    EXPECT_THAT(source.asked[2],
                HasSubstr("FROM `k2`.`trades` AS _t WHERE " + kCutIn + " AND rowNumberInAllBlocks() % 1 = 0 ORDER BY"));
    source.asked.clear();
    EXPECT_THAT(ConditionsOf(CutBy(source, CutTable(), 4).ValueOrDie()), ElementsAre(kCutIn));
    EXPECT_EQ(source.asked.size(), 2u) << "so few rows are one slice, and no key is asked for";
  }
}

TEST(SliceCut, ByRowsWhereThereIsNoIndex) {
  source::TestingFakeSource source([](const std::string& sql) -> Result<Answers> {
    if (Asks(sql, "mergeTreeIndex")) return MakeError(ErrorKind::kFailed, "Code 46: Unknown table function");
    return FourRows(sql);
  });
  EXPECT_EQ(ConditionsOf(CutBy(source, CutTable(), 2).ValueOrDie()), kCutHalves);
  // Of what has no parts, and of rows that a filter chooses, the index is not asked.
  source.asked.clear();
  EXPECT_TRUE(CutBy(source, CutTable("Distributed"), 2).ok());
  source::SourceTable filtered = CutTable();
  filtered.row_filter = "seq > 5 -- x";
  EXPECT_TRUE(CutBy(source, filtered, 2).ok());
  ASSERT_EQ(source.asked.size(), 4u);
  for (const std::string& sql : source.asked) EXPECT_THAT(sql, Not(HasSubstr("mergeTreeIndex")));
  EXPECT_THAT(source.asked[3], HasSubstr(" AND (\nseq > 5 -- x\n) AND rowNumberInAllBlocks()"));
}

// What may be different the next time is no answer.
TEST(SliceCut, ALostServerIsNoAnswer) {
  for (const ErrorKind kind : {ErrorKind::kRetry, ErrorKind::kStopped}) {
    source::TestingFakeSource source([&](const std::string&) -> Result<Answers> { return MakeError(kind, "gone"); });
    EXPECT_EQ(KindOf(CutBy(source, CutTable(), 2).status()), kind);
    EXPECT_EQ(source.asked.size(), 1u);
  }
}

TEST(SliceCut, Partitions) {
  bool has_partition_id = true;
  source::TestingFakeSource source([&](const std::string& sql) -> Result<Answers> {
    if (Asks(sql, "mergeTreeIndex")) return Answers{{"0", "0", "0"}};
    if (Asks(sql, "_partition_id") && !has_partition_id) return UnknownName("_partition_id");
    Answers rows = FourRows(sql);
    if (!Asks(sql, "ORDER BY") || !Asks(sql, "_partition_id")) return rows;
    for (size_t i = 0; i < rows.size(); ++i) rows[i][0] = i < 2 ? "19700101" : "19700102";
    return rows;
  });
  source::SourceTable table = CutTable();
  table.partition_key = "toDate(ts)";
  EXPECT_THAT(
      ConditionsOf(CutBy(source, table, 2).ValueOrDie()),
      ElementsAre(kCutIn + " AND _t._partition_id < '19700102'", kCutIn + " AND _t._partition_id >= '19700102'"));
  has_partition_id = false;
  EXPECT_EQ(ConditionsOf(CutBy(source, table, 2).ValueOrDie()), kCutHalves);
  has_partition_id = true;
  // Rows that are merged may lie in two partitions, where the partition does not follow from their key.
  table.engine = "ReplacingMergeTree";
  table.partition_key = "seq % 2";
  EXPECT_EQ(ConditionsOf(CutBy(source, table, 2).ValueOrDie()), kCutHalves);
  table.partition_key = "toDate(ts)";
  EXPECT_EQ(CutBy(source, table, 2).ValueOrDie()[1].where, kCutIn + " AND _t._partition_id >= '19700102'");
}

TEST(SliceCut, WhatIsOneSlice) {
  source::TestingFakeSource source(
      [](const std::string&) -> Result<Answers> { return UnknownName("nothing is asked"); });
  RowIdentity spanning{Mode::kUpsert, {"symbol"}, true, ""};
  EXPECT_THAT(ConditionsOf(CutBy(source, CutTable("ReplacingMergeTree"), 2, spanning).ValueOrDie()),
              ElementsAre(kCutIn));
  EXPECT_THAT(ConditionsOf(CutBy(source, CutTable(), 0).ValueOrDie()), ElementsAre(kCutIn));
  source::SourceTable by_expression = CutTable("SummingMergeTree");
  by_expression.sorting_key = "cityHash64(symbol)";
  EXPECT_THAT(ConditionsOf(CutBy(source, by_expression, 2).ValueOrDie()), ElementsAre(kCutIn));
  EXPECT_TRUE(source.asked.empty());
}

TEST(SliceCut, AnswersThatAreNone) {
  for (const Answers& answer : {Answers{{"many"}}, Answers{{"", "1", "a", "+1"}}, Answers{{"", "x", "+61", "+1"}}}) {
    source::TestingFakeSource source([&](const std::string& sql) -> Result<Answers> {
      if (Asks(sql, "mergeTreeIndex")) return Answers{{"0", "0", "0"}};
      return Asks(sql, "ORDER BY") || answer[0].size() == 1 ? answer : Answers{{"4"}};
    });
    EXPECT_EQ(KindOf(CutBy(source, CutTable(), 2).status()), ErrorKind::kCorrupt);
  }
}

TEST(SliceCount, ManySlicesInFewQueries) {
  source::TestingFakeSource source([](const std::string& sql) -> Result<Answers> {
    Answers rows;
    for (size_t at = sql.find("SELECT '"); at != std::string::npos; at = sql.find("SELECT '", at + 1)) {
      const std::string slice = sql.substr(at + 8, sql.find('\'', at + 8) - at - 8);
      rows.push_back({slice, slice + "0", "1844674407370955160" + slice.substr(0, 1)});
    }
    std::reverse(rows.begin(), rows.end());  // branches of a UNION end in any order
    return rows;
  });
  std::vector<SliceRange> slices(130, SliceRange{"_t.`seq` = 7", std::nullopt, 99, 99});
  slices[5].where += std::string(199'950, ' ');
  ASSERT_TRUE(CountSlices(source, CutTable("ReplacingMergeTree"), kCutCursor, "seq", {}, slices).ok());
  EXPECT_EQ(source.asked.size(), 4u) << "5 slices, the long one, 64, 60";
  EXPECT_EQ(slices[0].rows, 0);
  EXPECT_EQ(slices[129].rows, 1290);
  EXPECT_EQ(slices[129].fingerprint, 18446744073709551601U);
  EXPECT_THAT(source.asked[0], HasSubstr("FROM `k2`.`trades` AS _t FINAL WHERE _t.`seq` = 7"));
  EXPECT_THAT(source.asked[0], HasSubstr("_t.`seq`)) * 11400714819323198485"));
  // What is no whole number is left out of the fingerprint.
  source.asked.clear();
  ASSERT_TRUE(CountSlices(source, CutTable(), kCutCursor, "symbol", {}, slices).ok());
  EXPECT_THAT(source.asked[0], Not(HasSubstr("11400714819323198485")));
}

TEST(SliceCount, AnAnswerThatIsNone) {
  for (const Answers& answer : {Answers{{"9", "1", "1"}}, Answers{{"0", "", "1"}}, Answers{{"0", "1", "-1"}}}) {
    source::TestingFakeSource source([&](const std::string&) -> Result<Answers> { return answer; });
    std::vector<SliceRange> slices(1, SliceRange{"1", std::nullopt, 0, 0});
    EXPECT_EQ(KindOf(CountSlices(source, CutTable(), kCutCursor, "", {}, slices)), ErrorKind::kCorrupt);
  }
}

}  // namespace
}  // namespace calve::offload
