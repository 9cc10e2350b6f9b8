#include "calve/base/time.h"

#include <gtest/gtest.h>

namespace calve {
namespace {

TEST(Timestamp, FormatsSixDigitsUtc) {
  EXPECT_EQ(FormatTimestamp(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatTimestamp(1'723'162'558'342'000), "2024-08-09T00:15:58.342000Z");
}

TEST(Timestamp, RoundsDownBeforeTheEpoch) {
  EXPECT_EQ(FormatTimestamp(-1), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatTimestamp(-kMicrosPerDay), "1969-12-31T00:00:00.000000Z");
  EXPECT_EQ(FormatTimestamp(-kMicrosPerDay - 1), "1969-12-30T23:59:59.999999Z");
}

TEST(Timestamp, RoundTripsOverAllThatClickHouseHolds) {
  for (const char* text :
       {"0001-01-01T00:00:00.000000Z", "1900-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z",
        "2000-02-29T12:34:56.000001Z", "2299-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"}) {
    ASSERT_TRUE(ParseTimestamp(text).ok()) << text;
    EXPECT_EQ(FormatTimestamp(*ParseTimestamp(text)), text);
  }
}

TEST(Timestamp, TakesOtherSpellings) {
  const TimestampMicros expected = 1'723'162'500'000'000;  // 2024-08-09T00:15:00Z
  for (const char* text :
       {"2024-08-09T00:15:00Z", "2024-08-09 00:15:00", "2024-08-09t00:15", "2024-08-09T02:15:00+02:00",
        "2024-08-09T02:15:00+0200", "2024-08-08T19:15:00.000-05", "2024-08-09T00:15:00.000000999z"}) {
    ASSERT_TRUE(ParseTimestamp(text).ok()) << text;
    EXPECT_EQ(*ParseTimestamp(text), expected) << text;
  }
  EXPECT_EQ(*ParseTimestamp("1969-12-31"), -kMicrosPerDay);
  EXPECT_EQ(*ParseTimestamp("1970-01-01T00:00:00.5Z"), 500'000);
}

TEST(Timestamp, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "now",
                           "2024",
                           "2024-08",
                           "2024-8-9",
                           "2024-13-01",
                           "2024-00-10",
                           "2024-02-30",
                           "2023-02-29",
                           "2024-08-09T",
                           "2024-08-09T24:00:00",
                           "2024-08-09T00:60:00",
                           "2024-08-09T00:00:60",
                           "2024-08-09T00:00:00.",
                           "2024-08-09T00:00:00Q",
                           "2024-08-09T00:00:00.0000000001",
                           "2024-08-09T00:00:00+24:00",
                           "2024-08-09T00:00:00+2",
                           "2024-08-09T00:00:00Z ",
                           " 2024-08-09",
                           "99999-01-01",
                           "2024-08-09T-1:00:00",
                           "2024-08-09T00:-1:00",
                           "2024-08-09T00:00:-1",
                           "-024-08-09",
                           "2024-08-09T00:00:00+-1:00"}) {
    auto parsed = ParseTimestamp(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(KindOf(parsed.status()), ErrorKind::kConfig);
    EXPECT_FALSE(RemedyOf(parsed.status()).empty());
  }
}

TEST(Duration, ParsesUnitsAndSums) {
  EXPECT_EQ(*ParseDuration("5m"), 300 * kMicrosPerSecond);
  EXPECT_EQ(*ParseDuration("250ms"), 250'000);
  EXPECT_EQ(*ParseDuration("7us"), 7);
  EXPECT_EQ(*ParseDuration("2h30m"), 9000 * kMicrosPerSecond);
  EXPECT_EQ(*ParseDuration("7d"), 7 * kMicrosPerDay);
  EXPECT_EQ(*ParseDuration("1w"), 7 * kMicrosPerDay);
  EXPECT_EQ(*ParseDuration("0"), 0);
  EXPECT_EQ(*ParseDuration("0s"), 0);
}

TEST(Duration, RefusesWhatIsNone) {
  for (const char* text : {"", "5", "m", "-5m", "5 m", "5y", "5m3", "1.5h", "9999999999999d", "99999999999999999999s",
                           "9223372036854775807us1us"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(Duration, FormatsTheShortestText) {
  EXPECT_EQ(FormatDuration(300 * kMicrosPerSecond), "5m");
  EXPECT_EQ(FormatDuration(90 * kMicrosPerSecond), "90s");
  EXPECT_EQ(FormatDuration(250'000), "250ms");
  EXPECT_EQ(FormatDuration(7), "7us");
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatDuration(2 * kMicrosPerDay), "2d");
  for (int64_t micros : {int64_t{1}, int64_t{1'001'000}, kMicrosPerDay + kMicrosPerSecond}) {
    EXPECT_EQ(*ParseDuration(FormatDuration(micros)), micros);
  }
}

TEST(Bytes, KnowsDecimalAndBinaryUnits) {
  EXPECT_EQ(*ParseBytes("4096"), 4096);
  EXPECT_EQ(*ParseBytes("512MB"), 512'000'000);
  EXPECT_EQ(*ParseBytes("1GiB"), 1 << 30);
  EXPECT_EQ(*ParseBytes("16KiB"), 16 << 10);
  EXPECT_EQ(*ParseBytes("512M"), 512 << 20);
  EXPECT_EQ(*ParseBytes("0"), 0);
  for (const char* text : {"", "MB", "-1", "1XB", "1 MB", "1.5GB", "9999999999TiB", "1MBs"}) {
    EXPECT_FALSE(ParseBytes(text).ok()) << text;
  }
}

TEST(SystemClock, IsPlausible) {
  EXPECT_GT(SystemClock().Now(), *ParseTimestamp("2024-01-01"));
  EXPECT_LT(SystemClock().Now(), *ParseTimestamp("2200-01-01"));
}

}  // namespace
}  // namespace calve
