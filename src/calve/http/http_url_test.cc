#include "calve/http/http_url.h"

#include <gtest/gtest.h>

namespace calve::http {
namespace {

Result<HttpUrl> Parse(const std::string& url) { return ParseHttpUrl(url, "the catalog's URL", "use a file"); }

TEST(HttpUrl, IsTakenApart) {
  struct Case {
    const char *url, *origin, *path;
    bool is_loopback;
  };
  for (const Case& c : {Case{"http://127.0.0.1:8181", "http://127.0.0.1:8181", "", true},
                        Case{"http://localhost/", "http://localhost:80", "", true},
                        Case{"https://lake.example/api/catalog/", "https://lake.example:443", "/api/catalog", false},
                        Case{"http://[::1]:19120/iceberg//", "http://[::1]:19120", "/iceberg", true},
                        Case{"https://h:8443/a%20b", "https://h:8443", "/a%20b", false}}) {
    auto url = Parse(c.url);
    ASSERT_TRUE(url.ok()) << c.url << ": " << url.status();
    EXPECT_EQ(url->origin, c.origin);
    EXPECT_EQ(url->path, c.path);
    EXPECT_EQ(url->is_loopback, c.is_loopback);
  }
}

TEST(HttpUrl, WhatIsNoneIsRefusedWithoutRepeatingIt) {
  for (const char* url : {"", "lake.example", "ftp://lake.example", "http://", "http://h:0x50/", "http://h:99999999/",
                          "http://user:s3cret@h/", "http://s3cret@h/", "http://h/?token=s3cret", "http://h/#s3cret"}) {
    const Status status = Parse(url).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << url;
    EXPECT_EQ(status.ToString().find("s3cret"), std::string::npos) << status;
    EXPECT_NE(MessageOf(status).find("the catalog's URL"), std::string::npos);
    EXPECT_FALSE(RemedyOf(status).empty());
  }
  EXPECT_EQ(RemedyOf(Parse("http://user:s3cret@h/").status()), "use a file");
}

}  // namespace
}  // namespace calve::http
