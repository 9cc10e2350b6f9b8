#include "calve/serve/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "calve/serve/rate_limit.h"

namespace calve::serve {
namespace {

using ::testing::HasSubstr;

const AccessRules kNamed{.host_names = {"calve.example"}};

HttpRequest With(std::map<std::string, std::string> headers) {
  HttpRequest request;
  request.headers = std::move(headers);
  return request;
}

TEST(Access, FindsTheHost) {
  EXPECT_EQ(HostOf("Calve.Example:9765"), "calve.example");
  EXPECT_EQ(HostOf("calve.example."), "calve.example");
  EXPECT_EQ(HostOf("[::1]:9765"), "::1");
  EXPECT_EQ(HostOf("[::1]"), "::1");
  for (const char* wrong : {"", "[::1", "[::1]x", "user@host", "a/b", "a b"}) EXPECT_EQ(HostOf(wrong), "") << wrong;
}

TEST(Access, KnowsAddressesLocalhostAndItsOwnNames) {
  for (const char* known :
       {"127.0.0.1:9765", "10.1.2.3", "[::1]:9765", "localhost:1", "LOCALHOST", "calve.example:443"}) {
    EXPECT_TRUE(IsKnownHost(known, kNamed)) << known;
  }
  // What an attacker may let point to this machine.
  for (const char* other :
       {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "1.2.3", "", "calve.example.evil"}) {
    EXPECT_FALSE(IsKnownHost(other, kNamed)) << other;
  }
}

TEST(Access, TellsItsOwnPageFromOthers) {
  EXPECT_TRUE(IsOwnOrigin(With({}), kNamed)) << "no browser";
  EXPECT_TRUE(IsOwnOrigin(
      With({{"host", "127.0.0.1:9765"}, {"origin", "http://127.0.0.1:9765"}, {"sec-fetch-site", "same-origin"}}),
      kNamed));
  EXPECT_TRUE(IsOwnOrigin(With({{"host", "backend:9765"}, {"origin", "https://calve.example"}}), kNamed)) << "a proxy";
  EXPECT_FALSE(IsOwnOrigin(With({{"host", "127.0.0.1:9765"}, {"origin", "http://127.0.0.1:8080"}}), kNamed))
      << "another port";
  EXPECT_FALSE(IsOwnOrigin(With({{"host", "127.0.0.1:9765"}, {"origin", "https://evil.example"}}), kNamed));
  EXPECT_FALSE(IsOwnOrigin(With({{"host", "127.0.0.1:9765"}, {"origin", "null"}}), kNamed));
  for (const char* site : {"cross-site", "same-site"}) {
    EXPECT_FALSE(IsOwnOrigin(With({{"host", "h"}, {"origin", "http://h"}, {"sec-fetch-site", site}}), kNamed)) << site;
  }
}

TEST(Access, ReadsBearerTokens) {
  EXPECT_EQ(BearerToken(With({})), std::nullopt);
  EXPECT_EQ(BearerToken(With({{"authorization", "Bearer abc"}})), "abc");
  EXPECT_EQ(BearerToken(With({{"authorization", "bearer  abc "}})), "abc");
  EXPECT_EQ(BearerToken(With({{"authorization", "Basic abc"}})), "");
  EXPECT_EQ(BearerToken(With({{"authorization", "Bearer "}})), "");
  EXPECT_TRUE(IsSameToken("0123456789abcdef", "0123456789abcdef"));
  EXPECT_FALSE(IsSameToken("0123456789abcdeg", "0123456789abcdef"));
  EXPECT_FALSE(IsSameToken("", "")) << "no token lets nobody in";
}

class TokenFile : public ::testing::Test {
 protected:
  TokenFile() { std::filesystem::create_directory(folder_); }
  ~TokenFile() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& text, int mode = 0600) const {
    std::filesystem::remove(file_);
    std::ofstream(file_) << text;
    chmod(file_.c_str(), static_cast<mode_t>(mode));
  }

  const std::filesystem::path folder_ = ::testing::TempDir() + "calve-token-" + std::to_string(getpid());
  const std::string file_ = folder_ / "token";
};

TEST_F(TokenFile, IsReadAgainWhenItChanges) {
  TokenSource source(file_, "from the environment, which is not asked");
  EXPECT_TRUE(source.is_given());
  EXPECT_EQ(KindOf(source.Read().status()), ErrorKind::kConfig) << "there is none yet";
  Write("first-first-first\n");
  EXPECT_EQ(*source.Read(), "first-first-first");
  EXPECT_EQ(*source.Read(), "first-first-first");
  Write("second-second-second");
  EXPECT_EQ(*source.Read(), "second-second-second");
  std::filesystem::remove(file_);
  EXPECT_FALSE(source.Read().ok()) << "who takes it away lets nobody in any more";
}

TEST_F(TokenFile, MayNotBeReadByOthersNorBeShort) {
  TokenSource source(file_, "");
  Write("0123456789abcdef", 0644);
  EXPECT_THAT(RemedyOf(source.Read().status()), HasSubstr("chmod o-rwx"));
  chmod(file_.c_str(), 0640);
  EXPECT_EQ(*source.Read(), "0123456789abcdef");
  Write("short");
  EXPECT_THAT(RemedyOf(source.Read().status()), HasSubstr("openssl rand"));
  EXPECT_THAT(MessageOf(source.Read().status()), ::testing::Not(HasSubstr("short")));
  EXPECT_FALSE(TokenSource("", "too short").Read().ok());
  EXPECT_EQ(*TokenSource("", "0123456789abcdef").Read(), "0123456789abcdef");
  EXPECT_FALSE(TokenSource("", "").is_given());
  EXPECT_EQ(*TokenSource("", "").Read(), "");
}

TEST(RateLimit, LetsABurstThroughAndThenOneByOne) {
  RateLimit limit(3, kMicrosPerSecond);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(limit.Wait("a", 0));
    limit.Take("a", 0);
  }
  EXPECT_EQ(limit.Wait("a", 0), kMicrosPerSecond);
  EXPECT_EQ(limit.Wait("a", 250'000), 750'000);
  EXPECT_FALSE(limit.Wait("b", 0)) << "others are not held up";
  EXPECT_FALSE(limit.Wait("a", kMicrosPerSecond));
  limit.Take("a", kMicrosPerSecond);
  EXPECT_TRUE(limit.Wait("a", kMicrosPerSecond));
  EXPECT_TRUE(limit.Wait("a", 0)) << "a clock that is set back gives nothing";
}

TEST(RateLimit, RemembersABoundedNumberOfNames) {
  RateLimit limit(1, kMicrosPerSecond, 10);
  for (int i = 0; i < 100; ++i) limit.Take(std::to_string(i), i);
  EXPECT_EQ(limit.names(), 10u);
  EXPECT_TRUE(limit.Wait("99", 100)) << "the newest ones";
  EXPECT_FALSE(limit.Wait("0", 100));
}

}  // namespace
}  // namespace calve::serve
