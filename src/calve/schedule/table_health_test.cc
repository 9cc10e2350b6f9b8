#include "calve/schedule/table_health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/schedule/testing_time.h"

namespace calve::schedule {
namespace {

using testing::HasSubstr;

constexpr int64_t kHealthSecond = kMicrosPerSecond, kHealthMinute = 60 * kHealthSecond;
constexpr double kLongest = 0.9999999999;

const TimestampMicros kNow = At("2026-11-24T03:00:00Z");

Status Transient() { return MakeError(ErrorKind::kRetry, "no connection"); }
Status Lasting() { return MakeError(ErrorKind::kConfig, "no column ts"); }

int64_t WaitSeconds(const TableHealth& health, TimestampMicros now) {
  return (health.RetryAt().value() - now + kHealthSecond / 2) / kHealthSecond;
}

TEST(TableHealth, HealthyIsAlwaysDue) {
  TableHealth health;
  EXPECT_TRUE(health.DueAt(0));
  EXPECT_TRUE(health.DueAt(kNow));
  EXPECT_EQ(health.RetryAt(), std::nullopt);
  EXPECT_EQ(health.Describe(), "");
}

TEST(TableHealth, TransientFailuresAreTriedAgainSoonThenPutAside) {
  TableHealth health;
  TimestampMicros now = kNow;
  std::vector<int64_t> waits;
  for (int i = 0; i < 8; ++i) {
    health.OnFailure(now, Transient(), kLongest);
    waits.push_back(WaitSeconds(health, now));
    EXPECT_EQ(health.put_aside(), i >= 4) << i;
    EXPECT_FALSE(health.DueAt(now));
    EXPECT_FALSE(health.DueAt(*health.RetryAt() - 1));
    EXPECT_TRUE(health.DueAt(*health.RetryAt()));
    now = *health.RetryAt();
  }
  EXPECT_EQ(waits, (std::vector<int64_t>{15, 30, 60, 120, 600, 900, 900, 900}))
      << "a server that comes back is used soon";
}

TEST(TableHealth, LastingFailuresWaitForTheCycleThenGrowTo4Hours) {
  TableHealth health;
  for (int i = 0; i < 4; ++i) {
    health.OnFailure(kNow, Lasting(), kLongest);
    EXPECT_TRUE(health.DueAt(kNow)) << "with the next cycle";
    EXPECT_EQ(health.RetryAt(), std::nullopt) << "but none for it alone";
  }
  EXPECT_EQ(health.Describe(), "to be tried again with the next cycle after 4 failures in a row: no column ts");
  std::vector<int64_t> minutes;
  for (int i = 0; i < 8; ++i) {
    health.OnFailure(kNow, Lasting(), kLongest);
    minutes.push_back(WaitSeconds(health, kNow) / 60);
  }
  EXPECT_EQ(minutes, (std::vector<int64_t>{10, 20, 40, 80, 160, 240, 240, 240}));
}

TEST(TableHealth, JitterIsUpToHalfOfTheWait) {
  TableHealth least, most;
  for (int i = 0; i < 7; ++i) {
    least.OnFailure(kNow, Transient(), 0.0);
    most.OnFailure(kNow, Transient(), kLongest);
    EXPECT_NEAR(static_cast<double>(*most.RetryAt() - kNow), 2.0 * static_cast<double>(*least.RetryAt() - kNow), 3000);
  }
}

TEST(TableHealth, SuccessForgets) {
  TableHealth health(HealthPolicy{.retry = {.attempts_max = 2, .wait_min_ms = 1000, .wait_max_ms = 1000}});
  health.OnFailure(kNow, Transient(), 0);
  health.OnFailure(kNow, Transient(), 0);
  EXPECT_TRUE(health.put_aside());
  health.OnSuccess();
  EXPECT_FALSE(health.put_aside());
  EXPECT_TRUE(health.DueAt(kNow));
  EXPECT_EQ(health.RetryAt(), std::nullopt);
  EXPECT_EQ(health.Describe(), "");
  health.OnFailure(kNow, Transient(), kLongest);
  EXPECT_EQ(WaitSeconds(health, kNow), 1) << "counted from one again, by its own policy";
}

TEST(TableHealth, AStopIsNoFailure) {
  TableHealth health;
  health.OnFailure(kNow, MakeError(ErrorKind::kStopped, "stopped"), 0);
  EXPECT_EQ(health.failures(), 0);
  EXPECT_TRUE(health.DueAt(kNow));
}

TEST(TableHealth, AClockThatIsSetBackHoldsNobody) {
  TableHealth health;
  for (int i = 0; i < 20; ++i) health.OnFailure(kNow, Lasting(), kLongest);
  EXPECT_FALSE(health.DueAt(kNow + kHealthMinute));
  EXPECT_TRUE(health.DueAt(kNow - kMicrosPerDay));
}

TEST(TableHealth, DescribesForPeople) {
  TableHealth health;
  health.OnFailure(kNow, Transient(), 0.0);
  EXPECT_EQ(health.Describe(), "to be tried again at 2026-11-24T03:00:07Z after a failure: no connection");
  for (int i = 0; i < 4; ++i) health.OnFailure(kNow, Lasting(), kLongest);
  EXPECT_THAT(health.Describe(),
              HasSubstr("put aside until 2026-11-24T03:09:59Z after 5 failures in a row: no column ts"));
}

TEST(TableHealth, ManyFailuresDoNotOverflow) {
  TableHealth health;
  for (int i = 0; i < 100'000; ++i) health.OnFailure(kNow, Lasting(), kLongest);
  EXPECT_EQ(WaitSeconds(health, kNow), 4 * 3600);
}

}  // namespace
}  // namespace calve::schedule
