#include "calve/offload/slice_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/offload/testing_tables.h"

namespace calve::offload {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Cursor kKeyCursor{"ts", 3, true, false};

source::SourceTable KeyTable(const std::string& engine, const std::string& sorting_key) {
  source::SourceTable table = MakeSourceTable({{"exchange", "LowCardinality(String)"},
                                               {"volume", "Nullable(Int32)"},
                                               {"price", "Float64"},
                                               {"pair", "Tuple(Int32, Int32)"},
                                               {"ts", "Nullable(DateTime64(3))"},
                                               {"seq", "UInt64"}});
  table.engine = engine;
  table.sorting_key = sorting_key;
  return table;
}

std::vector<std::string> CutNames(const std::string& engine, const std::string& sorting_key) {
  std::vector<std::string> names;
  for (const KeyColumn& column : CutColumns(KeyTable(engine, sorting_key), kKeyCursor)) names.push_back(column.name);
  return names;
}

TEST(SliceKey, TheLeadingColumnsAndTheCursor) {
  EXPECT_THAT(CutNames("MergeTree", "exchange, seq, ts"), ElementsAre("exchange", "seq", "ts"));
  EXPECT_THAT(CutNames("MergeTree", "exchange, ts, seq"), ElementsAre("exchange", "ts"));
  EXPECT_THAT(CutNames("MergeTree", "exchange, toDate(ts), seq"), ElementsAre("exchange", "ts"));
  EXPECT_THAT(CutNames("MergeTree", "exchange, price, seq"), ElementsAre("exchange", "ts"));
  EXPECT_THAT(CutNames("MergeTree", "pair, exchange"), ElementsAre("ts"));
  EXPECT_THAT(CutNames("MergeTree", "exchange DESC, seq"), ElementsAre("ts"));
  EXPECT_THAT(CutNames("MergeTree", "cityHash64(seq, 'a,b'), seq"), ElementsAre("ts"));
  EXPECT_THAT(CutNames("MergeTree", ""), ElementsAre("ts"));
  EXPECT_THAT(CutNames("View", ""), ElementsAre("ts"));
}

// Rows of one key may have any cursor, unless it is part of the key.
TEST(SliceKey, WhatIsMergedIsNotCut) {
  EXPECT_THAT(CutNames("ReplacingMergeTree", "exchange, seq"), ElementsAre("exchange", "seq"));
  EXPECT_THAT(CutNames("ReplacingMergeTree", "exchange, toDate(ts), seq"), ElementsAre("exchange"));
  EXPECT_THAT(CutNames("ReplacingMergeTree", "exchange, price, ts"), ElementsAre("exchange", "ts"));
  EXPECT_THAT(CutNames("ReplicatedSummingMergeTree", "price"), IsEmpty());
  source::SourceTable table = KeyTable("Distributed", "seq");
  table.engine_behind = "ReplacingMergeTree";
  EXPECT_EQ(CutColumns(table, kKeyCursor).size(), 1u);
}

TEST(SliceKey, ARowOfAWindowHasACursor) {
  const auto columns = CutColumns(KeyTable("MergeTree", "volume, ts"), kKeyCursor);
  ASSERT_EQ(columns.size(), 2u);
  EXPECT_TRUE(columns[0].nullable);
  EXPECT_FALSE(columns[1].nullable);
}

struct LiteralCase {
  std::string type, text, literal;
};

TEST(SliceKey, Literals) {
  const std::vector<LiteralCase> cases = {
      {"UInt64", "18446744073709551615", "18446744073709551615"},
      {"Int8", "-5", "-5"},
      {"Int256", "-5", "toInt256('-5')"},
      {"Decimal(9, 2)", "-1.5", "toDecimal32('-1.5', 2)"},
      {"Decimal(38, 10)", "1.5", "toDecimal128('1.5', 10)"},
      {"Decimal(76, 0)", "1", "toDecimal256('1', 0)"},
      {"LowCardinality(Nullable(String))", "it's a \\", R"('it\'s a \\')"},
      {"String", std::string("\0\xff\n\x7f~", 5), R"('\x00\xFF\x0A\x7F~')"},
      {"FixedString(3)", std::string("a\0\0", 3), R"(toFixedString('a\x00\x00', 3))"},
      {"Enum8('it''s' = -1)", "it's", R"('it\'s')"},
      {"Bool", "true", "true"},
      {"Date", "2024-01-02", "toDate('2024-01-02')"},
      {"Date32", "1930-01-02", "toDate32('1930-01-02')"},
      {"DateTime('Europe/Berlin')", "1698541200000000", "toDateTime('2023-10-29 01:00:00', 'UTC')"},
      {"DateTime64(1)", "-700000", "toDateTime64('1969-12-31 23:59:59.3', 1, 'UTC')"},
      {"UUID", "61f0c404-5cb3-11e7-907b-a6006ad3dba0", "toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')"},
      {"IPv4", "1.2.3.4", "toIPv4('1.2.3.4')"},
      {"IPv6", "::1", "toIPv6('::1')"}};
  for (const LiteralCase& one : cases) {
    const auto type = source::ParseClickHouseType(one.type).ValueOrDie();
    EXPECT_EQ(KeyLiteral({"c", type.Unwrapped(), type.IsNullable()}, {false, one.text}), one.literal) << one.type;
  }
}

TEST(SliceKey, Order) {
  const auto in_order = [](const std::string& type, const std::vector<std::string>& texts) {
    const auto parsed = source::ParseClickHouseType(type).ValueOrDie();
    const KeyColumn column{"c", parsed.Unwrapped(), parsed.IsNullable()};
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_TRUE(CompareKeys(column, {true, ""}, {false, texts[i]}) < 0);
      for (size_t j = 0; j < texts.size(); ++j) {
        EXPECT_TRUE(CompareKeys(column, {false, texts[i]}, {false, texts[j]}) == (i <=> j))
            << type << " " << texts[i] << " " << texts[j];
      }
    }
    EXPECT_TRUE(CompareKeys(column, {true, ""}, {true, ""}) == 0);
  };
  in_order("Int256", {"-100000000000000000000000000000000", "-20", "-3", "0", "3", "20", "18446744073709551616"});
  in_order("Decimal(18,4)", {"-10.5", "-9.75", "-0.1", "0", "0.05", "0.1", "9.75", "10", "10.5"});
  in_order("String", {"", std::string("\0", 1), "a", "ab", "b", "\xff"});
  in_order("Enum8('b' = -1, 'a' = 2)", {"b", "a"});
  in_order("UUID", {"ffffffff-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001",
                    "00000000-0000-0001-0000-000000000001", "00000000-0000-0000-ffff-000000000000"});
  in_order("IPv4", {"9.0.0.1", "10.0.0.1", "192.168.0.1"});
  in_order("IPv6", {"::9", "::10", "fe80::1"});
  in_order("Bool", {"false", "true"});
  in_order("DateTime64(3)", {"-1500000", "-1", "0", "1000"});
  const KeyColumn number{"c", source::ParseClickHouseType("Int32").ValueOrDie(), false};
  EXPECT_TRUE(CompareKeys(number, {false, "1"}, {false, "x"}) == std::partial_ordering::unordered);
  EXPECT_TRUE(CompareKeys(number, {false, "0"}, {false, "-0"}) == 0);
}

TEST(SliceKey, Answers) {
  const auto column = [](const std::string& type) {
    const auto parsed = source::ParseClickHouseType(type).ValueOrDie();
    return KeyColumn{"c", parsed.Unwrapped(), parsed.IsNullable()};
  };
  EXPECT_EQ(ParseKeyText(column("Nullable(Int8)"), "-").ValueOrDie(), (KeyValue{true, ""}));
  EXPECT_EQ(ParseKeyText(column("Int8"), "+-5").ValueOrDie(), (KeyValue{false, "-5"}));
  EXPECT_EQ(ParseKeyText(column("String"), "+00FF27").ValueOrDie(), (KeyValue{false, std::string("\0\xff'", 3)}));
  EXPECT_EQ(ParseKeyText(column("FixedString(2)"), "+61").ValueOrDie().text, std::string("a\0", 2));
  const KeyValue beginning = ParseKeyText(column("String"), "+" + std::string(602, '6')).ValueOrDie();
  EXPECT_TRUE(beginning.is_beginning);
  EXPECT_EQ(beginning.text.size(), 300u);
  for (const char* damaged : {"", "61", "+6", "+zz"}) {
    EXPECT_EQ(KindOf(ParseKeyText(column("String"), damaged).status()), ErrorKind::kCorrupt) << damaged;
  }
  EXPECT_EQ(KeyText(column("Nullable(Date)")), "if(isNull(_t.`c`), '-', concat('+', toString(assumeNotNull(_t.`c`))))");
}

}  // namespace
}  // namespace calve::offload
