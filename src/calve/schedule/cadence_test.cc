#include "calve/schedule/cadence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "calve/schedule/testing_time.h"

namespace calve::schedule {
namespace {

using testing::HasSubstr;

constexpr int64_t kMinute = 60 * kMicrosPerSecond;

// The due times after `from`, as text to the minute: "03-30T01:00".
std::vector<std::string> Times(const Cadence& cadence, const char* from, int count) {
  std::vector<std::string> times;
  TimestampMicros t = At(from);
  for (int i = 0; i < count; ++i) {
    t = cadence.NextAfter(t);
    EXPECT_EQ(t % kMinute, 0);
    times.push_back(FormatTimestamp(t).substr(5, 11));
  }
  return times;
}

std::vector<std::string> CronTimes(const char* expression, const char* zone, const char* from, int count) {
  return Times(Cadence::Cron(expression, zone).ValueOrDie(), from, count);
}

using Texts = std::vector<std::string>;

TEST(Cadence, IntervalsAreAlignedToTheEpoch) {
  Cadence every = Cadence::Every(15 * kMinute).ValueOrDie();
  EXPECT_EQ(Times(every, "2026-11-24T10:07:31Z", 3), (Texts{"11-24T10:15", "11-24T10:30", "11-24T10:45"}));
  EXPECT_EQ(every.NextAfter(At("2026-11-24T10:15:00Z")), At("2026-11-24T10:30:00Z")) << "after, not at";
  EXPECT_EQ(every.NextAfter(At("2026-11-24T10:15:00Z") - 1), At("2026-11-24T10:15:00Z"));
  EXPECT_EQ(every.NextAfter(-1), 0);
  EXPECT_EQ(every.NextAfter(-15 * kMinute), 0);
  EXPECT_EQ(every.NextAfter(-15 * kMinute - 1), -15 * kMinute);
  EXPECT_EQ(Times(Cadence::Every(7 * kMicrosPerDay).ValueOrDie(), "2026-11-24", 1),
            (Texts{"11-26T00:00"}));  // Thursday
}

TEST(Cadence, IntervalsWithAnOffset) {
  Cadence every = Cadence::Every(15 * kMinute, 2 * kMinute).ValueOrDie();
  EXPECT_EQ(Times(every, "2026-11-24T10:02:00Z", 2), (Texts{"11-24T10:17", "11-24T10:32"}));
  EXPECT_EQ(Times(every, "2026-11-24T10:01:59Z", 1), (Texts{"11-24T10:02"}));
  EXPECT_EQ(every.ToString(), "every 15m, 2m later");
  EXPECT_EQ(Cadence::Every(15 * kMinute)->ToString(), "every 15m");
}

TEST(Cadence, IntervalsThatAreNone) {
  for (int64_t every : {int64_t{0}, kMicrosPerSecond - 1, 367 * kMicrosPerDay}) {
    Status status = Cadence::Every(every).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << every;
    EXPECT_THAT(RemedyOf(status), HasSubstr("1s to 366d"));
  }
  EXPECT_THAT(MessageOf(Cadence::Every(kMinute, kMinute).status()), HasSubstr("offset: 1m"));
  EXPECT_FALSE(Cadence::Every(kMinute, -1).ok());
}

TEST(Cadence, CronInAZone) {
  EXPECT_EQ(CronTimes("0 3 * * *", "UTC", "2026-11-24T03:00:00Z", 1), (Texts{"11-25T03:00"}));
  EXPECT_EQ(CronTimes("0 3 * * *", "Europe/Berlin", "2026-11-24T03:00:00Z", 1), (Texts{"11-25T02:00"}));
  EXPECT_EQ(CronTimes("0 3 * * *", "Asia/Kathmandu", "2026-11-24T03:00:00Z", 1), (Texts{"11-24T21:15"}));
  EXPECT_EQ(CronTimes("0 0 29 2 *", "America/New_York", "2025-01-01", 1), (Texts{"02-29T05:00"}));
  EXPECT_EQ(Cadence::Cron("@daily", "Europe/Berlin")->ToString(), "cron '@daily' in Europe/Berlin");
  Cadence daily = Cadence::Cron("0 3 * * *").ValueOrDie();
  EXPECT_EQ(daily.NextAfter(At("2026-11-24T03:00:00Z") - 1), At("2026-11-24T03:00:00Z"));
}

TEST(Cadence, UnknownZones) {
  for (const char* zone : {"", "Mars/Olympus", "/etc/localtime", "../zoneinfo/UTC", "file:/etc/localtime"}) {
    Status status = Cadence::Cron("@daily", zone).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << zone;
    EXPECT_THAT(RemedyOf(status), HasSubstr("tzdata"));
  }
}

// Berlin's clock goes from 02:00 to 03:00 at 2025-03-30T01:00Z and from 03:00 to 02:00 at 2025-10-26T01:00Z.
TEST(Cadence, TimesThatAShiftLeavesOutComeAtTheShift) {
  EXPECT_EQ(CronTimes("30 2 * * *", "Europe/Berlin", "2025-03-28T12:00:00Z", 3),
            (Texts{"03-29T01:30", "03-30T01:00", "03-31T00:30"}));
  EXPECT_EQ(CronTimes("0,15,30,45 2 * * *", "Europe/Berlin", "2025-03-30T00:30:00Z", 2),
            (Texts{"03-30T01:00", "03-31T00:00"}))
      << "four that are left out come as one";
  EXPECT_EQ(CronTimes("30 2,3 * * *", "Europe/Berlin", "2025-03-30T00:30:00Z", 2),
            (Texts{"03-30T01:00", "03-30T01:30"}));
  EXPECT_EQ(CronTimes("30 2 * * *", "America/New_York", "2025-03-09T00:00:00Z", 2),
            (Texts{"03-09T07:00", "03-10T06:30"}));
  // Lord Howe Island: 02:00 to 02:30 at 2025-10-04T15:30Z.
  EXPECT_EQ(CronTimes("15 2 * * *", "Australia/Lord_Howe", "2025-10-04T00:00:00Z", 2),
            (Texts{"10-04T15:30", "10-05T15:15"}));
}

TEST(Cadence, TimesThatAreThereTwiceComeTheFirstTime) {
  EXPECT_EQ(CronTimes("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00:00Z", 2), (Texts{"10-26T00:30", "10-27T01:30"}));
  EXPECT_EQ(CronTimes("0 2,3 * * *", "Europe/Berlin", "2025-10-25T12:00:00Z", 3),
            (Texts{"10-26T00:00", "10-26T02:00", "10-27T01:00"}));
  EXPECT_EQ(CronTimes("30 1 * * *", "America/New_York", "2025-11-01T12:00:00Z", 2),
            (Texts{"11-02T05:30", "11-03T06:30"}));
  // 02:00 to 01:30 at 2025-04-05T15:00Z.
  EXPECT_EQ(CronTimes("45 1 * * *", "Australia/Lord_Howe", "2025-04-05T00:00:00Z", 2),
            (Texts{"04-05T14:45", "04-06T15:15"}));
}

TEST(Cadence, IntervalsGoOnThroughShifts) {
  EXPECT_EQ(CronTimes("*/30 * * * *", "Europe/Berlin", "2025-10-26T00:00:00Z", 4),
            (Texts{"10-26T00:30", "10-26T01:00", "10-26T01:30", "10-26T02:00"}));
  EXPECT_EQ(CronTimes("*/30 * * * *", "Europe/Berlin", "2025-03-30T00:30:00Z", 2),
            (Texts{"03-30T01:00", "03-30T01:30"}));
  EXPECT_EQ(CronTimes("30 * * * *", "Europe/Berlin", "2025-03-30T00:00:00Z", 2), (Texts{"03-30T00:30", "03-30T01:30"}));
  // Half past by a wall clock that stands half an hour otherwise from then on.
  EXPECT_EQ(CronTimes("30 * * * *", "Australia/Lord_Howe", "2025-10-04T14:15:00Z", 3),
            (Texts{"10-04T15:00", "10-04T15:30", "10-04T16:30"}));
}

const char* const kExpressions[] = {"*/15 * * * *", "30 2 * * *",   "15,45 1-3 * * *", "*/7 2 * * SUN",
                                    "0 */5 29 2 *", "59 23 31 * *", "0 0 1,13 * FRI",  "20 0-23 */10 */2 *"};

// What the header says, minute by minute, with nothing but what a clock on the wall shows: of each expression the
// times.
std::vector<std::vector<TimestampMicros>> WalkMinutes(const std::vector<CronExpression>& crons, const char* zone_name,
                                                      TimestampMicros from, TimestampMicros to) {
  cctz::time_zone zone;
  EXPECT_TRUE(cctz::load_time_zone(zone_name, &zone));
  auto local_of = [&](TimestampMicros t) {
    return cctz::civil_minute(zone.lookup(cctz::time_point<cctz::seconds>(cctz::seconds(t / kMicrosPerSecond))).cs);
  };
  std::vector<std::vector<TimestampMicros>> due(crons.size());
  cctz::civil_minute highest = local_of(from);
  for (TimestampMicros t = from + kMinute; t <= to; t += kMinute) {
    cctz::civil_minute local = local_of(t);
    for (size_t i = 0; i < crons.size(); ++i) {
      bool matches = crons[i].is_interval() && crons[i].Matches(local);
      // A time of day once: when the clock first shows it or a later one.
      for (auto minute = highest; minute < local && !matches && !crons[i].is_interval();) {
        matches = crons[i].Matches(++minute);
      }
      if (matches) due[i].push_back(t);
    }
    highest = std::max(highest, local);
  }
  return due;
}

void ExpectTimes(const Cadence& cadence, const std::vector<TimestampMicros>& walked, TimestampMicros from,
                 TimestampMicros to) {
  TimestampMicros t = from;
  for (TimestampMicros expected : walked) {
    TimestampMicros next = cadence.NextAfter(t);
    ASSERT_EQ(FormatTimestamp(next), FormatTimestamp(expected)) << "after " << FormatTimestamp(t);
    t = next;
  }
  EXPECT_GT(cadence.NextAfter(t), to) << "one too many";
  std::mt19937_64 random(7);
  for (int i = 0; i < 200; ++i) {
    TimestampMicros any = from + static_cast<int64_t>(random() % static_cast<uint64_t>(walked.back() - from));
    EXPECT_EQ(cadence.NextAfter(any), *std::upper_bound(walked.begin(), walked.end(), any));
  }
}

TEST(Cadence, AgreesWithAWalkOverTwoYears) {
  const TimestampMicros from = At("2024-01-15"), to = At("2026-01-15");
  for (const char* zone : {"Europe/Berlin", "Australia/Lord_Howe", "America/New_York"}) {
    std::vector<CronExpression> crons;
    for (const char* text : kExpressions) crons.push_back(CronExpression::Parse(text).ValueOrDie());
    std::vector<std::vector<TimestampMicros>> walked = WalkMinutes(crons, zone, from, to);
    for (size_t i = 0; i < crons.size(); ++i) {
      SCOPED_TRACE(crons[i].text() + " in " + zone);
      ASSERT_FALSE(walked[i].empty());
      ExpectTimes(Cadence::Cron(crons[i].text(), zone).ValueOrDie(), walked[i], from, to);
    }
  }
}

}  // namespace
}  // namespace calve::schedule
