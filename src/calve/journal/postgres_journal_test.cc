#include "calve/journal/postgres_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "calve/journal/testing_journal_conformance.h"
#include "calve/postgres/testing_postgres_server.h"

namespace calve::journal {
namespace {

using postgres::PostgresServer;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr TimestampMicros kPostgresNow = 1'723'161'600'000'001;

std::string NextUri() {
  PostgresServer* server = PostgresServer::Get();
  return server ? server->NextUri() : "";
}

INSTANTIATE_TEST_SUITE_P(Postgres, JournalConformance,
                         ::testing::Values(JournalCase{"postgres", NextUri, /*server_clock=*/true}), JournalCaseName);

class PostgresJournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = PostgresServer::Get();
    if (!server_) GTEST_SKIP() << "there is no PostgreSQL on this machine";
    uri_ = server_->NextUri();
  }
  std::string Sql(const std::string& sql) const { return PostgresServer::ExecuteAt(uri_, sql); }
  std::string Schema() const { return uri_.substr(uri_.rfind("%3D") + 3); }
  // The URI of a new user without any right.
  std::string NewUser(const std::string& name) const {
    server_->Execute("DROP ROLE IF EXISTS " + name);
    server_->Execute("CREATE ROLE " + name + " LOGIN");
    return server_->Uri(name, Schema());
  }

  PostgresServer* server_ = nullptr;
  std::string uri_;
};

constexpr const char* kWholeRow =
    "SELECT concat_ws('|', table_name, last_offload_timestamp, last_offload_max_sequence, last_offload_row_count, "
    "status, last_successful_run, last_run_duration_seconds, failure_count, last_error_message, created_at, updated_at)"
    " FROM offload_watermarks";
const WatermarkRow kPostgresRow{"trades", kPostgresNow, 7, 5, "success", kPostgresNow + 1, 3, 0, ""};

TEST_F(PostgresJournalTest, WatermarkRowsStandInSqlAsDashboardsReadThem) {
  auto journal = OpenJournal(uri_).ValueOrDie();
  ASSERT_TRUE(journal->WriteWatermark(kPostgresRow, kPostgresNow + 2).ok());
  ASSERT_TRUE(journal->WriteFailure("trades", "oops", kPostgresNow + 3).ok());
  EXPECT_EQ(Sql(std::string("SET TimeZone = 'UTC'; ") + kWholeRow),
            "trades|2024-08-09 00:00:00.000001+00|7|5|failed|2024-08-09 00:00:00.000002+00|3|1|oops|"
            "2024-08-09 00:00:00.000003+00|2024-08-09 00:00:00.000004+00");
}

// The Spark job's table as its users have it, by whomever it was made.
struct Foreign {
  const char* name;
  const char* definition;
};
class ForeignWatermarks : public PostgresJournalTest, public ::testing::WithParamInterface<Foreign> {};

INSTANTIATE_TEST_SUITE_P(
    Tables, ForeignWatermarks,
    ::testing::Values(
        Foreign{"timestamptz",
                "table_name TEXT PRIMARY KEY, last_offload_timestamp TIMESTAMPTZ NOT NULL, "
                "last_offload_max_sequence BIGINT NOT NULL, last_offload_row_count BIGINT, status TEXT "
                "NOT NULL, last_successful_run TIMESTAMPTZ, last_run_duration_seconds INTEGER, "
                "failure_count INTEGER DEFAULT 0, last_error_message TEXT, created_at TIMESTAMPTZ "
                "DEFAULT now(), updated_at TIMESTAMPTZ DEFAULT now()"},
        Foreign{"timestamp_and_more",
                "id SERIAL PRIMARY KEY, table_name VARCHAR(100) UNIQUE, last_offload_timestamp TIMESTAMP NOT NULL, "
                "last_offload_max_sequence NUMERIC(20,0) NOT NULL, last_offload_row_count INTEGER, status VARCHAR(20), "
                "last_successful_run TIMESTAMP, last_run_duration_seconds BIGINT, failure_count SMALLINT, "
                "last_error_message VARCHAR(2000), created_at TIMESTAMP, updated_at TIMESTAMPTZ, owner TEXT DEFAULT "
                "'platform', tags TEXT[]"},
        Foreign{"without_a_key",
                "table_name TEXT, last_offload_timestamp TIMESTAMPTZ, last_offload_max_sequence "
                "BIGINT, last_offload_row_count BIGINT, status TEXT, last_successful_run TIMESTAMP, "
                "last_run_duration_seconds INTEGER, failure_count INTEGER, last_error_message TEXT, "
                "created_at TIMESTAMPTZ, updated_at TIMESTAMP"}),
    [](const auto& test) { return test.param.name; });

TEST_P(ForeignWatermarks, AreUsedAsTheyAre) {
  Sql(std::string("CREATE TABLE offload_watermarks(") + GetParam().definition + ")");
  // Tokyo's clock on the server changes nothing: what has no zone is UTC.
  Sql("ALTER ROLE postgres SET TimeZone = 'Asia/Tokyo'");
  Sql("INSERT INTO offload_watermarks(table_name, last_offload_timestamp, last_offload_max_sequence, status) "
      "VALUES ('bronze_trades', '2024-08-09 00:00:00.000001Z'::timestamptz AT TIME ZONE 'UTC' AT TIME ZONE "
      "current_setting('TimeZone'), 9000, 'success')");
  const bool zoned = Sql("SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = "
                         "'offload_watermarks'::regclass AND attname = 'last_offload_timestamp'")
                         .ends_with("with time zone");
  Sql(zoned ? "UPDATE offload_watermarks SET last_offload_timestamp = '2024-08-09 00:00:00.000001Z'"
            : "UPDATE offload_watermarks SET last_offload_timestamp = '2024-08-09 00:00:00.000001'");
  const std::string before =
      Sql("SELECT string_agg(attname || atttypid, ',' ORDER BY attnum) FROM pg_attribute WHERE "
          "attrelid = 'offload_watermarks'::regclass");
  auto journal = OpenJournal(uri_).ValueOrDie();
  auto adopted = journal->ReadWatermark("bronze_trades").ValueOrDie();
  ASSERT_TRUE(adopted.has_value());
  EXPECT_EQ(adopted->last_offload_timestamp, kPostgresNow);
  EXPECT_EQ(adopted->last_offload_max_sequence, 9000);
  EXPECT_EQ(adopted->status, "success");
  EXPECT_FALSE(adopted->last_successful_run.has_value());
  EXPECT_EQ(adopted->failure_count, 0);

  WatermarkRow row = kPostgresRow;
  for (const char* table : {"bronze_trades", "other"}) {
    row.table_name = table;
    ASSERT_TRUE(journal->WriteWatermark(row, kPostgresNow + 9).ok());
    ASSERT_TRUE(journal->WriteWatermark(row, kPostgresNow + 9).ok());
    Status failure = journal->WriteFailure(table, "oops", kPostgresNow + 9);
    ASSERT_TRUE(failure.ok()) << failure.ToString();
    WatermarkRow read = journal->ReadWatermark(table).ValueOrDie().value();
    EXPECT_EQ(read.last_offload_timestamp, kPostgresNow);
    EXPECT_EQ(read.last_successful_run, kPostgresNow + 1);
    EXPECT_EQ(read.last_offload_row_count, 5);
    EXPECT_EQ(read.last_run_duration_seconds, 3);
    EXPECT_EQ(read.failure_count, 1);
    EXPECT_EQ(read.status, "failed");
  }
  Sql("ALTER ROLE postgres RESET TimeZone");
  EXPECT_EQ(Sql("SELECT count(*) FROM offload_watermarks"), "2");
  EXPECT_EQ(Sql("SELECT string_agg(attname || atttypid, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = "
                "'offload_watermarks'::regclass"),
            before);
}

TEST_F(PostgresJournalTest, AColumnThatIsMissingIsNamed) {
  Sql("CREATE TABLE offload_watermarks(table_name TEXT PRIMARY KEY, last_offload_timestamp TIMESTAMPTZ)");
  Status status = OpenJournal(uri_).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr("offload_watermarks lacks the columns"), HasSubstr("failure_count")));
}

TEST_F(PostgresJournalTest, AnOddEntryIsCorruptNotACrash) {
  Sql("CREATE TABLE offload_watermarks(table_name TEXT, last_offload_timestamp TEXT, last_offload_max_sequence TEXT, "
      "last_offload_row_count TEXT, status TEXT, last_successful_run TEXT, last_run_duration_seconds TEXT, "
      "failure_count TEXT, last_error_message TEXT, created_at TEXT, updated_at TEXT)");
  auto journal = OpenJournal(uri_).ValueOrDie();
  for (const char* values : {"'some day', '1'", "'infinity', '1'", "NULL, '1'", "'2024-08-09', 'many'",
                             "'2024-08-09', '99999999999999999999'"}) {
    Sql(std::string("INSERT INTO offload_watermarks(table_name, last_offload_timestamp, last_offload_max_sequence) "
                    "VALUES ('t', ") +
        values + ")");
    EXPECT_EQ(KindOf(journal->ReadWatermark("t").status()), ErrorKind::kCorrupt) << values;
    Sql("DELETE FROM offload_watermarks");
  }
  Sql("INSERT INTO offload_watermarks VALUES ('t', '2024-08-09', '1'), ('t', '2024-08-10', '2')");
  EXPECT_EQ(KindOf(journal->ReadWatermark("t").status()), ErrorKind::kCorrupt) << "two rows of one table";
}

TEST_F(PostgresJournalTest, AReadOnlyWatermarkTableSaysWhichGrantIsNeeded) {
  Sql("CREATE TABLE offload_watermarks AS SELECT 'x'::text AS table_name, now() AS last_offload_timestamp, 1::bigint "
      "AS last_offload_max_sequence, 1::bigint AS last_offload_row_count, 'success'::text AS status, now() AS "
      "last_successful_run, 1 AS last_run_duration_seconds, 0 AS failure_count, ''::text AS last_error_message, now() "
      "AS created_at, now() AS updated_at");
  std::string theirs = NewUser("reader");
  Sql("GRANT USAGE, CREATE ON SCHEMA " + Schema() + " TO reader");
  Sql("GRANT SELECT ON offload_watermarks TO reader");
  Status status = OpenJournal(theirs).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << status.ToString();
  EXPECT_THAT(MessageOf(status), HasSubstr("offload_watermarks"));
  EXPECT_THAT(RemedyOf(status), HasSubstr("GRANT SELECT, INSERT, UPDATE ON offload_watermarks TO reader;"));
  // The statement that it names is enough.
  Sql("GRANT SELECT, INSERT, UPDATE ON offload_watermarks TO reader");
  auto journal = OpenJournal(theirs);
  ASSERT_TRUE(journal.ok()) << journal.status().ToString();
  EXPECT_TRUE((*journal)->WriteWatermark(kPostgresRow, kPostgresNow).ok());
}

TEST_F(PostgresJournalTest, WithoutTheRightToCreateItSaysSo) {
  std::string theirs = NewUser("guest");
  Sql("GRANT USAGE ON SCHEMA " + Schema() + " TO guest");
  Status status = OpenJournal(theirs).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << status.ToString();
  EXPECT_THAT(RemedyOf(status), HasSubstr("GRANT USAGE, CREATE ON SCHEMA " + Schema() + " TO guest"));
  Sql("REVOKE USAGE ON SCHEMA " + Schema() + " FROM guest");
  status = OpenJournal(theirs).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << status.ToString();
  EXPECT_THAT(MessageOf(status), HasSubstr("search_path"));
  // Somebody else made the tables: rights on them are all that is needed.
  OpenJournal(uri_).ValueOrDie();
  Sql("GRANT USAGE ON SCHEMA " + Schema() + " TO guest");
  Sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + Schema() + " TO guest");
  auto journal = OpenJournal(theirs);
  ASSERT_TRUE(journal.ok()) << journal.status().ToString();
  EXPECT_TRUE((*journal)->StartRun(FullRun("r1", kPostgresNow)).ok());
  EXPECT_TRUE((*journal)->AcquireLease({"t", "a", "h", 1, 2, 0, 10}).ok());
  EXPECT_TRUE((*journal)->ReleaseLease("t", "a").ok());
}

TEST_F(PostgresJournalTest, AReaderMakesNothingAndFindsNothing) {
  std::string theirs = NewUser("viewer");
  Sql("GRANT USAGE ON SCHEMA " + Schema() + " TO viewer");
  auto journal = OpenJournal(theirs, {"", /*read_only=*/true}).ValueOrDie();
  EXPECT_TRUE(journal->LastRuns("", 10).ValueOrDie().empty());
  EXPECT_EQ(journal->ReadWatermark("t").ValueOrDie(), std::nullopt);
  EXPECT_EQ(journal->ReadPartsSeen("t", "s").ValueOrDie(), std::nullopt);
  EXPECT_EQ(Sql("SELECT count(*) FROM pg_class WHERE relnamespace = '" + Schema() + "'::regnamespace"), "0");
}

TEST_F(PostgresJournalTest, TablesThatWereDroppedAreMadeAnew) {
  auto journal = OpenJournal(uri_).ValueOrDie();
  ASSERT_TRUE(journal->StartRun(FullRun("r1", kPostgresNow)).ok());
  for (const char* table :
       {"offload_watermarks", "calve_runs", "calve_leases", "calve_parts_seen", "calve_schema_version"}) {
    Sql(std::string("DROP TABLE ") + table);
    EXPECT_TRUE(journal->FinishRun(FullRun("r1", kPostgresNow)).ok());
    EXPECT_TRUE(journal->WriteFailure("t", "x", kPostgresNow).ok());
    EXPECT_TRUE(journal->AcquireLease({"t", "a", "h", 1, 2, 0, 10}).ok());
    EXPECT_TRUE(journal->WritePartsSeen("t", "s", "p", kPostgresNow).ok());
    EXPECT_TRUE(OpenJournal(uri_).ok());
  }
  EXPECT_EQ(journal->LastRuns("", 10).ValueOrDie().size(), 1u);
}

TEST_F(PostgresJournalTest, AJournalOfANewerCalveIsRefused) {
  OpenJournal(uri_).ValueOrDie();
  Sql("UPDATE calve_schema_version SET version = 99");
  Status status = OpenJournal(uri_).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(status), HasSubstr("99"));
}

// A clock that is wrong by a year neither takes another's lease nor keeps one for a year.
TEST_F(PostgresJournalTest, TheServersClockDecidesWhenALeaseEnds) {
  auto journal = OpenJournal(uri_).ValueOrDie();
  constexpr int64_t kYear = 365 * kMicrosPerDay;
  ASSERT_TRUE(
      journal->AcquireLease({"t", "a", "h", 1, 2, kPostgresNow - kYear, kPostgresNow - kYear + 60'000'000}).ok());
  Lease held = journal->AcquireLease({"t", "b", "h", 3, 4, kPostgresNow + kYear, kPostgresNow + kYear + 60'000'000})
                   .ValueOrDie();
  EXPECT_EQ(held.holder, "a");
  EXPECT_NEAR(static_cast<double>(held.since), static_cast<double>(SystemClock().Now()), 5e6);
  EXPECT_NEAR(static_cast<double>(held.until - held.since), 60e6, 1e6);  // two looks at the server's clock
  ASSERT_TRUE(journal->RenewLease("t", "a", kPostgresNow + kYear, kPostgresNow + kYear + 20'000).ValueOrDie());
  std::this_thread::sleep_for(std::chrono::milliseconds(25));
  EXPECT_EQ(journal->AcquireLease({"t", "b", "h", 3, 4, kPostgresNow, kPostgresNow + 1'000}).ValueOrDie().holder, "b");
}

TEST(OpenJournal, APasswordInAPostgresUriIsRefused) {
  Status status = OpenJournal("postgresql://calve:s3cr@db/x").status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_THAT(status.ToString(), ::testing::Not(HasSubstr("s3cr")));
}

}  // namespace
}  // namespace calve::journal
