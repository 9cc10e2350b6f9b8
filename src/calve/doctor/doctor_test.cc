// Against answers written down; tests/interop/test_doctor.py asks real engines.
#include "calve/doctor/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/catalog/catalog.h"
#include "calve/source/testing_fake_source.h"
#include "calve/storage/local_file_io.h"

namespace calve::doctor {
namespace {

using source::TestingFakeSource;
using ::testing::HasSubstr;
using Rows = TestingFakeSource::Rows;

constexpr TimestampMicros kNow = 1'723'162'558'342'001;

class FixedClock : public Clock {
 public:
  explicit FixedClock(TimestampMicros now) : now_(now) {}
  TimestampMicros Now() const override { return now_; }

 private:
  TimestampMicros now_;
};

ServerFindings Check(const std::string& version, TimestampMicros here, const config::LimitsConfig& limits = {},
                     const std::string& running = "") {
  TestingFakeSource source([&](const std::string& sql) -> Result<Rows> {
    if (sql.find("version()") != std::string::npos) {
      return Rows{{version, "11111111-2222-4333-8444-555555555555", std::to_string(kNow)}};
    }
    if (running.empty()) return MakeError(ErrorKind::kConfig, "not enough privileges");
    return Rows{{running}};
  });
  return CheckServer(source, limits, FixedClock(here));
}

TEST(Doctor, AServerAndItsClock) {
  const ServerFindings good = Check("26.5.1.1", kNow + 30 * kMicrosPerSecond);
  ASSERT_EQ(good.findings.size(), 2u);
  EXPECT_EQ(good.now, kNow);
  EXPECT_EQ(good.findings[0].level, Level::kOk);
  EXPECT_EQ(good.findings[1].level, Level::kOk);
  EXPECT_THAT(good.findings[1].message, HasSubstr("30.0 s behind this machine's"));
  const ServerFindings ahead = Check("26.5.1.1", kNow - 31 * kMicrosPerSecond);
  EXPECT_EQ(ahead.findings[1].level, Level::kWarning);
  EXPECT_THAT(ahead.findings[1].message, HasSubstr("31.0 s ahead of this machine's"));
  EXPECT_THAT(ahead.findings[1].remedy, HasSubstr("time server"));
}

TEST(Doctor, AnOldServerIsAWarning) {
  EXPECT_EQ(Check("18.16.1", kNow).findings[0].level, Level::kOk);
  EXPECT_EQ(Check("18.14.9", kNow).findings[0].level, Level::kWarning);
}

TEST(Doctor, HowBusyItIsMattersOnlyWhereCyclesWaitForIt) {
  config::LimitsConfig limits;
  EXPECT_EQ(Check("26.5.1.1", kNow, limits).findings.size(), 2u);
  limits.pause_when.running_queries = 5;
  const ServerFindings refused = Check("26.5.1.1", kNow, limits);
  ASSERT_EQ(refused.findings.size(), 3u);
  EXPECT_EQ(refused.findings[2].level, Level::kWarning);
  EXPECT_THAT(refused.findings[2].remedy, HasSubstr("Grant SELECT on system.processes"));
  EXPECT_EQ(Check("26.5.1.1", kNow, limits, "5").findings.size(), 2u);
  EXPECT_THAT(Check("26.5.1.1", kNow, limits, "6").findings.at(2).message, HasSubstr("would wait now: 6 queries"));
}

TEST(Doctor, AServerThatDoesNotAnswerIsAnError) {
  TestingFakeSource source([](const std::string&) -> Result<Rows> {
    return MakeError(ErrorKind::kRetry, "connection refused", "Start it.");
  });
  const ServerFindings found = CheckServer(source, {}, FixedClock(kNow));
  ASSERT_EQ(found.findings.size(), 1u);
  EXPECT_EQ(found.findings[0].level, Level::kError);
  EXPECT_EQ(found.findings[0].remedy, "Start it.");
  EXPECT_FALSE(found.now);
}

TEST(Doctor, ASchedule) {
  int64_t gap = 0;
  config::ScheduleConfig schedule;
  EXPECT_THAT(CheckSchedule(schedule, kNow, gap).message, HasSubstr("every 15m; `calve serve` begins the next cycle"));
  EXPECT_EQ(gap, 15 * config::kMicrosPerMinute);
  schedule.cron = "0 3 * * *";
  EXPECT_EQ(CheckSchedule(schedule, kNow, gap).level, Level::kOk);
  EXPECT_EQ(gap, kMicrosPerDay);
}

TEST(Doctor, WithoutAJournalCyclesGoOn) {
  EXPECT_EQ(CheckJournal(nullptr, Status::OK()).level, Level::kOk);
  const Finding gone = CheckJournal(nullptr, MakeError(ErrorKind::kRetry, "gone", "Wait."));
  EXPECT_EQ(gone.level, Level::kWarning);
  EXPECT_EQ(gone.remedy, "Wait.");
}

TEST(Doctor, ACommitOfAllTablesAtOnce) {
  storage::LocalFileIO file_io;
  const FixedClock clock(kNow);
  const auto catalog = catalog::OpenCatalog({"hadoop", "file:///nonexistent", ""}, file_io, clock).ValueOrDie();
  EXPECT_FALSE(CheckCommit(*catalog, config::CommitUnit::kEachTable));
  const auto finding = CheckCommit(*catalog, config::CommitUnit::kCycle);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->level, Level::kError);
  EXPECT_THAT(finding->remedy, HasSubstr("each-table"));
}

TEST(Doctor, ADatabaseThatIsBelievedWithoutACertificate) {
  const auto finding = CheckDatabaseUri("catalog", "postgresql://calve@db.example/lake");
  ASSERT_TRUE(finding.has_value());
  EXPECT_EQ(finding->level, Level::kWarning);
  EXPECT_NE(finding->message.find("db.example"), std::string::npos);
  EXPECT_NE(finding->remedy.find("sslmode=verify-full"), std::string::npos);
  for (const char* fine :
       {"postgresql://calve@db.example/lake?sslmode=verify-full", "postgresql:///lake", "hadoop", ""}) {
    EXPECT_FALSE(CheckDatabaseUri("catalog", fine).has_value()) << fine;
  }
}

}  // namespace
}  // namespace calve::doctor
