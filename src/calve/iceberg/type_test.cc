#include "calve/iceberg/type.h"

#include <gtest/gtest.h>

namespace calve::iceberg {
namespace {

TEST(PrimitiveType, TextRoundTrips) {
  for (const char* text :
       {"boolean", "int", "long", "float", "double", "date", "time", "timestamp", "timestamptz", "timestamp_ns",
        "timestamptz_ns", "string", "uuid", "binary", "decimal(18,8)", "decimal(38,0)", "fixed[16]", "fixed[0]"}) {
    ASSERT_TRUE(ParsePrimitiveType(text).ok()) << text;
    EXPECT_EQ(ParsePrimitiveType(text)->ToString(), text);
  }
}

TEST(PrimitiveType, BlanksAreAccepted) {
  EXPECT_EQ(*ParsePrimitiveType("decimal(9, 2)"), Type::Decimal(9, 2));
  EXPECT_EQ(*ParsePrimitiveType("decimal( 38 , 8 )"), Type::Decimal(38, 8));
  EXPECT_EQ(*ParsePrimitiveType("fixed[ 16 ]"), Type::Fixed(16));
}

TEST(PrimitiveType, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "text",
                           "Long",
                           "decimal",
                           "decimal()",
                           "decimal(9)",
                           "decimal(0,0)",
                           "decimal(39,2)",
                           "decimal(2,3)",
                           "decimal(9,-2)",
                           "decimal(9,2",
                           "decimal(9,2)x",
                           "decimal(a,b)",
                           "fixed",
                           "fixed[]",
                           "fixed[-1]",
                           "fixed[99999999999]",
                           "fixed(16)",
                           "struct",
                           "list"}) {
    auto type = ParsePrimitiveType(text);
    ASSERT_FALSE(type.ok()) << text;
    EXPECT_EQ(KindOf(type.status()), ErrorKind::kCorrupt) << text;
  }
  for (const char* text : {"variant", "unknown", "geometry(srid:4326)", "geography(srid:4326, spherical)"}) {
    EXPECT_EQ(KindOf(ParsePrimitiveType(text).status()), ErrorKind::kUnsupported) << text;
  }
}

TEST(Type, NestedTypesPrint) {
  Type type = Type::Struct({{1, "a", true, Type::Of(TypeId::kInt), ""},
                            {2, "b", false, Type::List(3, false, Type::Of(TypeId::kString)), ""}});
  EXPECT_EQ(type.ToString(), "struct<1: a: int, 2: b: list<string>>");
  EXPECT_EQ(Type::Map(1, Type::Of(TypeId::kString), 2, true, Type::Of(TypeId::kDouble)).ToString(),
            "map<string, double>");
}

TEST(Type, EqualityComparesWhatMatters) {
  EXPECT_EQ(Type::Decimal(9, 2), Type::Decimal(9, 2));
  EXPECT_FALSE(Type::Decimal(9, 2) == Type::Decimal(9, 3));
  EXPECT_FALSE(Type::Fixed(4) == Type::Fixed(5));
  EXPECT_FALSE(Type::List(1, true, Type::Of(TypeId::kInt)) == Type::List(1, false, Type::Of(TypeId::kInt)));
  EXPECT_FALSE(Type::List(1, true, Type::Of(TypeId::kInt)) == Type::List(2, true, Type::Of(TypeId::kInt)));
}

TEST(CanPromote, IsV2sTable) {
  Type i = Type::Of(TypeId::kInt), l = Type::Of(TypeId::kLong), f = Type::Of(TypeId::kFloat),
       d = Type::Of(TypeId::kDouble);
  EXPECT_TRUE(CanPromote(i, i));
  EXPECT_TRUE(CanPromote(i, l));
  EXPECT_FALSE(CanPromote(l, i));
  EXPECT_TRUE(CanPromote(f, d));
  EXPECT_FALSE(CanPromote(d, f));
  EXPECT_FALSE(CanPromote(i, d));
  EXPECT_TRUE(CanPromote(Type::Decimal(18, 8), Type::Decimal(38, 8)));
  EXPECT_FALSE(CanPromote(Type::Decimal(38, 8), Type::Decimal(18, 8)));
  EXPECT_FALSE(CanPromote(Type::Decimal(18, 8), Type::Decimal(38, 10)));
  EXPECT_FALSE(CanPromote(Type::Of(TypeId::kDate), Type::Of(TypeId::kTimestamp)));  // v3 only
  EXPECT_FALSE(CanPromote(Type::Of(TypeId::kString), Type::Of(TypeId::kBinary)));
}

// Columns as Java's TestTypeUtil lays them out: a level first, then what is inside.
std::vector<NestedField> Nested() {
  Type point = Type::Struct({{0, "x", true, Type::Of(TypeId::kLong), ""}, {0, "y", true, Type::Of(TypeId::kLong), ""}});
  return {{0, "id", true, Type::Of(TypeId::kLong), ""},
          {0, "points", false, Type::List(0, true, point), ""},
          {0, "props", false, Type::Map(0, point, 0, false, point), ""},
          {0, "last", false, Type::Of(TypeId::kString), ""}};
}

TEST(AssignFreshIds, GoesLevelByLevel) {
  Schema schema;
  schema.fields = Nested();
  EXPECT_EQ(AssignFreshIds(schema.fields, 1), 13);
  EXPECT_EQ(schema.fields[0].id, 1);
  EXPECT_EQ(schema.fields[3].id, 4);
  EXPECT_EQ(schema.PathOf(5), "points.element");
  EXPECT_EQ(schema.PathOf(6), "points.element.x");
  EXPECT_EQ(schema.PathOf(7), "points.element.y");
  EXPECT_EQ(schema.PathOf(8), "props.key");
  EXPECT_EQ(schema.PathOf(9), "props.value");
  EXPECT_EQ(schema.PathOf(10), "props.key.x");
  EXPECT_EQ(schema.PathOf(13), "props.value.y");
  EXPECT_EQ(schema.PathOf(14), "");
  EXPECT_EQ(schema.HighestFieldId(), 13);
}

TEST(AssignFreshIds, EmptyLevelTakesNone) {
  std::vector<NestedField> none;
  EXPECT_EQ(AssignFreshIds(none, 1), 0);
}

TEST(Schema, FindsByNameAndId) {
  Schema schema;
  schema.fields = Nested();
  AssignFreshIds(schema.fields, 1);
  ASSERT_NE(schema.FindField("points"), nullptr);
  EXPECT_EQ(schema.FindField("points")->id, 2);
  EXPECT_EQ(schema.FindField("Points"), nullptr);
  EXPECT_EQ(schema.FindField("x"), nullptr);
  EXPECT_EQ(schema.FindField(13)->name, "y");
  EXPECT_EQ(schema.FindField(99), nullptr);
}

TEST(Schema, SameFieldsIgnoresTheId) {
  Schema a{0, Nested(), {1, 2}}, b{7, Nested(), {2, 1}};
  EXPECT_TRUE(SameFields(a, b));
  EXPECT_FALSE(a == b);
  b.fields[0].doc = "changed";
  EXPECT_FALSE(SameFields(a, b));
}

}  // namespace
}  // namespace calve::iceberg
