#include "calve/journal/sqlite_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "calve/base/testing_temp_dir.h"
#include "calve/journal/testing_journal_conformance.h"
#include "calve/sqlite/sqlite_uri.h"

namespace calve::journal {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr TimestampMicros kSqliteNow = 1'723'161'600'000'000;

// A journal in a folder that is still to be made, removed at the end of the program.
fs::path NextPath() {
  static TempDir dir;
  static int count = 0;
  return fs::path(dir.path()) / std::to_string(count++) / "made" / "journal.db";
}
std::string UriOf(const fs::path& path) { return "sqlite:///" + path.string(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, JournalConformance,
                         ::testing::Values(JournalCase{"sqlite", [] { return UriOf(NextPath()); }}), JournalCaseName);

TEST(SqliteJournal, ADeletedFileIsMadeAnew) {
  for (const char* also : {"", "-wal", "-shm"}) {
    fs::path path = NextPath();
    auto journal = OpenJournal(UriOf(path)).ValueOrDie();
    ASSERT_TRUE(journal->StartRun(FullRun("r1", kSqliteNow)).ok());
    fs::remove(path);
    if (*also) fs::remove(path.string() + also);
    ASSERT_TRUE(journal->FinishRun(FullRun("r1", kSqliteNow)).ok());
    ASSERT_TRUE(fs::exists(path));
    EXPECT_EQ(OpenJournal(UriOf(path)).ValueOrDie()->LastRuns("", 10).ValueOrDie().size(), 1u);
    EXPECT_EQ(journal->LastRuns("", 10).ValueOrDie().size(), 1u);
  }
}

TEST(SqliteJournal, AFolderDeletedWithTheFileIsMadeAnew) {
  fs::path path = NextPath();
  auto journal = OpenJournal(UriOf(path)).ValueOrDie();
  ASSERT_TRUE(journal->WriteFailure("t", "x", kSqliteNow).ok());
  fs::remove_all(path.parent_path());
  EXPECT_FALSE(journal->ReadWatermark("t").ValueOrDie().has_value());
  ASSERT_TRUE(journal->WriteFailure("t", "x", kSqliteNow).ok());
  EXPECT_EQ(journal->ReadWatermark("t").ValueOrDie()->failure_count, 1);
}

// A process that still holds the deleted file must not disturb the one that made a new file.
TEST(SqliteJournal, ClosingADeletedJournalLeavesItsSuccessorAlone) {
  fs::path path = NextPath();
  auto old = OpenJournal(UriOf(path)).ValueOrDie();
  ASSERT_TRUE(old->StartRun(FullRun("old", kSqliteNow)).ok());
  fs::remove(path);
  auto successor = OpenJournal(UriOf(path)).ValueOrDie();
  ASSERT_TRUE(successor->StartRun(FullRun("new", kSqliteNow)).ok());
  old.reset();
  ASSERT_TRUE(successor->FinishRun(FullRun("new", kSqliteNow)).ok());
  successor.reset();
  auto runs = OpenJournal(UriOf(path)).ValueOrDie()->LastRuns("", 10).ValueOrDie();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].run_id, "new");
}

TEST(SqliteJournal, WatermarkRowsStandInSqlAsDashboardsReadThem) {
  fs::path path = NextPath();
  auto journal = OpenJournal(UriOf(path)).ValueOrDie();
  ASSERT_TRUE(
      journal->WriteWatermark({"trades", kSqliteNow + 1, 7, 5, "success", kSqliteNow + 2, 3, 0, ""}, kSqliteNow + 3)
          .ok());
  ASSERT_TRUE(journal->WriteFailure("trades", "oops", kSqliteNow + 4).ok());
  auto database = sqlite::Database::Open(path, 1000).ValueOrDie();
  auto select = database
                    .Prepare(
                        "SELECT table_name||'|'||last_offload_timestamp||'|'||last_offload_max_sequence||'|'||"
                        "last_offload_row_count||'|'||status||'|'||last_successful_run||'|'||last_run_duration_seconds"
                        "||'|'||failure_count||'|'||last_error_message||'|'||created_at||'|'||updated_at "
                        "FROM offload_watermarks")
                    .ValueOrDie();
  ASSERT_TRUE(select.Step().ValueOrDie());
  EXPECT_EQ(select.Text(0),
            "trades|2024-08-09T00:00:00.000001Z|7|5|failed|2024-08-09T00:00:00.000002Z|3|1|oops|"
            "2024-08-09T00:00:00.000003Z|2024-08-09T00:00:00.000004Z");
}

TEST(SqliteJournal, WhatIsNoJournalIsCorruptAndLeftAlone) {
  fs::path path = NextPath();
  fs::create_directories(path.parent_path());
  const std::string text(5000, 'x');
  std::ofstream(path) << text;
  Status status = OpenJournal(UriOf(path)).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt) << status.ToString();
  EXPECT_THAT(MessageOf(status), HasSubstr(path.string()));
  EXPECT_THAT(RemedyOf(status), HasSubstr("Delete it"));
  std::ifstream in(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text);
}

TEST(SqliteJournal, AnOddEntryIsCorruptNotACrash) {
  fs::path path = NextPath();
  auto journal = OpenJournal(UriOf(path)).ValueOrDie();
  ASSERT_TRUE(journal->WriteFailure("t", "x", kSqliteNow).ok());
  auto database = sqlite::Database::Open(path, 1000).ValueOrDie();
  ASSERT_TRUE(database.Execute("UPDATE offload_watermarks SET last_offload_timestamp = 'yesterday'").ok());
  EXPECT_EQ(KindOf(journal->ReadWatermark("t").status()), ErrorKind::kCorrupt);
}

TEST(SqliteJournal, AJournalOfANewerCalveIsRefused) {
  fs::path path = NextPath();
  OpenJournal(UriOf(path)).ValueOrDie();
  ASSERT_TRUE(
      sqlite::Database::Open(path, 1000).ValueOrDie().Execute("UPDATE calve_schema_version SET version = 99").ok());
  Status status = OpenJournal(UriOf(path)).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(status), HasSubstr("99"));
}

TEST(SqliteJournal, AnOlderSchemaGetsWhatItLacks) {
  fs::path path = NextPath();
  auto old = OpenJournal(UriOf(path)).ValueOrDie();
  ASSERT_TRUE(old->WriteFailure("trades", "kept", kSqliteNow).ok());
  {
    auto raw = sqlite::Database::Open(path, 1'000).ValueOrDie();
    ASSERT_TRUE(raw.Execute("DROP TABLE calve_leases").ok());
    ASSERT_TRUE(raw.Execute("UPDATE calve_schema_version SET version = 1").ok());
  }
  auto journal = OpenJournal(UriOf(path)).ValueOrDie();
  EXPECT_TRUE(journal->AcquireLease({"t", "a", "h", 1, 2, kSqliteNow, kSqliteNow + 1}).ok());
  EXPECT_EQ(journal->ReadWatermark("trades").ValueOrDie()->last_error_message, "kept");
}

TEST(SqliteJournal, AWriterThatHoldsTheLockMakesOthersRetry) {
  fs::path path = NextPath();
  auto journal = OpenJournal(UriOf(path)).ValueOrDie();
  auto other = sqlite::Database::Open(path, 0).ValueOrDie();
  auto held = sqlite::Transaction::Begin(other).ValueOrDie();
  EXPECT_TRUE(journal->LastRuns("", 1).ok());  // readers go on
  EXPECT_EQ(KindOf(sqlite::Transaction::Begin(other).status()), ErrorKind::kFailed);
  auto third = sqlite::Database::Open(path, 0).ValueOrDie();
  EXPECT_EQ(KindOf(sqlite::Transaction::Begin(third).status()), ErrorKind::kRetry);
}

TEST(SqliteJournal, OpeningIsQuick) {
  fs::path path = NextPath();
  OpenJournal(UriOf(path)).ValueOrDie();
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(OpenJournal(UriOf(path)).ValueOrDie()->WriteFailure("t", "x", kSqliteNow).ok());
  double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count() / 10;
  RecordProperty("open_and_write_us", static_cast<int>(ms * 1000));
  EXPECT_LT(ms, 50) << "it syncs where it need not";  // far above the usual millisecond: the machine may be busy
}

TEST(OpenJournal, NamesWhatItKnows) {
  Status unknown = OpenJournal("mysql://calve:secret@db/x").status();
  EXPECT_EQ(KindOf(unknown), ErrorKind::kConfig);
  EXPECT_THAT(unknown.ToString(), ::testing::Not(HasSubstr("secret")));
  for (const char* uri : {"", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a.db?timeout=1"}) {
    EXPECT_EQ(KindOf(OpenJournal(uri).status()), ErrorKind::kConfig) << uri;
  }
  EXPECT_EQ(sqlite::PathFromUri("sqlite:///a/b.db").ValueOrDie(), "a/b.db");
  EXPECT_EQ(sqlite::PathFromUri("sqlite:////a/b.db").ValueOrDie(), "/a/b.db");
}

}  // namespace
}  // namespace calve::journal
