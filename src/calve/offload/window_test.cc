#include "calve/offload/window.h"

#include <gtest/gtest.h>

#include "calve/offload/testing_tables.h"

namespace calve::offload {
namespace {

TimestampMicros At(const char* text) { return ParseTimestamp(text).ValueOrDie(); }

Cursor Millis() { return Cursor{"ts", 3, true, false}; }
Cursor Seconds() { return Cursor{"ts", 0, false, false}; }
Cursor Nanos() { return Cursor{"ts", 9, true, false}; }

TEST(Window, EndsABufferBeforeTheServersClock) {
  Window window = PlanWindow(std::nullopt, At("2024-08-09T12:00:00Z"), 300 * kMicrosPerSecond, std::nullopt, Millis());
  EXPECT_FALSE(window.from);
  EXPECT_EQ(FormatTimestamp(window.to), "2024-08-09T11:55:00.000000Z");
}

TEST(Window, EndIsRoundedDownToWhatTheCursorCanHold) {
  TimestampMicros now = At("2024-08-09T12:00:00.123789Z");
  EXPECT_EQ(FormatTimestamp(PlanWindow({}, now, 0, {}, Millis()).to), "2024-08-09T12:00:00.123000Z");
  EXPECT_EQ(FormatTimestamp(PlanWindow({}, now, 0, {}, Seconds()).to), "2024-08-09T12:00:00.000000Z");
  EXPECT_EQ(FormatTimestamp(PlanWindow({}, now, 0, {}, Nanos()).to), "2024-08-09T12:00:00.123789Z");
  // Before 1970 down is down, too.
  EXPECT_EQ(FormatTimestamp(PlanWindow({}, At("1969-12-31T23:59:59.5Z"), 0, {}, Seconds()).to),
            "1969-12-31T23:59:59.000000Z");
}

TEST(Window, UntilOnlyEverShortensIt) {
  TimestampMicros now = At("2024-08-09T12:00:00Z");
  EXPECT_EQ(PlanWindow({}, now, 0, At("2024-08-09T10:00:00Z"), Millis()).to, At("2024-08-09T10:00:00Z"));
  EXPECT_EQ(PlanWindow({}, now, 0, At("2030-01-01T00:00:00Z"), Millis()).to, now);
}

TEST(Window, IsEmptyWhereTheWatermarkIsAtItsEndOrBeyond) {
  TimestampMicros now = At("2024-08-09T12:00:00Z");
  EXPECT_TRUE(PlanWindow(now, now, 0, {}, Millis()).empty());
  EXPECT_TRUE(PlanWindow(now + 1, now, 0, {}, Millis()).empty());
  EXPECT_FALSE(PlanWindow(now - 1000, now, 0, {}, Millis()).empty());
  EXPECT_FALSE(PlanWindow(std::nullopt, now, 0, {}, Millis()).empty());
}

TEST(Window, PredicateExcludesItsStartAndIncludesItsEnd) {
  Window window{At("2024-08-09T11:00:00.5Z"), At("2024-08-09T12:00:00Z")};
  EXPECT_EQ(WindowPredicate(window, Millis()),
            "_t.`ts` > toDateTime64('2024-08-09 11:00:00.500', 3, 'UTC') AND "
            "_t.`ts` <= toDateTime64('2024-08-09 12:00:00.000', 3, 'UTC')");
  EXPECT_EQ(WindowPredicate(Window{std::nullopt, window.to}, Seconds()),
            "_t.`ts` <= toDateTime('2024-08-09 12:00:00', 'UTC')");
  EXPECT_EQ(CursorLiteral(window.to, Nanos()), "toDateTime64('2024-08-09 12:00:00.000000', 9, 'UTC')");
}

TEST(Cursor, IsADateTimeColumnUnderWhateverWrapping) {
  auto table = MakeSourceTable({{"a", "DateTime"}, {"b", "Nullable(DateTime64(6, 'Europe/Berlin'))"}, {"c", "Date"}});
  EXPECT_EQ(ResolveCursor(table, "a")->precision, 0);
  Cursor b = *ResolveCursor(table, "b");
  EXPECT_EQ(b.precision, 6);
  EXPECT_TRUE(b.nullable);
}

TEST(Cursor, ThatIsNoTimestampIsRefusedByName) {
  auto table = MakeSourceTable({{"ts", "DateTime"}, {"day", "Date"}});
  Status date = ResolveCursor(table, "day").status();
  EXPECT_EQ(KindOf(date), ErrorKind::kConfig);
  EXPECT_NE(MessageOf(date).find("column day of k2.trades is Date"), std::string::npos) << MessageOf(date);
  Status missing = ResolveCursor(table, "tss").status();
  EXPECT_EQ(KindOf(missing), ErrorKind::kNotFound);
  EXPECT_NE(RemedyOf(missing).find("ts"), std::string::npos);
}

}  // namespace
}  // namespace calve::offload
