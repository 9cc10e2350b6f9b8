// The examples of "Signature Calculations for the Authorization Header" in the S3 documentation.
#include "calve/http/sigv4.h"

#include <gtest/gtest.h>

namespace calve::http {
namespace {

const AwsKeys kKeys{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
const std::string kEmpty = Sha256Hex("");

std::string AuthorizationOf(std::string_view method, std::string_view target, std::vector<std::string> headers,
                            const std::string& payload_sha256) {
  const TimestampMicros now = ParseTimestamp("2013-05-24T00:00:00Z").ValueOrDie();
  return SigV4Headers({method, "https://examplebucket.s3.amazonaws.com", target, headers, payload_sha256}, kKeys,
                      "us-east-1", "s3", now)
      .back();
}

std::string Expected(const std::string& signed_headers, const std::string& signature) {
  return "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
         "SignedHeaders=" +
         signed_headers + ", Signature=" + signature;
}

TEST(SigV4, SignsAsTheDocumentationDoes) {
  EXPECT_EQ(AuthorizationOf("GET", "/test.txt", {"Range: bytes=0-9"}, kEmpty),
            Expected("host;range;x-amz-content-sha256;x-amz-date",
                     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
  EXPECT_EQ(AuthorizationOf("PUT", "/test%24file.text",
                            {"Date: Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class: REDUCED_REDUNDANCY"},
                            Sha256Hex("Welcome to Amazon S3.")),
            Expected("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
  EXPECT_EQ(AuthorizationOf("GET", "/?lifecycle", {}, kEmpty),
            Expected("host;x-amz-content-sha256;x-amz-date",
                     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
  EXPECT_EQ(AuthorizationOf("GET", "/?max-keys=2&prefix=J", {}, kEmpty),
            Expected("host;x-amz-content-sha256;x-amz-date",
                     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
  EXPECT_EQ(AuthorizationOf("GET", "/?prefix=J&max-keys=2", {}, kEmpty),
            AuthorizationOf("GET", "/?max-keys=2&prefix=J", {}, kEmpty));
}

TEST(SigV4, ASessionsTokenIsSigned) {
  AwsKeys keys = kKeys;
  keys.session_token = "token";
  auto headers = SigV4Headers({"GET", "http://127.0.0.1:9000", "/", {}, kUnsignedPayload}, keys, "r", "s3", 0);
  ASSERT_EQ(headers.size(), 4u);
  EXPECT_EQ(headers[0], "X-Amz-Date: 19700101T000000Z");
  EXPECT_EQ(headers[1], "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD");
  EXPECT_EQ(headers[2], "X-Amz-Security-Token: token");
  EXPECT_NE(headers[3].find("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"),
            std::string::npos);
}

TEST(SigV4, HostIsWhatGoesOut) {
  EXPECT_EQ(HostOf("https://a.b"), "a.b");
  EXPECT_EQ(HostOf("https://a.b:443"), "a.b");
  EXPECT_EQ(HostOf("http://a.b:443/x"), "a.b:443");
  EXPECT_EQ(HostOf("http://127.0.0.1:80"), "127.0.0.1");
}

}  // namespace
}  // namespace calve::http
