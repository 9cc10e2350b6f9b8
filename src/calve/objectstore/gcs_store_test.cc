// What Google's answers mean, and who calve is there. That requests are taken is tested on an emulator, in storage/.
#include "calve/objectstore/gcs_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <map>

#include "calve/http/testing_http_server.h"
#include "calve/objectstore/google_tokens.h"
#include "calve/objectstore/testing_text_files.h"

namespace calve::objectstore {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const ObjectName kGcsName{"bucket", "a b/c", "gs://bucket/a b/c"};

std::string NewPrivateKey() {
  EVP_PKEY* key = EVP_RSA_gen(2048);
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(memory, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  std::string pem(data, static_cast<size_t>(size));
  BIO_free(memory);
  EVP_PKEY_free(key);
  return pem;
}

class GcsStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<GcsStore> Store(const http::TestingHttpServer& server,
                                  std::shared_ptr<TokenSource> tokens = nullptr) {
    options_.attempts_max = 3;
    return GcsStore::Make(options_, server.url(""), std::move(tokens), stop_, clock_).ValueOrDie();
  }
  StoreOptions options_;
  StopToken stop_;
  SystemClock clock_;
};

TEST_F(GcsStoreTest, ErrorsSayWhatToDo) {
  struct Case {
    int status;
    std::string message;
    ErrorKind kind;
    std::string remedy;
  };
  for (const Case& c :
       {Case{404, "The specified bucket does not exist.", ErrorKind::kConfig, "Create the bucket"},
        Case{404, "No such object: bucket/a", ErrorKind::kNotFound, ""},
        Case{404, "Not Found", ErrorKind::kNotFound, ""},
        Case{403, "no access", ErrorKind::kConfig, "storage.objects.get"},
        Case{401, "Invalid Credentials", ErrorKind::kConfig, "Log in"}, Case{400, "bad", ErrorKind::kFailed, ""}}) {
    http::TestingHttpServer server([&](const http::SeenRequest&, http::HttpAnswer& answer) {
      answer.Whole(c.status, "{\"error\":{\"code\":1,\"message\":\"" + c.message + "\"}}");
    });
    const Status status = Store(server)->Get(kGcsName).status();
    EXPECT_EQ(KindOf(status), c.kind) << status.ToString();
    EXPECT_THAT(RemedyOf(status), HasSubstr(c.remedy));
    EXPECT_THAT(MessageOf(status), HasSubstr("gs://bucket/a b/c"));
  }
}

TEST_F(GcsStoreTest, WhatIsLostInACreationIsUnknown) {
  http::TestingHttpServer server(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(503, "backend error"); });
  EXPECT_EQ(KindOf(Store(server)->Put(kGcsName, arrow::Buffer::FromString("x"), {true, "id"})),
            ErrorKind::kUnknownOutcome);
  EXPECT_EQ(KindOf(Store(server)->Get(kGcsName).status()), ErrorKind::kRetry);
}

TEST_F(GcsStoreTest, AServiceAccountsKeyIsExchangedForATokenOnce) {
  TextFiles files;
  std::string pem = NewPrivateKey(), escaped;
  for (const char c : pem) escaped += c == '\n' ? std::string("\\n") : std::string(1, c);
  std::atomic<int> tokens{0};
  http::TestingHttpServer google([&](const http::SeenRequest& request, http::HttpAnswer& answer) {
    if (request.target == "/token") {
      const int number = ++tokens;
      answer.Whole(200, "{\"access_token\":\"token-" + std::to_string(number) + "\",\"expires_in\":3600}");
    } else {
      const bool expired = request.headers.at("authorization") == "Bearer token-1";
      answer.Whole(expired ? 401 : 200, "bytes");
    }
  });
  const std::string file =
      files.Write("key.json",
                  "{\"type\":\"service_account\",\"client_email\":\"calve@p.iam\",\"private_key_id\":\"k\","
                  "\"private_key\":\"" +
                      escaped + "\",\"token_uri\":\"" + google.url("/token") + "\"}");
  const Environment environment = [&](const std::string& name) {
    return name == "GOOGLE_APPLICATION_CREDENTIALS" ? file : std::string();
  };
  std::shared_ptr<TokenSource> source = GoogleTokens(environment, "", stop_, clock_);
  auto store = Store(google, source);
  ASSERT_TRUE(store->Get(kGcsName).ok()) << "the first token has expired and is renewed";
  ASSERT_TRUE(store->Get(kGcsName).ok());
  EXPECT_EQ(tokens, 2);
  EXPECT_THAT(google.seen()[0].body, HasSubstr("assertion=ey"));
}

TEST_F(GcsStoreTest, TheMachineIsAsked) {
  http::TestingHttpServer metadata([](const http::SeenRequest& request, http::HttpAnswer& answer) {
    answer.Whole(request.headers.at("metadata-flavor") == "Google" ? 200 : 403,
                 "{\"access_token\":\"of-the-machine\",\"expires_in\":3600}");
  });
  const Environment environment = [&](const std::string& name) {
    return name == "GCE_METADATA_HOST" ? metadata.url("").substr(7) : std::string();
  };
  EXPECT_EQ(*GoogleTokens(environment, "", stop_, clock_)->Get(), "of-the-machine");
  const Environment nothing = [](const std::string& name) {
    return name == "GCE_METADATA_HOST" ? std::string("127.0.0.1:1") : std::string();
  };
  const Status status = GoogleTokens(nothing, "", stop_, clock_)->Get().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(status), HasSubstr("GOOGLE_APPLICATION_CREDENTIALS"));
  EXPECT_THAT(MessageOf(status), HasSubstr("does not answer"));
}

TEST_F(GcsStoreTest, ABrokenKeyIsNamedWithoutItsContent) {
  const Status status = SignedAssertion("e", "k", "-----BEGIN s3cret", "aud", 0).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_THAT(status.ToString(), Not(HasSubstr("s3cret")));
}

TEST_F(GcsStoreTest, AResumableUploadGoesOnWhereTheStoreIs) {
  std::vector<std::string> ranges;
  std::atomic<int> puts{0};
  http::TestingHttpServer server([&](const http::SeenRequest& request, http::HttpAnswer& answer) {
    if (request.method == "POST") {
      answer.Whole(200, "", "Location: http://elsewhere.example/upload/x?upload_id=1\r\n");
    } else if (++puts == 1) {  // half of the part
      answer.Whole(308, "", "Range: bytes=0-262143\r\n");
    } else {
      answer.Whole(puts == 2 ? 308 : 200, "{}", puts == 2 ? "Range: bytes=0-524287\r\n" : "");
    }
  });
  auto store = Store(server);
  const std::string upload = store->BeginUpload(kGcsName, {true, "id"}).ValueOrDie();
  ASSERT_TRUE(store->UploadPart(kGcsName, upload, 1, arrow::Buffer::FromString(std::string(512 << 10, 'x'))).ok());
  ASSERT_TRUE(store->UploadPart(kGcsName, upload, 2, arrow::Buffer::FromString("end")).ok());
  ASSERT_TRUE(store->CompleteUpload(kGcsName, upload, {"1", "2"}, {true, "id"}).ok());
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 4u);  // and none of them elsewhere
  EXPECT_THAT(seen[0].target, HasSubstr("ifGenerationMatch=0"));
  EXPECT_EQ(seen[1].headers.at("content-range"), "bytes 0-524287/*");
  EXPECT_EQ(seen[2].headers.at("content-range"), "bytes 262144-524287/*");
  EXPECT_EQ(seen[3].headers.at("content-range"), "bytes 524288-524290/524291");
}

TEST_F(GcsStoreTest, OptionsOfS3AreRefused) {
  options_.encryption = ServerSideEncryption::kKms;
  EXPECT_EQ(KindOf(GcsStore::Make(options_, "http://x", nullptr, stop_, clock_).status()), ErrorKind::kConfig);
}

}  // namespace
}  // namespace calve::objectstore
