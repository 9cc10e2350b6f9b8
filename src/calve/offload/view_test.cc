#include "calve/offload/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/offload/testing_tables.h"

namespace calve::offload {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr TimestampMicros kSplit = 1'723'162'558'342'000;  // 2024-08-09T00:15:58.342Z

SelectedColumn Column(const std::string& name, const std::string& type) {
  SelectedColumn column;
  column.name = name;
  column.expression = source::QuoteIdentifier(name);
  column.type = source::ParseClickHouseType(type).ValueOrDie();
  return column;
}

class View : public ::testing::Test {
 protected:
  Result<ViewPlan> Plan(const std::string& name = "") {
    return PlanView(table_, cursor_, columns_, target_, kSplit, name);
  }

  source::SourceTable table_ = MakeSourceTable({{"ts", "DateTime64(3, 'UTC')"}, {"price", "Decimal(18, 8)"}});
  Cursor cursor_{"ts", 3, true, false};
  std::vector<SelectedColumn> columns_ = {Column("ts", "DateTime64(3, 'UTC')"), Column("price", "Decimal(18, 8)")};
  iceberg::TableMetadata target_ = MakeMetadata({Field(1, "ts", true, iceberg::Type::Of(iceberg::TypeId::kTimestampTz)),
                                                 Field(2, "price", false, iceberg::Type::Decimal(38, 8))});
};

TEST_F(View, ShowsEachRowOnceOnEitherSideOfTheSplit) {
  const ViewPlan plan = Plan().ValueOrDie();
  EXPECT_EQ(plan.query,
            "SELECT _t.`ts` AS `ts`, _t.`price` AS `price` FROM `k2`.`trades` AS _t "
            "WHERE (_t.`ts` > toDateTime64('2024-08-09 00:15:58.342', 3, 'UTC')) "
            "UNION ALL SELECT CAST(_c.`ts`, 'DateTime64(3, \\'UTC\\')') AS `ts`, "
            "ifNull(CAST(_c.`price`, 'Nullable(Decimal(18, 8))'), defaultValueOfTypeName('Decimal(18, 8)')) AS `price` "
            "FROM icebergLocal('/tmp/none/cold/trades') AS _c "
            "WHERE _c.`ts` <= toDateTime64('2024-08-09 00:15:58.342', 3, 'UTC')");
  EXPECT_THAT(plan.CreateText(), ::testing::StartsWith("CREATE OR REPLACE VIEW `k2`.`trades_all` AS SELECT "));
  EXPECT_TRUE(plan.notes.empty());
}

TEST_F(View, KeepsRowsThatNoWindowTakesAndReadsMergingEnginesMerged) {
  cursor_.nullable = true;
  table_.engine = "ReplacingMergeTree";
  EXPECT_THAT(Plan()->query,
              HasSubstr("AS _t FINAL WHERE (_t.`ts` > toDateTime64('2024-08-09 00:15:58.342', 3, 'UTC') OR "
                        "_t.`ts` IS NULL) UNION"));
}

TEST_F(View, ColumnsOfOneSideAreLeftOutAndNamed) {
  columns_.push_back(Column("note", "String"));
  target_.schemas[0].fields.push_back(Field(3, "old", false, iceberg::Type::Of(iceberg::TypeId::kString)));
  const ViewPlan plan = Plan().ValueOrDie();
  EXPECT_THAT(plan.notes, ElementsAre(HasSubstr("column note"), HasSubstr("column old")));
  EXPECT_THAT(plan.query, Not(HasSubstr("note")));
}

TEST_F(View, StatesAreResolvedAndDictionariesStayOnes) {
  target_.schemas[0].fields.push_back(Field(3, "high", false, iceberg::Type::Decimal(18, 8)));
  target_.schemas[0].fields.push_back(Field(4, "symbol", false, iceberg::Type::Of(iceberg::TypeId::kString)));
  target_.schemas[0].fields.push_back(Field(5, "count", false, iceberg::Type::Of(iceberg::TypeId::kLong)));
  columns_.push_back(Column("high", "SimpleAggregateFunction(max, Decimal(18, 8))"));
  columns_.push_back(Column("symbol", "LowCardinality(String)"));
  SelectedColumn count = Column("count", "UInt64");
  count.expression = "finalizeAggregation(`count`)";
  columns_.push_back(count);
  const std::string query = Plan()->query;
  EXPECT_THAT(query, HasSubstr("CAST(_t.`high`, 'Decimal(18, 8)') AS `high`"));
  EXPECT_THAT(query, HasSubstr("CAST(ifNull(CAST(_c.`symbol`, 'Nullable(String)'), defaultValueOfTypeName('String')), "
                               "'LowCardinality(String)') AS `symbol`"));
  EXPECT_THAT(query, HasSubstr("CAST(finalizeAggregation(`count`), 'UInt64') AS `count`"));
}

TEST_F(View, NamesAreCheckedAndQuoted) {
  EXPECT_EQ(Plan("archive.t")->database, "archive");
  EXPECT_EQ(Plan("`my view`")->name, "my view");
  for (const char* bad : {".", "a.", ".b", "a.b.c", "a`b", "trades", "k2.trades"}) {
    EXPECT_EQ(KindOf(Plan(bad).status()), ErrorKind::kConfig) << bad;
  }
}

TEST_F(View, RefusesWhatCannotBeSplitOrRead) {
  target_.location = "s3://bucket/t";
  EXPECT_EQ(KindOf(Plan().status()), ErrorKind::kUnsupported);
  target_.location = "file:///t";
  target_.schemas[0].fields.erase(target_.schemas[0].fields.begin());
  EXPECT_EQ(KindOf(Plan().status()), ErrorKind::kConfig);
}

}  // namespace
}  // namespace calve::offload
