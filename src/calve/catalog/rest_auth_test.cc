// Who calve is to a REST catalog: tokens, their renewal, signatures; and that no secret is ever said.
#include "calve/catalog/rest_auth.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <thread>

#include "calve/catalog/testing_rest_place.h"

namespace calve::catalog {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using Kind = RestFault::Kind;

constexpr const char* kCredential = "calve:s3cr:et/+&=ü";

RestServerOptions WithOAuth() {
  RestServerOptions options;
  options.credential = kCredential;
  return options;
}

class RestAuthTest : public ::testing::Test {
 protected:
  RestAuthTest() { place_.options.credential.value = kCredential; }
  void WriteFile(const std::string& name, const std::string& text) {
    ASSERT_TRUE(place_.local.Replace(place_.db_dir.path() + "/" + name, text).ok());
  }
  std::string FilePath(const std::string& name) const { return place_.db_dir.path() + "/" + name; }

  RestPlace place_{WithOAuth()};
  const TableIdent ident_{{"cold"}, "trades"};
};

TEST_F(RestAuthTest, OneTokenIsFetchedAndKept) {
  auto catalog = place_.OpenRest();
  ASSERT_TRUE(catalog->CreateTable(ident_, TradesRequest()).ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(catalog->LoadTable(ident_).ok()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(place_.server.tokens_given(), 1);
  const auto asked = place_.server.Seen("POST", "/v1/oauth/tokens");
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_THAT(asked[0].body,
              AllOf(HasSubstr("grant_type=client_credentials"), HasSubstr("&client_id=calve&"),
                    HasSubstr("client_secret=s3cr%3Aet%2F%2B%26%3D%C3%BC"), HasSubstr("&scope=catalog")));
  EXPECT_EQ(asked[0].headers.count("authorization"), 0u);
}

TEST_F(RestAuthTest, ATokenIsRenewedBeforeItEnds) {
  auto catalog = place_.OpenRest();
  ASSERT_TRUE(catalog->CreateTable(ident_, TradesRequest()).ok());
  place_.clock.Advance(3500 * kMicrosPerSecond);  // of 3600
  EXPECT_TRUE(catalog->LoadTable(ident_).ok());
  EXPECT_EQ(place_.server.tokens_given(), 1);
  place_.clock.Advance(50 * kMicrosPerSecond);
  EXPECT_TRUE(catalog->LoadTable(ident_).ok());
  EXPECT_EQ(place_.server.tokens_given(), 2);
}

TEST_F(RestAuthTest, ARefusedTokenIsRenewedOnceAlsoForACommit) {
  auto catalog = place_.OpenRest();
  LoadedTable base = catalog->CreateTable(ident_, TradesRequest()).ValueOrDie();
  place_.server.ExpireTokens();
  TestAppend append = AppendOn(base.metadata);
  auto committed = catalog->CommitTable(ident_, append.requirements, append.updates);
  ASSERT_TRUE(committed.ok()) << committed.status().ToString();
  EXPECT_EQ(place_.server.tokens_given(), 2);
  EXPECT_THAT(place_.server.Seen("POST", "/tables/trades"), SizeIs(2));
  for (int status : {401, 419}) {
    const size_t before = place_.server.Seen("GET", "/tables/trades").size();
    place_.server.SetFaults([&](const http::SeenRequest&) { return RestFault{Kind::kAnswerOnly, status}; });
    const Status refused = catalog->LoadTable(ident_).status();
    EXPECT_EQ(KindOf(refused), ErrorKind::kConfig);
    EXPECT_THAT(RemedyOf(refused), HasSubstr("CALVE_CATALOG_CREDENTIAL"));
    EXPECT_EQ(place_.server.Seen("GET", "/tables/trades").size(), before + 2) << "once more, not for ever";
  }
}

TEST_F(RestAuthTest, AWrongSecretIsNotTriedAgainAndNeverSaid) {
  for (const char* wrong : {"calve:wr0ngsecret", "wr0ngsecret", "calve:"}) {
    place_.options.credential.value = wrong;
    auto catalog = place_.OpenRest();
    const size_t before = place_.server.Seen("POST", "/v1/oauth/tokens").size();
    const Status status = catalog->LoadTable(ident_).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << status.ToString();
    EXPECT_THAT(MessageOf(status), HasSubstr("invalid_client"));
    EXPECT_THAT(status.ToString(), Not(HasSubstr("wr0ngsecret")));
    EXPECT_THAT(RemedyOf(status), AllOf(HasSubstr("credential_file"), HasSubstr("oauth2_server_uri")));
    EXPECT_EQ(place_.server.Seen("POST", "/v1/oauth/tokens").size(), before + 1);
  }
}

TEST_F(RestAuthTest, WhatTheServerRepeatsOfATokenIsNotSaid) {
  place_.options.credential = {};
  place_.options.token.value = "tok3n-of-mine";
  const Status status = place_.OpenRest()->LoadTable(ident_).status();
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr("expired: Bearer ***"), Not(HasSubstr("tok3n"))));
}

TEST_F(RestAuthTest, SecretsComeFromFilesThatAreReadAnew) {
  WriteFile("credential", std::string(kCredential) + "\n");
  place_.options.credential = {"", FilePath("credential")};
  auto catalog = place_.OpenRest();
  ASSERT_TRUE(catalog->CreateTable(ident_, TradesRequest()).ok());
  WriteFile("credential", "calve:changed");
  place_.server.ExpireTokens();
  EXPECT_EQ(KindOf(catalog->LoadTable(ident_).status()), ErrorKind::kConfig);

  const std::string header = place_.server.Seen("POST", "/namespaces/cold/tables").back().headers.at("authorization");
  WriteFile("token", "of-yesterday");
  place_.options.credential = {};
  place_.options.token = {"", FilePath("token")};
  auto with_token = place_.OpenRest();
  EXPECT_EQ(KindOf(with_token->LoadTable(ident_).status()), ErrorKind::kConfig);
  WriteFile("credential", kCredential);
  ASSERT_TRUE(catalog->LoadTable(ident_).ok());
  const std::string now = place_.server.seen().back().headers.at("authorization");
  WriteFile("token", now.substr(7) + "\n");
  EXPECT_TRUE(with_token->LoadTable(ident_).ok()) << "rotated under a running process";
}

TEST_F(RestAuthTest, WhatCannotBeASecretIsRefused) {
  WriteFile("empty", "\n");
  WriteFile("lines", "a\nb");
  for (const char* name : {"missing", "empty", "lines"}) {
    place_.options.credential = {"", FilePath(name)};
    const Status status = place_.OpenRest()->LoadTable(ident_).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << name;
    EXPECT_FALSE(RemedyOf(status).empty());
  }
  place_.options.token.value = "t";
  EXPECT_EQ(KindOf(RestCatalog::Make(place_.options, "", nullptr, place_.clock, place_.stop).status()),
            ErrorKind::kConfig)
      << "two ways at once";
}

TEST_F(RestAuthTest, TokensOfAnotherServer) {
  http::TestingHttpServer giver([](const http::SeenRequest& request, http::HttpAnswer& answer) {
    if (request.target != "/realms/lake/token") return answer.Whole(404, "no");
    answer.Whole(200, R"({"access_token":"from-elsewhere","token_type":"bearer","expires_in":"60"})");
  });
  place_.options.oauth2_server_uri = giver.url("/realms/lake/token");
  place_.options.scope = "";
  place_.options.audience = "lake";
  place_.options.resource = "urn:x";
  EXPECT_EQ(KindOf(place_.OpenRest()->LoadTable(ident_).status()), ErrorKind::kConfig);  // the catalog does not know it
  EXPECT_EQ(place_.server.seen().back().headers.at("authorization"), "Bearer from-elsewhere");
  EXPECT_THAT(giver.seen().back().body,
              AllOf(Not(HasSubstr("scope")), HasSubstr("&audience=lake"), HasSubstr("&resource=urn%3Ax")));
}

TEST_F(RestAuthTest, WhoGivesNoTokens) {
  for (const char* body : {"<html>", "{}", R"({"access_token":""})", R"({"access_token":7})", "[]"}) {
    http::TestingHttpServer giver([&](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, body); });
    place_.options.oauth2_server_uri = giver.url("/token");
    const Status status = place_.OpenRest()->LoadTable(ident_).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << body;
    EXPECT_THAT(RemedyOf(status), HasSubstr("oauth2_server_uri"));
  }
}

// A server's configuration may say so, too.
TEST_F(RestAuthTest, AGiverBelowTheCatalog) {
  for (const char* given : {"/", "///", "v1/oauth/tokens", "/v1/oauth/tokens"}) {
    place_.options.oauth2_server_uri = given;
    const bool is_one = std::string_view(given).ends_with("tokens");
    EXPECT_EQ(KindOf(place_.OpenRest()->LoadTable(ident_).status()),
              is_one ? ErrorKind::kNotFound : ErrorKind::kConfig);
  }
}

TEST_F(RestAuthTest, AGiverThatIsBusyIsAskedAgain) {
  std::atomic<int> asked{0};
  http::TestingHttpServer giver([&](const http::SeenRequest&, http::HttpAnswer& answer) {
    if (++asked < 3) return answer.Whole(asked == 1 ? 503 : 429, "busy");
    answer.Whole(200, R"({"access_token":"x"})");
  });
  place_.options.oauth2_server_uri = giver.url("/token");
  EXPECT_EQ(KindOf(place_.OpenRest()->LoadTable(ident_).status()), ErrorKind::kConfig);
  EXPECT_EQ(place_.server.Seen("GET", "/v1/config").back().headers.at("authorization"), "Bearer x");
}

TEST(RestHeaders, AreSentWithEveryRequest) {
  RestPlace place;
  place.options.headers = {{"X-Tenant", "blue"}, {"X-Api-Key", "sesam-open"}};
  auto catalog = place.OpenRest();
  ASSERT_TRUE(catalog->CreateTable({{"ns"}, "t"}, TradesRequest()).ok());
  for (const auto& request : place.server.seen()) {
    EXPECT_EQ(request.headers.at("x-tenant"), "blue") << request.target;
    EXPECT_EQ(request.headers.at("x-iceberg-access-delegation"), "vended-credentials");
    EXPECT_THAT(request.headers.at("user-agent"), HasSubstr("calve/"));
  }
  place.server.SetFaults([](const http::SeenRequest&) {
    return RestFault{Kind::kAnswerOnly, 403, R"({"error":{"type":"No","message":"key sesam-open of blue"}})"};
  });
  EXPECT_THAT(MessageOf(catalog->LoadTable({{"ns"}, "t"}).status()), HasSubstr("key *** of blue"));
  for (const auto& [name, value] : std::map<std::string, std::string>{{"X", "a\r\nY: b"}, {"A B", "c"}, {"A:", "c"}}) {
    place.options.headers = {{name, value}};
    EXPECT_EQ(KindOf(place.OpenRest()->LoadTable({{"ns"}, "t"}).status()), ErrorKind::kConfig) << name;
  }
}

class SignedTest : public ::testing::Test {
 protected:
  SignedTest() {
    for (const char* name : kVariables) unsetenv(name);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
  }
  ~SignedTest() override {
    for (const char* name : kVariables) unsetenv(name);
  }
  static constexpr const char* kVariables[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"};
};

TEST_F(SignedTest, RequestsAreSignedWithTheKeysOfTheEnvironment) {
  RestPlace place;
  place.options.signing_region = "eu-central-1";
  place.options.signing_service = "glue";
  place.options.token.value = "inner-token";
  const Status without = place.OpenRest()->LoadTable({{"ns"}, "t"}).status();
  EXPECT_EQ(KindOf(without), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(without), AllOf(HasSubstr("to be signed"), HasSubstr("AWS_ACCESS_KEY_ID")));
  EXPECT_THAT(place.server.seen(), SizeIs(0));
  setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI", 1);
  setenv("AWS_SESSION_TOKEN", "session-token", 1);
  auto catalog = place.OpenRest();
  ASSERT_TRUE(catalog->CreateTable({{"ns"}, "t"}, TradesRequest()).ok());
  for (const auto& request : place.server.seen()) {
    EXPECT_THAT(request.headers.at("authorization"),
                AllOf(HasSubstr("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
                      HasSubstr("/eu-central-1/glue/aws4_request"), HasSubstr("Signature=")))
        << request.target;
    EXPECT_EQ(request.headers.at("original-authorization"), "Bearer inner-token");
    EXPECT_EQ(request.headers.at("x-amz-security-token"), "session-token");
    EXPECT_THAT(request.headers.at("x-amz-date"), SizeIs(16));
  }
}

TEST_F(SignedTest, AServerMayAskForSignatures) {
  RestServerOptions options;
  options.overrides = {
      {"rest.sigv4-enabled", "true"}, {"rest.signing-region", "us-west-2"}, {"rest.signing-name", "s3tables"}};
  RestPlace place(options);
  setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI", 1);
  EXPECT_EQ(KindOf(place.OpenRest()->LoadTable({{"ns"}, "t"}).status()), ErrorKind::kNotFound);
  EXPECT_THAT(place.server.seen().back().headers.at("authorization"), HasSubstr("/us-west-2/s3tables/aws4_request"));
}

}  // namespace
}  // namespace calve::catalog
