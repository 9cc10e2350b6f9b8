// What becomes of a journal whose server goes away, in all the ways in which servers do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "calve/journal/postgres_journal.h"
#include "calve/journal/testing_journal_conformance.h"
#include "calve/postgres/testing_postgres_server.h"

namespace calve::journal {
namespace {

using postgres::PostgresServer;
using ::testing::HasSubstr;

constexpr TimestampMicros kNow = 1'723'161'600'000'001;
const WatermarkRow kRow{"trades", kNow, 7, 5, "success", kNow + 1, 3, 0, ""};

class PostgresJournalFault : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = PostgresServer::Get();
    if (!server_) GTEST_SKIP() << "there is no PostgreSQL on this machine";
    uri_ = server_->NextUri();
    options_.uri = uri_ + "&application_name=" + Name();
  }
  static std::string Name() { return ::testing::UnitTest::GetInstance()->current_test_info()->name(); }
  std::unique_ptr<Journal> Open() { return PostgresJournal::Open(options_, false).ValueOrDie(); }
  std::string Sql(const std::string& sql) const { return PostgresServer::ExecuteAt(uri_, sql); }
  // The process that serves the journal.
  std::string Session() const {
    return server_->Execute("SELECT pid FROM pg_stat_activity WHERE application_name = left('" + Name() + "', 63)");
  }

  PostgresServer* server_ = nullptr;
  std::string uri_;
  postgres::ConnectOptions options_;
};

// Every call, each on a connection that is gone; each counts once.
TEST_F(PostgresJournalFault, ALostConnectionIsMadeAnew) {
  auto journal = Open();
  auto cut = [&] { server_->Execute("SELECT pg_terminate_backend(" + Session() + ", 5000)"); };
  for (int i = 0; i < 2; ++i) {
    cut();
    EXPECT_TRUE(journal->StartRun(FullRun("r" + std::to_string(i), kNow + i)).ok());
    cut();
    EXPECT_TRUE(journal->FinishRun(FullRun("r" + std::to_string(i), kNow + i)).ok());
    cut();
    EXPECT_EQ(journal->LastRuns("", 10).ValueOrDie().size(), i + 1u);
    cut();
    EXPECT_TRUE(journal->WriteFailure("trades", "x", kNow).ok());
    cut();
    EXPECT_TRUE(journal->WriteStatus("trades", "running", kNow).ok());
    cut();
    EXPECT_EQ(journal->ReadWatermark("trades").ValueOrDie()->failure_count, i + 1);
    cut();
    EXPECT_EQ(journal->AcquireLease({"t", "a", "h", 1, 2, 0, 60'000'000}).ValueOrDie().holder, "a");
    cut();
    EXPECT_TRUE(journal->RenewLease("t", "a", 0, 60'000'000).ValueOrDie());
    cut();
    EXPECT_TRUE(journal->ReleaseLease("t", "a").ok());
    cut();
    EXPECT_TRUE(journal->WritePartsSeen("t", "s", "p", kNow).ok());
    cut();
    EXPECT_EQ(journal->ReadPartsSeen("t", "s").ValueOrDie(), "p");
  }
}

TEST_F(PostgresJournalFault, ARestartBetweenCallsIsNotNoticed) {
  auto journal = Open();
  for (int signal : {SIGINT, SIGTERM, SIGQUIT, SIGKILL}) {
    ASSERT_TRUE(journal->WriteWatermark(kRow, kNow).ok());
    // SIGTERM waits until the clients have gone by themselves.
    if (signal == SIGTERM) journal = nullptr;
    server_->Stop(signal);
    server_->Start();
    if (signal == SIGTERM) journal = Open();
    Status status = journal->WriteFailure("trades", "x", kNow);
    EXPECT_TRUE(status.ok()) << signal << ": " << status.ToString();
    EXPECT_EQ(journal->ReadWatermark("trades").ValueOrDie()->failure_count, 1);
  }
}

TEST_F(PostgresJournalFault, AServerThatIsDownIsToldAtOnceAndTriedAgain) {
  auto journal = Open();
  server_->Stop();
  auto began = std::chrono::steady_clock::now();
  Status status = journal->WriteWatermark(kRow, kNow);
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << status.ToString();
  EXPECT_THAT(MessageOf(status), HasSubstr("postgresql://"));
  EXPECT_EQ(KindOf(OpenJournal(uri_).status()), ErrorKind::kRetry);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  server_->Start();
  EXPECT_TRUE(journal->WriteWatermark(kRow, kNow).ok());
}

TEST_F(PostgresJournalFault, KilledInTheMiddleNothingHangsAndNothingIsCountedTwice) {
  auto journal = Open();
  std::atomic<bool> stop = false;
  std::atomic<int> certain = 0, unknown = 0;
  std::thread writer([&] {
    while (!stop) {
      Status status = journal->WriteFailure("trades", "x", kNow);
      if (status.ok()) ++certain;
      if (KindOf(status) == ErrorKind::kUnknownOutcome) ++unknown;
      if (!status.ok()) {
        EXPECT_THAT(KindOf(status), ::testing::AnyOf(ErrorKind::kRetry, ErrorKind::kUnknownOutcome))
            << status.ToString();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  });
  // A server that is stopped in order loses no commit, unlike one that is killed.
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    server_->Stop(SIGINT);
    server_->Start();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  stop = true;
  writer.join();
  int counted = Open()->ReadWatermark("trades").ValueOrDie()->failure_count;
  EXPECT_GT(certain, 0);
  EXPECT_GE(counted, certain);
  EXPECT_LE(counted, certain + unknown);
  for (int i = 0; i < 2; ++i) {
    stop = false;
    std::thread watermarks([&] {
      while (!stop) static_cast<void>(journal->WriteWatermark(kRow, kNow));
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    server_->Stop(SIGKILL);
    server_->Start();
    stop = true;
    watermarks.join();
    EXPECT_TRUE(journal->WriteWatermark(kRow, kNow).ok());
  }
}

// The connection ends while the server commits: nobody can tell whether it did.
TEST_F(PostgresJournalFault, ACommitWithoutAnAnswerIsRepeatedOnlyWhereThatIsHarmless) {
  auto journal = Open();
  ASSERT_TRUE(journal->WriteWatermark(kRow, kNow).ok());
  // Once for each value of the sequence that is set; a sequence keeps its value though the transaction is undone.
  Sql("CREATE SEQUENCE cuts");
  Sql("CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('cuts') = 1 THEN "
      "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); END IF; RETURN NULL; END $$");
  Sql("CREATE CONSTRAINT TRIGGER cut AFTER UPDATE ON offload_watermarks DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
      "EXECUTE FUNCTION cut()");
  WatermarkRow next = kRow;
  next.last_offload_row_count = 6;
  Status status = journal->WriteWatermark(next, kNow);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(journal->ReadWatermark("trades").ValueOrDie()->last_offload_row_count, 6);
  Sql("SELECT setval('cuts', 1, false)");
  EXPECT_EQ(KindOf(journal->WriteFailure("trades", "x", kNow)), ErrorKind::kUnknownOutcome);
  EXPECT_TRUE(journal->WriteFailure("trades", "x", kNow).ok());
}

// Its machine hangs: connections stay open, and nothing comes.
TEST_F(PostgresJournalFault, AServerThatGivesNoAnswerIsAskedOnce) {
  options_.answer_timeout_ms = 300;
  auto journal = Open();
  ASSERT_TRUE(journal->WriteWatermark(kRow, kNow).ok());
  const std::string session = Session();
  PostgresServer::SignalSession(session, SIGSTOP);
  auto began = std::chrono::steady_clock::now();
  Status status = journal->WriteWatermark(kRow, kNow);
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << status.ToString();
  EXPECT_THAT(MessageOf(status), HasSubstr("no answer within 300 ms"));
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(300));
  began = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(KindOf(journal->WriteFailure("trades", "x", kNow)), ErrorKind::kRetry);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(300));
  PostgresServer::SignalSession(session, SIGCONT);
  EXPECT_TRUE(Open()->WriteWatermark(kRow, kNow).ok());
}

TEST_F(PostgresJournalFault, ALockThatAnotherSessionHoldsIsWaitedForWithinLimits) {
  options_.answer_timeout_ms = 3000;
  auto journal = Open();
  ASSERT_TRUE(journal->WriteWatermark(kRow, kNow).ok());
  postgres::ConnectOptions other;
  other.uri = uri_;
  auto holder = postgres::Connection::Open(other).ValueOrDie();
  ASSERT_TRUE(holder.Execute("BEGIN; LOCK TABLE offload_watermarks IN ACCESS EXCLUSIVE MODE").ok());
  auto began = std::chrono::steady_clock::now();
  Status status = journal->WriteWatermark(kRow, kNow);
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << status.ToString();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(2900)) << "the server gives up first";
  ASSERT_TRUE(holder.Execute("COMMIT").ok());
  EXPECT_TRUE(journal->WriteWatermark(kRow, kNow).ok()) << "the session goes on";
}

}  // namespace
}  // namespace calve::journal
