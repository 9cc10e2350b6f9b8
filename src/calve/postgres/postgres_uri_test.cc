#include "calve/postgres/postgres_uri.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/postgres/postgres_error.h"

namespace calve::postgres {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(PostgresUri, ItsNameHoldsNoUser) {
  EXPECT_EQ(NameOfUri("postgresql://calve@db.example:5433/prefect?sslmode=verify-full").ValueOrDie(),
            "postgresql://db.example:5433/prefect");
  EXPECT_EQ(NameOfUri("postgres://db/x").ValueOrDie(), "postgresql://db/x");
  EXPECT_EQ(NameOfUri("postgresql:///x?host=/run/postgresql").ValueOrDie(), "postgresql:///run/postgresql/x");
  EXPECT_EQ(HostsOfUri("postgresql://a,b:5433,c/x"), 3);
  EXPECT_EQ(HostsOfUri("postgresql:///x"), 1);
}

TEST(PostgresUri, ItsConnectTimeoutIsHeeded) {
  EXPECT_EQ(ConnectTimeoutMsOfUri("postgresql://a/x?connect_timeout=3", 10'000), 3'000);
  for (const char* nothing : {"", "?connect_timeout=0", "?connect_timeout=-1", "?connect_timeout=soon", "?sslmood=x"}) {
    EXPECT_EQ(ConnectTimeoutMsOfUri(std::string("postgresql://a/x") + nothing, 10'000), 10'000) << nothing;
  }
  EXPECT_EQ(ConnectTimeoutMsOfUri("postgresql://a/x?connect_timeout=2147483647", 10'000), 3'600'000);
}

TEST(PostgresUri, APasswordInItIsRefusedAndNeverRepeated) {
  for (const char* uri :
       {"postgresql://calve:s3cr%2Ft@db/x", "postgresql://db/x?password=s3cr%2Ft", "postgresql://db/x?sslpassword=s3cr",
        "postgresql://calve:s3cr/t@x:y@db/x", "postgresql://calve:s3cr?t@db/x", "postgres:calve:s3cr@db/x",
        "postgresql://calve:s3cr@db:notaport:1/x", "postgresql://[calve:s3cr@db/x"}) {
    Status status = NameOfUri(uri).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << uri;
    EXPECT_THAT(status.ToString() + RemedyOf(status), Not(HasSubstr("s3cr"))) << uri;
  }
  const Purpose purpose{"SOME_VARIABLE or PGPASSFILE", "docs/some.md"};
  for (const char* uri : {"postgresql://calve:s3cr@db/x", "postgresql://calve:s3cr@x@db/x"}) {
    EXPECT_THAT(RemedyOf(NameOfUri(uri, purpose).status()), HasSubstr("SOME_VARIABLE or PGPASSFILE")) << uri;
  }
}

TEST(PostgresUri, AnUnknownParameterIsNamed) {
  Status status = NameOfUri("postgresql://db/x?sslmood=require").status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(status), HasSubstr("sslmood"));
}

TEST(PostgresUri, AHostThatNobodyVerifiesIsNamed) {
  for (const char* uri : {"postgresql://db.example/x", "postgresql://127.0.0.1,db.example/x?sslmode=prefer",
                          "postgresql:///x?host=db.example&sslmode=require", "postgresql:///x?hostaddr=10.0.0.1"}) {
    EXPECT_THAT(UnverifiedHostOf(uri), ::testing::AnyOf("db.example", "10.0.0.1")) << uri;
  }
  for (const char* uri :
       {"postgresql://db.example/x?sslmode=verify-full", "postgresql://db.example/x?sslmode=verify-ca",
        "postgresql://u@127.0.0.1:5433/x", "postgresql://localhost/x", "postgresql://[::1]/x", "postgresql:///x",
        "postgresql:///x?host=/run/postgresql", "no uri"}) {
    EXPECT_EQ(UnverifiedHostOf(uri), "") << uri;
  }
}

TEST(PostgresUri, AClientsCertificateThatCannotBeReadIsNamed) {
  EXPECT_TRUE(CheckClientCertificate("postgresql://db/x").ok());
  EXPECT_TRUE(CheckClientCertificate("postgresql://db/x?sslcert=/proc/self/exe").ok());
  Status missing = CheckClientCertificate("postgresql://db/x?sslcert=/nowhere/client.pem");
  EXPECT_EQ(KindOf(missing), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(missing), HasSubstr("/nowhere/client.pem"));
}

TEST(PostgresError, ASecretIsScrubbedInWhicheverForm) {
  EXPECT_EQ(Scrub("a p@ss b p%40ss c", "p@ss"), "a *** b *** c");
  EXPECT_EQ(Scrub("***", "*"), "*********");  // it ends
  EXPECT_EQ(Scrub("text", ""), "text");
}

TEST(PostgresError, AConnectionsRefusalTellsItsState) {
  Status status = ConnectError(
      "connection to server at \"h\" (::1), port 1 failed: Connection refused\n\tIs the server running on that host?\n"
      "connection to server at \"h\" (127.0.0.1), port 1 failed: FATAL:  28P01: password authentication failed for "
      "user \"calve\"\nLOCATION:  auth_failed, auth.c:337\n",
      false, "postgresql://h/x");
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_EQ(MessageOf(status),
            "postgresql://h/x: connection to server at \"h\" (::1), port 1 failed: Connection refused Is the server "
            "running on that host?; connection to server at \"h\" (127.0.0.1), port 1 failed: FATAL: password "
            "authentication failed for user \"calve\" (SQLSTATE 28P01)");
  EXPECT_EQ(KindOf(ConnectError("… failed: FATAL:  57P03: the database system is starting up\n", false, "d")),
            ErrorKind::kRetry);
  EXPECT_EQ(KindOf(ConnectError("… failed: Connection refused\n", false, "d")), ErrorKind::kRetry);
  EXPECT_EQ(KindOf(ConnectError("… failed: SSL error: certificate verify failed\n", false, "d")), ErrorKind::kConfig);
  const Purpose purpose{"SOME_VARIABLE", "docs/some.md"};
  EXPECT_THAT(RemedyOf(ErrorOf("28P01", "no", "d", purpose)), HasSubstr("SOME_VARIABLE"));
  EXPECT_THAT(RemedyOf(ErrorOf("42501", "no", "d", purpose)), HasSubstr("docs/some.md"));
  EXPECT_EQ(KindOf(ConnectError("fe_sendauth: no password supplied\n", true, "d")), ErrorKind::kConfig);
}

}  // namespace
}  // namespace calve::postgres
