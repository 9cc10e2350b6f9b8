#include "calve/http/listen_address.h"

#include <gtest/gtest.h>

namespace calve::http {
namespace {

TEST(ListenAddress, TakesHostAndPort) {
  for (const char* text : {"127.0.0.1:9765", "[::1]:9765", "localhost:0", "0.0.0.0:65535"}) {
    EXPECT_EQ(ParseListenAddress(text).ValueOrDie().ToString(), text);
  }
  EXPECT_EQ(ParseListenAddress("[::1]:1")->host, "::1");
}

TEST(ListenAddress, KnowsWhatOthersCanReach) {
  for (const char* text : {"127.0.0.1:1", "127.0.0.2:1", "[::1]:1", "localhost:1"}) {
    EXPECT_TRUE(ParseListenAddress(text)->IsLoopback()) << text;
  }
  for (const char* text : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "calve.example:1"}) {
    EXPECT_FALSE(ParseListenAddress(text)->IsLoopback()) << text;
  }
}

TEST(ListenAddress, SaysWhatIsWrong) {
  for (const char* text : {"", "9765", ":9765", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                           "::1:9765", "[127.0.0.1]:1", "[]:1", "a b:1", "http://a:1", "127.0.0.1:1x", "u@a:1"}) {
    EXPECT_EQ(KindOf(ParseListenAddress(text).status()), ErrorKind::kConfig) << text;
  }
}

}  // namespace
}  // namespace calve::http
