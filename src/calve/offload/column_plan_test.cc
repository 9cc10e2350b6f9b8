#include "calve/offload/column_plan.h"

#include <gtest/gtest.h>

#include "calve/offload/testing_tables.h"
#include "calve/offload/type_mapping.h"

namespace calve::offload {
namespace {

using iceberg::Type;
using iceberg::TypeId;

source::ClickHouseType Ch(const std::string& text) { return source::ParseClickHouseType(text).ValueOrDie(); }

std::string MappedType(const std::string& type) {
  auto mapped = MapColumn("c", Ch(type), std::nullopt);
  if (!mapped.ok()) return "refused: " + std::string(ErrorKindName(KindOf(mapped.status())));
  return mapped->type.ToString() + (mapped->required ? "" : "?");
}

TEST(TypeMapping, IsTheTableOfTheDocs) {
  const std::pair<const char*, Type> scalars[] = {
      {"Bool", Type::Of(TypeId::kBoolean)},
      {"Int8", Type::Of(TypeId::kInt)},
      {"UInt16", Type::Of(TypeId::kInt)},
      {"Int32", Type::Of(TypeId::kInt)},
      {"UInt32", Type::Of(TypeId::kLong)},
      {"Int64", Type::Of(TypeId::kLong)},
      {"UInt64", Type::Of(TypeId::kLong)},
      {"Int128", Type::Decimal(38, 0)},
      {"UInt256", Type::Decimal(38, 0)},
      {"Float32", Type::Of(TypeId::kFloat)},
      {"BFloat16", Type::Of(TypeId::kFloat)},
      {"Float64", Type::Of(TypeId::kDouble)},
      {"Decimal(9, 2)", Type::Decimal(9, 2)},
      {"Decimal(18, 8)", Type::Decimal(18, 8)},
      {"Decimal(38, 8)", Type::Decimal(38, 8)},
      {"Decimal(76, 20)", Type::Decimal(38, 20)},
      {"String", Type::Of(TypeId::kString)},
      {"LowCardinality(String)", Type::Of(TypeId::kString)},
      {"Enum8('a' = 1)", Type::Of(TypeId::kString)},
      {"IPv4", Type::Of(TypeId::kString)},
      {"FixedString(5)", Type::Fixed(5)},
      {"UUID", Type::Of(TypeId::kUuid)},
      {"Date", Type::Of(TypeId::kDate)},
      {"Date32", Type::Of(TypeId::kDate)},
      {"DateTime", Type::Of(TypeId::kTimestampTz)},
      {"DateTime64(3)", Type::Of(TypeId::kTimestampTz)},
      {"SimpleAggregateFunction(sum, Decimal(38, 8))", Type::Decimal(38, 8)},
  };
  for (const auto& [text, type] : scalars) {
    EXPECT_EQ(MappedType(text), type.ToString()) << text;
    bool may_be_null = std::string_view(text).find('(') == std::string_view::npos;
    if (!may_be_null) continue;
    EXPECT_EQ(MappedType(fmt::format("Nullable({})", text)), type.ToString() + "?") << text;
  }
  EXPECT_EQ(MappedType("LowCardinality(Nullable(String))"), Type::Of(TypeId::kString).ToString() + "?");
}

TEST(TypeMapping, NestsWithElementNullability) {
  auto array = *MapColumn("c", Ch("Array(Nullable(Int64))"), std::nullopt);
  EXPECT_TRUE(array.required);
  EXPECT_FALSE(array.type.fields[0].required);
  auto map = *MapColumn("c", Ch("Map(String, Array(UUID))"), std::nullopt);
  EXPECT_EQ(map.type.id, TypeId::kMap);
  EXPECT_EQ(map.type.fields[1].type.id, TypeId::kList);
  auto tuple = *MapColumn("c", Ch("Tuple(Int8, String)"), std::nullopt);
  EXPECT_EQ(tuple.type.fields[1].name, "2");
  auto nested = *MapColumn("c", Ch("Nested(a Int8, b String)"), std::nullopt);
  EXPECT_EQ(nested.type.id, TypeId::kList);
  EXPECT_EQ(nested.type.fields[0].type.fields[1].name, "b");
}

TEST(TypeMapping, TheWayOutNamesTheColumnAndNotWhatLiesInside) {
  const Status refused = MapColumn("c", Ch("Array(AggregateFunction(sum, UInt8))"), std::nullopt).status();
  EXPECT_EQ(KindOf(refused), ErrorKind::kUnsupported);
  EXPECT_NE(MessageOf(refused).find("column c.element"), std::string::npos);
  EXPECT_NE(RemedyOf(refused).find("--exclude c; in the configuration, columns: {c: {exclude: true}}."),
            std::string::npos)
      << RemedyOf(refused);
}

TEST(TypeMapping, RefusesWhatWouldLoseAndSaysTheWayOut) {
  Status fine = MapColumn("ts", Ch("DateTime64(9)"), std::nullopt).status();
  EXPECT_EQ(KindOf(fine), ErrorKind::kUnsupported);
  EXPECT_NE(MessageOf(fine).find("column ts"), std::string::npos);
  EXPECT_NE(RemedyOf(fine).find("--type ts=timestamptz"), std::string::npos);
  EXPECT_EQ(MapColumn("ts", Ch("DateTime64(9)"), Type::Of(TypeId::kTimestampTz))->expression,
            "toDateTime64(`ts`, 6, 'UTC')");
  EXPECT_EQ(MappedType("Decimal(76, 40)"), "refused: unsupported");
  EXPECT_EQ(MappedType("Array(AggregateFunction(count))"), "refused: unsupported");
  EXPECT_EQ(MappedType("Array(Variant(Int8, String))"), "refused: unsupported");
  EXPECT_EQ(MappedType("IntervalDay"), "refused: unsupported");
}

TEST(TypeMapping, FinalisesStatesAndWritesSemiStructuredDataAsText) {
  EXPECT_EQ(MapColumn("n", Ch("AggregateFunction(count)"), std::nullopt)->expression, "finalizeAggregation(`n`)");
  EXPECT_EQ(MapColumn("j", Ch("JSON"), std::nullopt)->expression, "toString(`j`)");
}

std::vector<SelectedColumn> Select(const source::SourceTable& table, const ColumnOptions& options = {}) {
  auto draft = DraftSelect(table, options).ValueOrDie();
  EXPECT_TRUE(draft.ask.empty());
  return FinishSelect(std::move(draft), {}).ValueOrDie();
}

TEST(DraftSelect, TakesWhatSelectStarWould) {
  auto table = MakeSourceTable({{"a", "Int64"}, {"m", "Int64"}, {"al", "Int64"}, {"d", "Int64"}});
  table.columns[1].default_kind = "MATERIALIZED";
  table.columns[2].default_kind = "ALIAS";
  table.columns[3].default_kind = "DEFAULT";
  auto columns = Select(table);
  ASSERT_EQ(columns.size(), 2u);
  EXPECT_EQ(columns[0].name, "a");
  EXPECT_EQ(columns[1].name, "d");
}

TEST(DraftSelect, AsksForTheTypesOfExpressionsAndAddsNewNames) {
  ColumnOptions options;
  options.expressions = {{"a", "toString(a)"}, {"z", "1"}};
  options.excluded = {"b"};
  auto draft = *DraftSelect(MakeSourceTable({{"a", "Int64"}, {"b", "String"}, {"c", "String"}}), options);
  ASSERT_EQ(draft.columns.size(), 3u);
  EXPECT_EQ(draft.ask, (std::vector<size_t>{0, 2}));
  auto columns = *FinishSelect(draft, {Ch("String"), Ch("UInt8")});
  EXPECT_EQ(columns[0].target_type.id, TypeId::kString);
  EXPECT_EQ(columns[2].target_type.id, TypeId::kInt);
}

TEST(DraftSelect, RefusesOptionsForColumnsThatAreNotThere) {
  auto table = MakeSourceTable({{"a", "Int64"}});
  ColumnOptions options;
  options.types = {{"b", Type::Of(TypeId::kLong)}};
  EXPECT_EQ(KindOf(DraftSelect(table, options).status()), ErrorKind::kConfig);
  options = {};
  options.excluded = {"b"};
  EXPECT_EQ(KindOf(DraftSelect(table, options).status()), ErrorKind::kConfig);
  options.excluded = {"a"};
  EXPECT_EQ(KindOf(DraftSelect(table, options).status()), ErrorKind::kConfig);
}

TEST(FinishSelect, RefusesATypeThatTheColumnCannotBecome) {
  ColumnOptions options;
  options.types = {{"a", Type::Of(TypeId::kDate)}};
  auto draft = *DraftSelect(MakeSourceTable({{"a", "String"}}), options);
  Status status = FinishSelect(std::move(draft), {}).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_NE(MessageOf(status).find("column a"), std::string::npos) << MessageOf(status);
}

TEST(MatchTarget, MatchesByNameInWhateverOrderAndKeepsTheTargetsTypes) {
  auto target =
      MakeMetadata({Field(1, "price", false, Type::Decimal(38, 8)), Field(2, "seq", false, Type::Of(TypeId::kLong)),
                    Field(3, "id", false, Type::Of(TypeId::kString))});
  auto columns = Select(MakeSourceTable({{"id", "UUID"}, {"seq", "UInt64"}, {"price", "Decimal(18, 8)"}}));
  auto match = *MatchTarget(columns, target, {});
  EXPECT_FALSE(match.schema_changed);
  EXPECT_TRUE(match.notes.empty());
  ASSERT_EQ(match.columns.size(), 3u);
}

TEST(MatchTarget, WidensWhereIcebergAllowsIt) {
  auto target = MakeMetadata({Field(1, "a", false, Type::Of(TypeId::kInt)), Field(2, "b", false, Type::Decimal(9, 2)),
                              Field(3, "c", false, Type::Of(TypeId::kFloat))});
  auto match =
      *MatchTarget(Select(MakeSourceTable({{"a", "Int64"}, {"b", "Decimal(18, 2)"}, {"c", "Float64"}})), target, {});
  EXPECT_TRUE(match.schema_changed);
  EXPECT_EQ(match.schema.fields[0].type.id, TypeId::kLong);
  EXPECT_EQ(match.schema.fields[1].type, Type::Decimal(18, 2));
  EXPECT_EQ(match.schema.fields[2].type.id, TypeId::kDouble);
  EXPECT_EQ(match.notes.size(), 3u);
}

TEST(MatchTarget, RefusesWhatDoesNotFitByName) {
  auto target = MakeMetadata({Field(1, "a", false, Type::Of(TypeId::kInt))});
  Status status = MatchTarget(Select(MakeSourceTable({{"a", "String"}})), target, {}).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_NE(MessageOf(status).find("column a: ClickHouse type String"), std::string::npos) << MessageOf(status);
  target = MakeMetadata({Field(1, "a", false, Type::Of(TypeId::kString))});
  EXPECT_FALSE(MatchTarget(Select(MakeSourceTable({{"a", "FixedString(16)"}})), target, {}).ok());
}

TEST(MatchTarget, AddsNewColumnsAsOptionalWithFreshIds) {
  auto target = MakeMetadata({Field(1, "a", true, Type::Of(TypeId::kLong))});
  target.last_column_id = 9;  // ids of dropped columns are never used again
  auto columns = Select(MakeSourceTable({{"a", "Int64"}, {"tags", "Array(String)"}}));
  auto match = *MatchTarget(columns, target, {});
  ASSERT_EQ(match.schema.fields.size(), 2u);
  EXPECT_EQ(match.schema.fields[1].id, 10);
  EXPECT_EQ(match.schema.fields[1].type.fields[0].id, 11);
  EXPECT_FALSE(match.schema.fields[1].required);
  ColumnOptions ignore;
  ignore.new_columns = NewColumns::kIgnore;
  EXPECT_EQ(MatchTarget(columns, target, ignore)->columns.size(), 1u);
  ColumnOptions fail;
  fail.new_columns = NewColumns::kFail;
  EXPECT_EQ(KindOf(MatchTarget(columns, target, fail).status()), ErrorKind::kConfig);
}

TEST(MatchTarget, MakesOptionalWhatTheSourceLacksOrMayLeaveNull) {
  auto target =
      MakeMetadata({Field(1, "a", true, Type::Of(TypeId::kLong)), Field(2, "gone", true, Type::Of(TypeId::kLong))});
  auto match = *MatchTarget(Select(MakeSourceTable({{"a", "Nullable(Int64)"}})), target, {});
  EXPECT_TRUE(match.schema_changed);
  EXPECT_FALSE(match.schema.fields[0].required);
  EXPECT_FALSE(match.schema.fields[1].required);
  target.schemas[0].identifier_field_ids = {2};
  EXPECT_EQ(KindOf(MatchTarget(Select(MakeSourceTable({{"a", "Int64"}})), target, {}).status()), ErrorKind::kConfig);
}

}  // namespace
}  // namespace calve::offload
