#include "calve/source/source_url.h"

#include <gtest/gtest.h>

namespace calve::source {
namespace {

TEST(SourceUrlTest, HttpWithAllParts) {
  const auto url = ParseSourceUrl("https://app%40x@db.example.org:9443/k2?max_threads=4&note=a%26b").ValueOrDie();
  EXPECT_EQ(url.scheme, SourceScheme::kHttps);
  EXPECT_EQ(url.user, "app@x");
  EXPECT_EQ(url.host, "db.example.org");
  EXPECT_EQ(url.port, 9443);
  EXPECT_EQ(url.database, "k2");
  EXPECT_EQ(url.settings, (std::map<std::string, std::string>{{"max_threads", "4"}, {"note", "a&b"}}));
  EXPECT_EQ(url.Origin(), "https://db.example.org:9443");
  EXPECT_FALSE(url.IsLoopback());
}

TEST(SourceUrlTest, Defaults) {
  const auto http = ParseSourceUrl("http://localhost").ValueOrDie();
  EXPECT_EQ(http.user, "default");
  EXPECT_EQ(http.port, 8123);
  EXPECT_EQ(http.database, "default");
  EXPECT_TRUE(http.IsLoopback());
  EXPECT_EQ(ParseSourceUrl("https://h").ValueOrDie().port, 8443);
  EXPECT_EQ(ParseSourceUrl("http://h/?database=d").ValueOrDie().database, "d");
  EXPECT_EQ(ParseSourceUrl("http://h/d/").ValueOrDie().database, "d");
}

TEST(SourceUrlTest, Ipv6) {
  const auto url = ParseSourceUrl("http://[::1]:8124/d").ValueOrDie();
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.Origin(), "http://[::1]:8124");
  EXPECT_TRUE(url.IsLoopback());
}

TEST(SourceUrlTest, Chdb) {
  const auto url = ParseSourceUrl("chdb:/srv/a b?database=k2&max_threads=1").ValueOrDie();
  EXPECT_EQ(url.scheme, SourceScheme::kChdb);
  EXPECT_EQ(url.directory, "/srv/a b");
  EXPECT_EQ(url.database, "k2");
  EXPECT_EQ(url.settings.at("max_threads"), "1");
  EXPECT_EQ(ParseSourceUrl("chdb:///srv/x").ValueOrDie().directory, "/srv/x");
  EXPECT_EQ(ParseSourceUrl("chdb:data").ValueOrDie().directory, "data");
  EXPECT_EQ(ParseSourceUrl("chdb:data").ValueOrDie().database, "default");
}

TEST(SourceUrlTest, APasswordIsRefusedAndNotRepeated) {
  for (const char* text : {"http://app:hunter2@h/d", "http://h/d?password=hunter2", "https://:hunter2@h"}) {
    const auto status = ParseSourceUrl(text).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << text;
    EXPECT_EQ(status.ToString().find("hunter2"), std::string::npos) << status.ToString();
    EXPECT_NE(RemedyOf(status).find("CALVE_SOURCE_PASSWORD"), std::string::npos);
  }
}

TEST(SourceUrlTest, WhatIsNoSource) {
  for (const char* text : {"", "h:8123/d", "ftp://h/d", "clickhouse://h:9000/d", "http://", "http://h:99999/d",
                           "http://h/a/b", "chdb:", "chdb:?database=d", "http://h/d?=1", "http://h:x:secret@/d"}) {
    const auto url = ParseSourceUrl(text);
    EXPECT_EQ(KindOf(url.status()), ErrorKind::kConfig) << text;
    EXPECT_FALSE(RemedyOf(url.status()).empty()) << text;
    EXPECT_EQ(url.status().ToString().find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace calve::source
