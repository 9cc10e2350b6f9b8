// What becomes of good, bad and missing answers. That real servers take the requests is tested in storage/.
#include "calve/objectstore/s3_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/objectstore/testing_s3_answers.h"

namespace calve::objectstore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const ObjectName kS3Name{"bucket", "a b/c+d", "s3://bucket/a b/c+d"};
const WriteMode kNew{true, "write-1"};

std::shared_ptr<arrow::Buffer> Bytes(const std::string& text) { return arrow::Buffer::FromString(text); }

TEST(S3Store, RequestsAreSignedAndEncoded) {
  S3Answers s3({S3Answers::Says(200, "bytes", "ETag: \"e\"\r\nx-amz-meta-calve-write: write-1\r\n")});
  ASSERT_EQ(s3.store().Get(kS3Name).ValueOrDie(), "bytes");
  ASSERT_TRUE(s3.store().Put(kS3Name, Bytes("new"), kNew).ok());
  EXPECT_EQ(s3.store().Head(kS3Name)->write_id, "write-1");
  const auto seen = s3.seen();
  EXPECT_EQ(seen[0].target, "/bucket/a%20b/c%2Bd");
  auto headers = seen[1].headers;
  EXPECT_EQ(headers["if-none-match"], "*");
  EXPECT_EQ(headers["x-amz-meta-calve-write"], "write-1");
  EXPECT_EQ(headers["x-amz-content-sha256"], http::Sha256Hex("new"));
  EXPECT_THAT(headers["authorization"], HasSubstr("Credential=AKID/"));
  EXPECT_THAT(headers["authorization"], HasSubstr("if-none-match;"));
  EXPECT_EQ(headers.count("x-amz-request-payer"), 0u);
  EXPECT_EQ(headers.count("x-amz-server-side-encryption"), 0u);
}

TEST(S3Store, OptionsBecomeHeaders) {
  S3Answers s3({S3Answers::Says(200)});
  s3.options.requester_pays = true;
  s3.options.encryption = ServerSideEncryption::kKms;
  s3.options.kms_key = "key-1";
  s3.keys = std::make_shared<KeyRing>(std::vector<http::AwsKeys>{{"ASIA", "s3cret", "the-token"}});
  ASSERT_TRUE(s3.store().Put(kS3Name, Bytes("x"), {}).ok());
  auto headers = s3.seen()[0].headers;
  EXPECT_EQ(headers["x-amz-request-payer"], "requester");
  EXPECT_EQ(headers["x-amz-server-side-encryption"], "aws:kms");
  EXPECT_EQ(headers["x-amz-server-side-encryption-aws-kms-key-id"], "key-1");
  EXPECT_EQ(headers["x-amz-security-token"], "the-token");
  EXPECT_THAT(headers["authorization"], HasSubstr("x-amz-security-token"));
}

TEST(S3Store, AnonymousRequestsAreNotSigned) {
  S3Answers s3({S3Answers::Says(200, "x")});
  s3.options.anonymous = true;
  ASSERT_TRUE(s3.store().Get(kS3Name).ok());
  EXPECT_EQ(s3.seen()[0].headers.count("authorization"), 0u);
}

TEST(S3Store, ABucketMayBeAHostsName) {
  S3Answers s3({S3Answers::Says(200, "x")});
  s3.options.endpoint = "http://localhost:" + std::to_string(s3.port());
  s3.options.addressing = Addressing::kVirtual;
  ASSERT_TRUE(s3.store().Get(kS3Name).ok());
  auto seen = s3.seen();
  EXPECT_EQ(seen[0].target, "/a%20b/c%2Bd");
  EXPECT_EQ(seen[0].headers["host"], "bucket.localhost:" + std::to_string(s3.port()));
}

TEST(S3Store, ErrorsSayWhatToDo) {
  struct Case {
    int status;
    std::string code;
    ErrorKind kind;
    std::string message, remedy;
  };
  for (const Case& c : {
           Case{404, "NoSuchKey", ErrorKind::kNotFound, "no such object", ""},
           Case{404, "NoSuchBucket", ErrorKind::kConfig, "404 NoSuchBucket: why", "Create the bucket"},
           Case{403, "AccessDenied", ErrorKind::kConfig, "403 AccessDenied: why", "s3:GetObject"},
           Case{403, "SignatureDoesNotMatch", ErrorKind::kConfig, "SignatureDoesNotMatch", "secret access key"},
           Case{403, "InvalidAccessKeyId", ErrorKind::kConfig, "InvalidAccessKeyId", "does not know it"},
           Case{404, "XAdminUserNotFound", ErrorKind::kConfig, "404 XAdminUserNotFound", "does not know it"},
           Case{404, "SomethingElse", ErrorKind::kFailed, "404 SomethingElse", ""},
           Case{403, "RequestTimeTooSkewed", ErrorKind::kConfig, "RequestTimeTooSkewed", "clock"},
           Case{400, "ExpiredToken", ErrorKind::kConfig, "ExpiredToken", "Renew the session"},
           Case{400, "KMS.NotFoundException", ErrorKind::kConfig, "KMS.NotFound", "--store-kms-key"},
           Case{400, "InvalidArgument", ErrorKind::kFailed, "400 InvalidArgument", ""},
           Case{301, "PermanentRedirect", ErrorKind::kConfig, "PermanentRedirect", "--store-region"},
           Case{507, "XMinioStorageFull", ErrorKind::kFailed, "XMinioStorageFull", "Free space"},
           Case{501, "NotImplemented", ErrorKind::kUnsupported, "NotImplemented", "another"},
       }) {
    S3Answers s3({S3Answers::Fails(c.status, c.code)});
    const Status status = s3.store().Get(kS3Name).status();
    EXPECT_EQ(KindOf(status), c.kind) << status.ToString();
    EXPECT_THAT(MessageOf(status), HasSubstr("cannot read s3://bucket/a b/c+d: ")) << c.code;
    EXPECT_THAT(MessageOf(status), HasSubstr(c.message));
    EXPECT_THAT(RemedyOf(status), HasSubstr(c.remedy));
    EXPECT_THAT(status.ToString(), Not(HasSubstr("s3cret")));
  }
}

TEST(S3Store, WhatIsInPassingIsTriedAgain) {
  S3Answers s3({S3Answers::Fails(503, "SlowDown"), S3Answers::Fails(500, "InternalError"), S3Answers::Cut(),
                S3Answers::Reset(), S3Answers::Fails(400, "RequestTimeout"), S3Answers::Says(200, "bytes")});
  const auto bytes = s3.store().Get(kS3Name);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(*bytes, "bytes");
  EXPECT_EQ(s3.seen().size(), 6u);
}

TEST(S3Store, TriesAreCounted) {
  S3Answers s3({S3Answers::Fails(503, "SlowDown")});
  s3.options.attempts_max = 2;
  const Status status = s3.store().Get(kS3Name).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry);
  EXPECT_THAT(MessageOf(status), HasSubstr("503 SlowDown"));
  EXPECT_THAT(MessageOf(status), HasSubstr("2 tries"));
  EXPECT_EQ(s3.seen().size(), 2u);
}

TEST(S3Store, SilenceIsBounded) {
  S3Answers s3({S3Answers::Silence()});
  s3.options.attempts_max = 2;
  s3.options.idle_timeout_micros = 50'000;
  const Status status = s3.store().Get(kS3Name).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry);
  EXPECT_THAT(MessageOf(status), HasSubstr("no byte for"));
}

TEST(S3Store, ANewObjectsAnswers) {
  auto put = [](std::vector<S3Answers::Answer> answers, size_t* requests) {
    S3Answers s3(std::move(answers));
    const Status status = s3.store().Put(kS3Name, Bytes("x"), kNew);
    *requests = s3.seen().size();
    return status;
  };
  size_t requests = 0;
  Status exists = put({S3Answers::Fails(412, "PreconditionFailed")}, &requests);
  EXPECT_EQ(KindOf(exists), ErrorKind::kAlreadyExists);
  // What certainly did not happen is tried again.
  EXPECT_TRUE(put({S3Answers::Fails(503, "SlowDown"), S3Answers::Fails(409, "ConditionalRequestConflict"),
                   S3Answers::Fails(409, "ExistingObjectIsDirectory"), S3Answers::Says(200)},
                  &requests)
                  .ok());
  EXPECT_EQ(requests, 4u);
  // What may have happened is not.
  for (const auto& lost : {S3Answers::Fails(500, "InternalError"), S3Answers::Cut(), S3Answers::Reset()}) {
    EXPECT_EQ(KindOf(put({lost, S3Answers::Says(200)}, &requests)), ErrorKind::kUnknownOutcome);
    EXPECT_EQ(requests, 1u);
  }
}

TEST(S3Store, WhereNobodyListensNothingHappened) {
  StoreOptions options;
  {
    S3Answers s3({S3Answers::Says(200)});
    options = s3.options;
  }
  options.attempts_max = 2;
  StopToken stop;
  SystemClock clock;
  auto keys = std::make_shared<KeyRing>(std::vector<http::AwsKeys>{{"AKID", "s3cret", ""}});
  auto store = S3Store::Make(options, {"us-east-1", options.endpoint, ""}, keys, stop, clock).ValueOrDie();
  const Status status = store->Put(kS3Name, Bytes("x"), kNew);
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << status.ToString();
  EXPECT_THAT(RemedyOf(status), HasSubstr("--store-endpoint"));
}

TEST(S3Store, ABucketElsewhereIsFollowedAndRemembered) {
  const std::string header = "x-amz-bucket-region: eu-west-2\r\n";
  S3Answers s3({S3Answers::Says(301, S3ErrorBody("PermanentRedirect"), header), S3Answers::Says(200, "x")});
  ASSERT_TRUE(s3.store().Get(kS3Name).ok());
  ASSERT_TRUE(s3.store().Get(kS3Name).ok());
  auto seen = s3.seen();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_THAT(seen[0].headers["authorization"], HasSubstr("/us-east-1/s3/"));
  EXPECT_THAT(seen[1].headers["authorization"], HasSubstr("/eu-west-2/s3/"));
  EXPECT_THAT(seen[2].headers["authorization"], HasSubstr("/eu-west-2/s3/"));
  const std::string region = "<Region>ap-south-1</Region>";
  S3Answers told(
      {S3Answers::Says(400, S3ErrorBody("AuthorizationHeaderMalformed", region)), S3Answers::Says(200, "x")});
  ASSERT_TRUE(told.store().Get(kS3Name).ok());
  S3Answers circle({S3Answers::Says(301, "", header)});
  const Status status = circle.store().Get(kS3Name).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_THAT(RemedyOf(status), HasSubstr("eu-west-2"));
  S3Answers hostile({S3Answers::Says(301, "", "x-amz-bucket-region: evil.example/\r\n")});
  EXPECT_EQ(KindOf(hostile.store().Get(kS3Name).status()), ErrorKind::kConfig);
  EXPECT_EQ(hostile.seen().size(), 1u);
}

TEST(S3Store, ExpiredKeysAreRenewedOnce) {
  S3Answers s3({S3Answers::Fails(400, "ExpiredToken"), S3Answers::Says(200, "x")});
  s3.keys = std::make_shared<KeyRing>(std::vector<http::AwsKeys>{{"OLD", "s3cret", "t"}, {"NEW", "s3cret", "t"}});
  ASSERT_TRUE(s3.store().Get(kS3Name).ok());
  EXPECT_THAT(s3.seen()[1].headers["authorization"], HasSubstr("Credential=NEW/"));
  S3Answers again({S3Answers::Fails(403, "InvalidToken")});
  again.keys = std::make_shared<KeyRing>(
      std::vector<http::AwsKeys>{{"OLD", "s3cret", "t"}, {"NEW", "s3cret", "t"}, {"NEWER", "s3cret", "t"}});
  EXPECT_EQ(KindOf(again.store().Get(kS3Name).status()), ErrorKind::kConfig);
  EXPECT_EQ(again.keys->renewals, 1);
}

TEST(S3Store, WhatHeadCannotSayGetDoes) {
  S3Answers s3({[](const http::SeenRequest& request, http::HttpAnswer& answer) {
    answer.Whole(403, request.method == "HEAD" ? "" : S3ErrorBody("SignatureDoesNotMatch"));
  }});
  const Status status = s3.store().Head(kS3Name).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(status), HasSubstr("SignatureDoesNotMatch"));
  EXPECT_EQ(s3.seen()[1].headers["range"], "bytes=0-0");
  S3Answers gone({S3Answers::Says(404)});
  EXPECT_EQ(KindOf(gone.store().Head(kS3Name).status()), ErrorKind::kNotFound);
  EXPECT_EQ(gone.seen().size(), 1u);
}

TEST(S3Store, ListingsComeInPages) {
  S3Answers s3({S3Answers::Says(200,
                                "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
                                "<NextContinuationToken>a/b+c=</NextContinuationToken><Contents><Key>t/a+b%2Bc</Key>"
                                "<Size>3</Size><LastModified>2024-08-09T00:00:01.500Z</LastModified></Contents>"
                                "<CommonPrefixes><Prefix>t/x+y/</Prefix></CommonPrefixes></ListBucketResult>"),
                S3Answers::Says(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
                S3Answers::Says(200, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
                S3Answers::Says(200, "<html>a proxy's greeting</html>")});
  const ObjectName folder{"bucket", "t/", "s3://bucket/t"};
  auto page = s3.store().List(folder, true, "");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->objects.size(), 1u);
  EXPECT_EQ(page->objects[0].key, "t/a b+c");
  EXPECT_EQ(page->objects[0].size, 3);
  EXPECT_EQ(page->objects[0].mtime_ms, 1723161601500);
  EXPECT_THAT(page->prefixes, ElementsAre("t/x y/"));
  page = s3.store().List(folder, true, page->next);
  EXPECT_EQ(page->next, "");
  EXPECT_THAT(s3.seen()[1].target, HasSubstr("continuation-token=a%2Fb%2Bc%3D&delimiter=%2F&"));
  EXPECT_EQ(KindOf(s3.store().List(folder, true, "").status()), ErrorKind::kCorrupt);
  EXPECT_EQ(KindOf(s3.store().List(folder, true, "").status()), ErrorKind::kCorrupt);
}

TEST(S3Store, AnUploadMayFailWithA200) {
  S3Answers s3({S3Answers::Fails(200, "InternalError")});
  EXPECT_EQ(KindOf(s3.store().CompleteUpload(kS3Name, "u", {"e1"}, kNew)), ErrorKind::kUnknownOutcome);
  S3Answers bad({S3Answers::Fails(200, "InvalidPart")});
  const Status status = bad.store().CompleteUpload(kS3Name, "u", {"\"e<1\"", "e2"}, kNew);
  EXPECT_EQ(KindOf(status), ErrorKind::kFailed);
  EXPECT_THAT(bad.seen()[0].body, HasSubstr("<PartNumber>1</PartNumber><ETag>&quot;e&lt;1&quot;</ETag>"));
  EXPECT_EQ(bad.seen()[0].headers["if-none-match"], "*");
}

TEST(S3Store, AnUploadThatIsGoneIsAborted) {
  S3Answers s3({S3Answers::Fails(404, "NoSuchUpload")});
  EXPECT_TRUE(s3.store().AbortUpload(kS3Name, "u").ok());
  EXPECT_EQ(s3.seen()[0].target, "/bucket/a%20b/c%2Bd?uploadId=u");
}

TEST(S3Store, AReplacedObjectIsNotReadOn) {
  S3Answers s3({S3Answers::Fails(412, "PreconditionFailed")});
  const Status status = s3.store().GetRange(kS3Name, 10, 5, "\"e\"").status();
  EXPECT_EQ(KindOf(status), ErrorKind::kFailed);
  EXPECT_THAT(RemedyOf(status), HasSubstr("replaced"));
  EXPECT_EQ(s3.seen()[0].headers["range"], "bytes=10-14");
  EXPECT_EQ(s3.seen()[0].headers["if-match"], "\"e\"");
  S3Answers whole({S3Answers::Says(200, "0123456789")});
  EXPECT_EQ(whole.store().GetRange(kS3Name, 3, 4, "").ValueOrDie()->ToString(), "3456");
}

TEST(S3Store, AStopEndsTransfersAndLetsSmallCallsFinish) {
  S3Answers s3({S3Answers::Silence()});
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    s3.stop.RequestStop();
  });
  EXPECT_EQ(KindOf(s3.store().UploadPart(kS3Name, "u", 1, Bytes("x")).status()), ErrorKind::kStopped);
  stopper.join();
  S3Answers slow({[](const http::SeenRequest&, http::HttpAnswer& answer) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    answer.Whole(200, "");
  }});
  slow.stop.RequestStop();
  EXPECT_TRUE(slow.store().Put(kS3Name, Bytes("x"), kNew).ok());
  EXPECT_TRUE(slow.store().Delete(kS3Name).ok());
}

}  // namespace
}  // namespace calve::objectstore
