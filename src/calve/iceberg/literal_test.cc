#include "calve/iceberg/literal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "calve/iceberg/calendar.h"
#include "calve/iceberg/utf8.h"

namespace calve::iceberg {
namespace {

using arrow::Decimal128;
using namespace std::string_literals;

Type Of(TypeId id) { return Type::Of(id); }

std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (int value : values) bytes += static_cast<char>(value);
  return bytes;
}

void ExpectBytes(const Type& type, const Literal& value, const std::string& bytes) {
  EXPECT_EQ(ToBytes(type, value), bytes) << type.ToString();
  auto read = FromBytes(type, bytes);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->index(), value.index());
  EXPECT_EQ(CompareLiterals(*read, value), 0) << type.ToString();
}

TEST(SingleValue, IsLittleEndian) {
  ExpectBytes(Of(TypeId::kBoolean), true, Bytes({1}));
  ExpectBytes(Of(TypeId::kBoolean), false, Bytes({0}));
  ExpectBytes(Of(TypeId::kInt), int32_t{1234}, Bytes({0xd2, 0x04, 0, 0}));
  ExpectBytes(Of(TypeId::kInt), int32_t{-1}, Bytes({0xff, 0xff, 0xff, 0xff}));
  ExpectBytes(Of(TypeId::kLong), int64_t{1234}, Bytes({0xd2, 0x04, 0, 0, 0, 0, 0, 0}));
  ExpectBytes(Of(TypeId::kLong), std::numeric_limits<int64_t>::min(), Bytes({0, 0, 0, 0, 0, 0, 0, 0x80}));
  ExpectBytes(Of(TypeId::kDate), int32_t{1000}, Bytes({0xe8, 0x03, 0, 0}));
  ExpectBytes(Of(TypeId::kTime), int64_t{10000}, Bytes({0x10, 0x27, 0, 0, 0, 0, 0, 0}));
  ExpectBytes(Of(TypeId::kTimestampTz), int64_t{400000}, Bytes({0x80, 0x1a, 0x06, 0, 0, 0, 0, 0}));
  ExpectBytes(Of(TypeId::kFloat), -4.5f, Bytes({0, 0, 0x90, 0xc0}));
  ExpectBytes(Of(TypeId::kDouble), 6.0, Bytes({0, 0, 0, 0, 0, 0, 0x18, 0x40}));
  ExpectBytes(Of(TypeId::kString), "ABC"s, "ABC");
  ExpectBytes(Of(TypeId::kString), ""s, "");
  ExpectBytes(Of(TypeId::kBinary), Bytes({0, 255, 1}), Bytes({0, 255, 1}));
  ExpectBytes(Type::Fixed(2), "ab"s, "ab");
  ExpectBytes(Of(TypeId::kUuid), "0123456789abcdef"s, "0123456789abcdef");
}

TEST(SingleValue, DecimalsTakeAsFewBytesAsTheyCan) {
  Type type = Type::Decimal(38, 2);
  ExpectBytes(type, Decimal128(0), Bytes({0}));
  ExpectBytes(type, Decimal128(-1), Bytes({0xff}));
  ExpectBytes(type, Decimal128(127), Bytes({0x7f}));
  ExpectBytes(type, Decimal128(128), Bytes({0x00, 0x80}));
  ExpectBytes(type, Decimal128(-128), Bytes({0x80}));
  ExpectBytes(type, Decimal128(-129), Bytes({0xff, 0x7f}));
  ExpectBytes(type, Decimal128(1420), Bytes({0x05, 0x8c}));
  ExpectBytes(type, Decimal128(12345), Bytes({0x30, 0x39}));
  ExpectBytes(type, Decimal128(255), Bytes({0x00, 0xff}));
  ExpectBytes(type, Decimal128(std::numeric_limits<int64_t>::min()), Bytes({0x80, 0, 0, 0, 0, 0, 0, 0}));
  Decimal128 most("99999999999999999999999999999999999999");
  EXPECT_EQ(ToBytes(type, most).size(), 16u);
  ExpectBytes(type, most, ToBytes(type, most));
  ExpectBytes(type, -most, ToBytes(type, -most));
}

TEST(SingleValue, PaddedDecimalsAreRead) {
  EXPECT_EQ(std::get<Decimal128>(*FromBytes(Type::Decimal(9, 2), Bytes({0, 0, 0, 5, 0x8c}))), Decimal128(1420));
  EXPECT_EQ(std::get<Decimal128>(*FromBytes(Type::Decimal(9, 2), std::string(20, '\xff'))), Decimal128(-1));
}

TEST(SingleValue, PromotedBoundsAreRead) {
  EXPECT_EQ(std::get<int64_t>(*FromBytes(Of(TypeId::kLong), Bytes({0xff, 0xff, 0xff, 0xff}))), -1);
  EXPECT_EQ(std::get<double>(*FromBytes(Of(TypeId::kDouble), Bytes({0, 0, 0x90, 0xc0}))), -4.5);
}

TEST(SingleValue, WrongLengthsAreCorrupt) {
  auto expect_corrupt = [](const Type& type, size_t size) {
    auto value = FromBytes(type, std::string(size, '\x01'));
    ASSERT_FALSE(value.ok()) << type.ToString() << " " << size;
    EXPECT_EQ(KindOf(value.status()), ErrorKind::kCorrupt);
  };
  for (TypeId id : {TypeId::kBoolean, TypeId::kInt, TypeId::kLong, TypeId::kFloat, TypeId::kDouble, TypeId::kDate,
                    TypeId::kTime, TypeId::kTimestamp, TypeId::kTimestampTzNs, TypeId::kUuid}) {
    for (size_t size : {0u, 3u, 5u, 9u, 17u}) expect_corrupt(Of(id), size);
  }
  expect_corrupt(Of(TypeId::kInt), 8);
  expect_corrupt(Of(TypeId::kTimestamp), 4);
  expect_corrupt(Type::Decimal(9, 2), 0);
  expect_corrupt(Type::Decimal(38, 2), 17);
  expect_corrupt(Type::Fixed(4), 5);
  expect_corrupt(Type::List(1, true, Of(TypeId::kInt)), 4);
}

TEST(CompareLiterals, OrdersAsIcebergDoes) {
  auto expect_less = [](const Literal& a, const Literal& b) {
    EXPECT_LT(CompareLiterals(a, b), 0);
    EXPECT_GT(CompareLiterals(b, a), 0);
    EXPECT_EQ(CompareLiterals(a, a), 0);
  };
  double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  expect_less(false, true);
  expect_less(int32_t{-5}, int32_t{3});
  expect_less(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
  expect_less(-0.0, 0.0);
  expect_less(-0.0f, 0.0f);
  expect_less(-inf, -1.0);
  expect_less(inf, nan);
  expect_less(1.0f, std::nanf(""));
  EXPECT_EQ(CompareLiterals(nan, -nan), 0);
  expect_less(Decimal128(-2), Decimal128(1));
  expect_less("a"s, "b"s);
  expect_less(""s, "a"s);
  expect_less("a"s, "aa"s);
  expect_less("\x7f"s, "\x80"s);  // bytes are unsigned
  expect_less("z"s, "é"s);
}

TEST(HumanString, IsWhatPeopleRead) {
  EXPECT_EQ(ToHumanString(Of(TypeId::kInt), {}), "null");
  EXPECT_EQ(ToHumanString(Of(TypeId::kBoolean), true), "true");
  EXPECT_EQ(ToHumanString(Of(TypeId::kDate), int32_t{17486}), "2017-11-16");
  EXPECT_EQ(ToHumanString(Of(TypeId::kDate), int32_t{-1}), "1969-12-31");
  EXPECT_EQ(ToHumanString(Of(TypeId::kInt), int32_t{17486}), "17486");
  EXPECT_EQ(ToHumanString(Of(TypeId::kTime), int64_t{81'068'000'000}), "22:31:08");
  EXPECT_EQ(ToHumanString(Of(TypeId::kTimestamp), int64_t{1'510'871'468'000'001}), "2017-11-16T22:31:08.000001");
  EXPECT_EQ(ToHumanString(Of(TypeId::kTimestampTz), int64_t{1'510'871'468'500'000}), "2017-11-16T22:31:08.5+00:00");
  EXPECT_EQ(ToHumanString(Of(TypeId::kTimestamp), int64_t{-1}), "1969-12-31T23:59:59.999999");
  EXPECT_EQ(ToHumanString(Of(TypeId::kTimestampNs), int64_t{1'510'871'468'000'001'001}),
            "2017-11-16T22:31:08.000001001");
  EXPECT_EQ(ToHumanString(Type::Decimal(9, 2), Decimal128(150)), "1.50");
  EXPECT_EQ(ToHumanString(Type::Decimal(9, 2), Decimal128(-5)), "-0.05");
  EXPECT_EQ(ToHumanString(Type::Decimal(9, 0), Decimal128(-5)), "-5");
  EXPECT_EQ(ToHumanString(Type::Decimal(18, 8), Decimal128(1)), "0.00000001");
  EXPECT_EQ(ToHumanString(Of(TypeId::kString), "naïve"s), "naïve");
  EXPECT_EQ(ToHumanString(Of(TypeId::kBinary), Bytes({0, 1, 0xff})), "0001ff");
  EXPECT_EQ(ToHumanString(Of(TypeId::kUuid), Bytes({0xf7, 0x9c, 0x3e, 0x09, 0x67, 0x7c, 0x4b, 0xbd, 0xa4, 0x79, 0x3f,
                                                    0x34, 0x9c, 0xb7, 0x85, 0xe7})),
            "f79c3e09-677c-4bbd-a479-3f349cb785e7");
}

TEST(TruncateBounds, CountsCodePoints) {
  Type type = Of(TypeId::kString);
  EXPECT_EQ(TruncateLower(type, "iceberg", 3), "ice");
  EXPECT_EQ(TruncateUpper(type, "iceberg", 3), "icf");
  EXPECT_EQ(TruncateLower(type, "ice", 3), "ice");
  EXPECT_EQ(TruncateUpper(type, "ice", 3), "ice");
  EXPECT_EQ(TruncateUpper(type, "", 3), "");
  EXPECT_EQ(TruncateLower(type, "дон't", 2), "до");
  EXPECT_EQ(TruncateUpper(type, "дон't", 2), "дп");
  EXPECT_EQ(TruncateLower(type, "🐻‍❄️🐻‍❄️", 1), "🐻");
  EXPECT_EQ(TruncateUpper(type, "🐻🐻", 1), "🐼");
  EXPECT_EQ(TruncateLower(type, "abc", 0), "");
  EXPECT_EQ(TruncateUpper(type, "abc", 0), std::nullopt);
}

TEST(TruncateBounds, RoundsUpOverTheEdges) {
  Type type = Of(TypeId::kString);
  EXPECT_EQ(TruncateUpper(type, "\x7fz", 1), "\xc2\x80");                  // one byte becomes two
  EXPECT_EQ(TruncateUpper(type, "\xdf\xbfz", 1), "\xe0\xa0\x80");          // two become three
  EXPECT_EQ(TruncateUpper(type, "\xef\xbf\xbfz", 1), "\xf0\x90\x80\x80");  // three become four
  EXPECT_EQ(TruncateUpper(type, "\xed\x9f\xbfz", 1), "\xee\x80\x80");      // U+D7FF: surrogates are skipped
  EXPECT_EQ(TruncateUpper(type, "a\xf4\x8f\xbf\xbfz", 2), "b");            // U+10FFFF: the one before it
  EXPECT_EQ(TruncateUpper(type, "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbfz", 2), std::nullopt);  // there is nothing above
}

TEST(TruncateBounds, HoldsForBrokenUtf8) {
  Type type = Of(TypeId::kString);
  EXPECT_EQ(TruncateLower(type, "\xff\xff\xff", 2), "\xff\xff");
  EXPECT_EQ(TruncateUpper(type, "\xff\xff\xff", 2), std::nullopt);
  EXPECT_EQ(TruncateUpper(type, "\xff\xff", 2), "\xff\xff");
}

TEST(TruncateBounds, CountsBytesForBinary) {
  Type type = Of(TypeId::kBinary);
  EXPECT_EQ(TruncateLower(type, Bytes({1, 2, 3, 4, 5}), 3), Bytes({1, 2, 3}));
  EXPECT_EQ(TruncateUpper(type, Bytes({1, 2, 3, 4, 5}), 3), Bytes({1, 2, 4}));
  EXPECT_EQ(TruncateUpper(type, Bytes({1, 0xff, 0xff, 0}), 3), Bytes({2}));
  EXPECT_EQ(TruncateUpper(type, Bytes({0xff, 0xff, 0}), 2), std::nullopt);
  EXPECT_EQ(TruncateUpper(type, Bytes({0xff, 0xff}), 2), Bytes({0xff, 0xff}));
}

TEST(TruncateBounds, AlwaysEnclose) {
  // Every code point around each change of length and each gap, before a tail that is cut off.
  Type type = Of(TypeId::kString);
  for (uint32_t point : {1u, 0x7eu, 0x7fu, 0x80u, 0x7feu, 0x7ffu, 0x800u, 0xd7feu, 0xd7ffu, 0xe000u, 0xfffeu, 0xffffu,
                         0x10000u, 0x10fffeu, 0x10ffffu}) {
    for (int length = 1; length <= 3; ++length) {
      std::string value = "k";
      for (int i = 0; i < 4; ++i) AppendUtf8(point, value);
      EXPECT_LE(TruncateLower(type, value, length), value);
      auto upper = TruncateUpper(type, value, length);
      ASSERT_TRUE(upper.has_value());
      EXPECT_GE(*upper, value) << point;
      EXPECT_EQ(PrefixBytes(*upper, length), upper->size());
    }
  }
}

TEST(Utf8, RefusesWhatIsNotWellFormed) {
  for (const char* text : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x90", "\xc3\x28"}) {
    EXPECT_EQ(FirstCodePoint(text).bytes, 0) << text;
  }
  for (uint32_t point : {0u, 0x7fu, 0x80u, 0x7ffu, 0x800u, 0xd7ffu, 0xe000u, 0xffffu, 0x10000u, 0x10ffffu}) {
    std::string text;
    AppendUtf8(point, text);
    EXPECT_EQ(FirstCodePoint(text).value, point);
    EXPECT_EQ(FirstCodePoint(text).bytes, static_cast<int>(text.size()));
  }
}

TEST(Calendar, AgreesWithItselfDayByDay) {
  // From the year -9999 to 9999, each day follows the one before it as the calendar says.
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  CivilDate expected{1970, 1, 1};
  for (int64_t day = 0; day < 400 * 366 * 20; ++day) {
    CivilDate date = CivilFromDays(day);
    ASSERT_TRUE(date.year == expected.year && date.month == expected.month && date.day == expected.day) << day;
    CivilDate earlier = CivilFromDays(day - 146'097 * 30);  // 400 years have the same days always
    ASSERT_TRUE(earlier.year == date.year - 12'000 && earlier.month == date.month && earlier.day == date.day) << day;
    bool leap = (date.year % 4 == 0 && date.year % 100 != 0) || date.year % 400 == 0;
    int length = kDays[expected.month - 1] + (leap && expected.month == 2 ? 1 : 0);
    if (++expected.day > length) expected.day = 1, ++expected.month;
    if (expected.month > 12) expected.month = 1, ++expected.year;
  }
}

TEST(Calendar, HoldsAtTheEnds) {
  EXPECT_EQ(FormatDateTime(std::numeric_limits<int64_t>::max(), 1'000'000), "294247-01-10T04:00:54.775807");
  EXPECT_EQ(FormatDateTime(std::numeric_limits<int64_t>::min(), 1'000'000), "-290308-12-21T19:59:05.224192");
  EXPECT_EQ(CivilFromDays(std::numeric_limits<int32_t>::max()).year, 5881580);
  EXPECT_EQ(CivilFromDays(std::numeric_limits<int32_t>::min()).year, -5877641);
}

}  // namespace
}  // namespace calve::iceberg
