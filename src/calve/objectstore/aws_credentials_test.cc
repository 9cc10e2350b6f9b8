#include "calve/objectstore/aws_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "calve/http/testing_http_server.h"
#include "calve/objectstore/aws_profile.h"
#include "calve/objectstore/testing_text_files.h"

namespace calve::objectstore {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kStsKeys =
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA-STS</AccessKeyId><SecretAccessKey>sts-secret"
    "</SecretAccessKey><SessionToken>sts-token</SessionToken><Expiration>2024-08-09T01:00:00Z</Expiration></"
    "Credentials>"
    "</AssumeRoleResult></AssumeRoleResponse>";
constexpr const char* kJsonKeys =
    R"({"AccessKeyId":"ASIA-JSON","SecretAccessKey":"json-secret","Token":"json-token","Expiration":"2024-08-09T01:00:00Z"})";

class TestClock : public Clock {
 public:
  TimestampMicros Now() const override { return now; }
  TimestampMicros now = ParseTimestamp("2024-08-09T00:00:00Z").ValueOrDie();
};

class AwsCredentialsTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& text) { return files_.Write(name, text); }
  Environment TheEnvironment() {
    return [this](const std::string& name) { return variables_[name]; };
  }
  AwsCredentialChain Chain() {
    const AwsPlace place = ResolveAwsPlace(options_, TheEnvironment()).ValueOrDie();
    return AwsCredentialChain(options_, place, TheEnvironment(), stop_, clock_);
  }
  std::string Id() {
    auto chain = Chain();
    auto credentials = chain.Get();
    return credentials.ok() ? credentials->keys.access_key_id : credentials.status().ToString();
  }

  TextFiles files_;
  std::map<std::string, std::string> variables_{{"HOME", files_.folder()}, {"AWS_EC2_METADATA_DISABLED", "true"}};
  StoreOptions options_;
  StopToken stop_;
  TestClock clock_;
};

TEST_F(AwsCredentialsTest, TheFirstPlaceThatHasSomeIsTaken) {
  http::TestingHttpServer services([](const http::SeenRequest& request, http::HttpAnswer& answer) {
    answer.Whole(200, request.target == "/keys" ? kJsonKeys : kStsKeys);
  });
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = services.url("/keys");
  EXPECT_EQ(Id(), "ASIA-JSON");
  File(".aws/credentials", "[default]\naws_access_key_id = FROM-FILE\naws_secret_access_key = s3cret\n");
  EXPECT_EQ(Id(), "FROM-FILE");
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = File("token", "a web token\n");
  variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/calve";
  variables_["AWS_ENDPOINT_URL_STS"] = services.url("");
  EXPECT_EQ(Id(), "ASIA-STS");
  EXPECT_THAT(services.seen().back().body, HasSubstr("WebIdentityToken=a%20web%20token"));
  EXPECT_THAT(services.seen().back().body, HasSubstr("Action=AssumeRoleWithWebIdentity"));
  variables_["AWS_ACCESS_KEY_ID"] = "FROM-ENVIRONMENT";
  variables_["AWS_SECRET_ACCESS_KEY"] = "s3cret";
  EXPECT_EQ(Id(), "FROM-ENVIRONMENT");
  options_.profile = "default";  // named: no other place counts
  EXPECT_EQ(Id(), "FROM-FILE");
}

TEST_F(AwsCredentialsTest, WhereNoneHasAnyTheMessageListsThem) {
  auto chain = Chain();
  const Status status = chain.Get().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  for (const char* part : {"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "profile 'default'", ".aws/credentials",
                           "container", "AWS_EC2_METADATA_DISABLED"}) {
    EXPECT_THAT(MessageOf(status), HasSubstr(part));
  }
  File(".aws/config", "[profile sso]\nsso_session = corp\n");
  options_.profile = "sso";
  auto sso = Chain();
  EXPECT_THAT(MessageOf(sso.Get().status()), HasSubstr("sso_session"));
}

TEST_F(AwsCredentialsTest, AProfileSaysRegionEndpointAndRole) {
  http::TestingHttpServer sts([](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, kStsKeys); });
  File(".aws/credentials", "# keys\n[base]\naws_access_key_id=BASE\naws_secret_access_key = base-secret\n");
  File(".aws/config",
       "[profile cold]\nrole_arn = arn:aws:iam::1:role/cold\nsource_profile = base\nregion=eu-west-1\n"
       "endpoint_url = https://s3.example/\ns3 =\n  addressing_style = path\n[sso-session corp]\nregion = nowhere\n");
  variables_["AWS_PROFILE"] = "cold";
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url("");
  const AwsPlace place = ResolveAwsPlace(options_, TheEnvironment()).ValueOrDie();
  EXPECT_EQ(place.region, "eu-west-1");
  EXPECT_EQ(place.endpoint, "https://s3.example");
  EXPECT_EQ(Id(), "ASIA-STS");
  auto headers = sts.seen().back().headers;
  EXPECT_THAT(headers["authorization"], HasSubstr("Credential=BASE/20240809/eu-west-1/sts/aws4_request"));
  variables_["AWS_REGION"] = "us-west-2";
  variables_["AWS_ENDPOINT_URL"] = "http://elsewhere:1";
  EXPECT_EQ(ResolveAwsPlace(options_, TheEnvironment())->region, "us-west-2");
  EXPECT_EQ(ResolveAwsPlace(options_, TheEnvironment())->endpoint, "http://elsewhere:1");
  options_.endpoint = "elsewhere";
  EXPECT_EQ(KindOf(ResolveAwsPlace(options_, TheEnvironment()).status()), ErrorKind::kConfig);
}

TEST_F(AwsCredentialsTest, TheInstanceIsAskedAsImdsV2Wants) {
  http::TestingHttpServer imds([](const http::SeenRequest& request, http::HttpAnswer& answer) {
    auto headers = request.headers;
    const std::string base = "/latest/meta-data/iam/security-credentials/";
    if (request.target == "/latest/api/token") {
      const bool asks = request.method == "PUT" && headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600";
      answer.Whole(asks ? 200 : 400, "session");
    } else if (headers["x-aws-ec2-metadata-token"] != "session") {
      answer.Whole(401, "");
    } else {
      answer.Whole(200, request.target == base ? "the-role" : request.target == base + "the-role" ? kJsonKeys : "?");
    }
  });
  variables_["AWS_EC2_METADATA_DISABLED"] = "";
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = imds.url("/");
  auto chain = Chain();
  const auto credentials = chain.Get();
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  EXPECT_EQ(credentials->keys.access_key_id, "ASIA-JSON");
  EXPECT_EQ(credentials->keys.session_token, "json-token");
  EXPECT_EQ(credentials->expires_at_ms, 1723165200000);
}

TEST_F(AwsCredentialsTest, AnInstanceWithoutARoleOrAServiceHasNone) {
  http::TestingHttpServer imds([](const http::SeenRequest& request, http::HttpAnswer& answer) {
    answer.Whole(request.method == "PUT" ? 200 : 404, "x");
  });
  variables_["AWS_EC2_METADATA_DISABLED"] = "";
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = imds.url("");
  EXPECT_THAT(Id(), HasSubstr("the instance has no role"));
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1";
  EXPECT_THAT(Id(), HasSubstr("does not answer"));
}

TEST_F(AwsCredentialsTest, AContainersTokenGoesToNoStranger) {
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://example.com/keys";
  EXPECT_THAT(Id(), HasSubstr("neither https"));
  http::TestingHttpServer service(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, kJsonKeys); });
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = service.url("/keys");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = File("pod-token", "pod\n");
  EXPECT_EQ(Id(), "ASIA-JSON");
  EXPECT_EQ(service.seen().back().headers["authorization"], "pod");
}

TEST_F(AwsCredentialsTest, ARefusalNamesTheServiceAndNoSecret) {
  http::TestingHttpServer sts([](const http::SeenRequest&, http::HttpAnswer& answer) {
    answer.Whole(
        403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not for you</Message></Error></ErrorResponse>");
  });
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = File("token", "a-secret-web-token");
  variables_["AWS_ROLE_ARN"] = "arn";
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url("");
  auto chain = Chain();
  const Status status = chain.Get().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(status), HasSubstr("AccessDenied: not for you"));
  EXPECT_THAT(status.ToString(), Not(HasSubstr("a-secret-web-token")));
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = files_.folder() + "/nothing";
  EXPECT_THAT(Id(), HasSubstr("cannot be read"));
}

TEST_F(AwsCredentialsTest, KeysAreRenewedBeforeTheyEnd) {
  int loads = 0;
  bool service_is_up = true;
  const int64_t ends_ms = clock_.now / 1000 + 3'600'000;
  AwsCredentialChain chain({[&](std::string*) -> Result<std::optional<AwsCredentials>> {
                             ++loads;
                             if (!service_is_up) return MakeError(ErrorKind::kRetry, "down");
                             AwsCredentials credentials;
                             credentials.keys.access_key_id = "KEY-" + std::to_string(loads);
                             credentials.expires_at_ms = loads == 1 ? ends_ms : ends_ms * 2;
                             return credentials;
                           }},
                           clock_);
  EXPECT_EQ(chain.Get()->keys.access_key_id, "KEY-1");
  EXPECT_EQ(chain.Get()->keys.access_key_id, "KEY-1");
  EXPECT_EQ(loads, 1);
  clock_.now = (ends_ms - 60'000) * 1000;
  service_is_up = false;
  EXPECT_EQ(chain.Get()->keys.access_key_id, "KEY-1");  // still good
  EXPECT_EQ(chain.Get()->keys.access_key_id, "KEY-1");
  EXPECT_EQ(loads, 2);  // the service is not asked for each request
  clock_.now = ends_ms * 1000;
  EXPECT_EQ(KindOf(chain.Get().status()), ErrorKind::kRetry);
  service_is_up = true;
  EXPECT_EQ(chain.Get()->keys.access_key_id, "KEY-4");
}

TEST_F(AwsCredentialsTest, ARefusedKeyIsReplacedOnce) {
  int loads = 0;
  AwsCredentialChain chain({[&](std::string*) -> Result<std::optional<AwsCredentials>> {
                             AwsCredentials credentials;
                             credentials.keys.access_key_id = ++loads == 1 ? "OLD" : "NEW";
                             return credentials;
                           }},
                           clock_);
  const http::AwsKeys old = chain.Get()->keys;
  EXPECT_TRUE(*chain.Renew(old));
  EXPECT_TRUE(*chain.Renew(old));  // another thread with the same old key
  EXPECT_EQ(loads, 2);
  EXPECT_FALSE(*chain.Renew(chain.Get()->keys));
}

}  // namespace
}  // namespace calve::objectstore
