// Who calve is at which location.
#include "calve/storage/s3_stores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/http/testing_http_server.h"
#include "calve/storage/object_location.h"

namespace calve::storage {
namespace {

using ::testing::HasSubstr;

class TestClock : public Clock {
 public:
  TimestampMicros Now() const override { return now_ms * 1000; }
  int64_t now_ms = 1'700'000'000'000;
};

class S3StoresTest : public ::testing::Test {
 protected:
  FileIOContext Context() {
    FileIOContext context{{}, &book_, &stop_, &clock_};
    context.options.endpoint = server_.url("");
    return context;
  }
  std::map<std::string, std::string> Vended(const std::string& id, int64_t ends_ms = 0) const {
    std::map<std::string, std::string> config = {
        {"s3.access-key-id", id}, {"s3.secret-access-key", "s3cret"}, {"s3.session-token", "token-of-" + id}};
    if (ends_ms != 0) config["s3.session-token-expires-at-ms"] = std::to_string(ends_ms);
    return config;
  }
  // The access key that a location was read with.
  std::string KeyFor(const std::string& location) {
    auto store = stores_.StoreOf(location);
    if (!store.ok()) return store.status().ToString();
    auto read = (*store)->Get(*ParseObjectLocation(location));
    if (!read.ok()) return read.status().ToString();
    const std::string authorization = server_.seen().back().headers.at("authorization");
    const size_t begin = authorization.find("Credential=") + 11;
    return authorization.substr(begin, authorization.find('/', begin) - begin);
  }

  std::atomic<bool> refuses_old_{false};
  http::TestingHttpServer server_{[this](const http::SeenRequest& request, http::HttpAnswer& answer) {
    const bool old = request.headers.at("authorization").find("Credential=OLD/") != std::string::npos;
    if (old && refuses_old_) {
      answer.Whole(400, "<Error><Code>ExpiredToken</Code></Error>");
    } else {
      answer.Whole(200, "bytes");
    }
  }};
  StorageCredentials book_;
  StopToken stop_;
  TestClock clock_;
  std::map<std::string, std::string> variables_ = {{"AWS_ACCESS_KEY_ID", "OWN"}, {"AWS_SECRET_ACCESS_KEY", "s3cret"}};
  S3Stores stores_{Context(), [this](const std::string& name) { return variables_[name]; }};
};

TEST_F(S3StoresTest, EachLocationByWhatWasVendedForItElseByTheChain) {
  EXPECT_EQ(KeyFor("s3://bucket/warehouse/x"), "OWN");
  book_.Put({"s3://bucket/t", Vended("TABLE")});
  EXPECT_EQ(KeyFor("s3://bucket/t/data/x"), "TABLE");
  EXPECT_EQ(server_.seen().back().headers.at("x-amz-security-token"), "token-of-TABLE");
  EXPECT_EQ(KeyFor("s3://bucket/warehouse/x"), "OWN");
}

TEST_F(S3StoresTest, KeysAreRenewedBeforeTheyEnd) {
  book_.Put({"s3://bucket/t", Vended("OLD", clock_.now_ms + 600'000)});
  int refreshes = 0;
  book_.SetRefresher([&](const std::string& location) {
    EXPECT_THAT(location, HasSubstr("s3://bucket/t/"));
    ++refreshes;
    book_.Put({"s3://bucket/t", Vended("NEW", clock_.now_ms + 600'000)});
    return Status::OK();
  });
  EXPECT_EQ(KeyFor("s3://bucket/t/x"), "OLD");
  EXPECT_EQ(refreshes, 0);
  clock_.now_ms += 570'000;
  EXPECT_EQ(KeyFor("s3://bucket/t/x"), "NEW");
  EXPECT_EQ(KeyFor("s3://bucket/t/y"), "NEW");
  EXPECT_EQ(refreshes, 1);
}

TEST_F(S3StoresTest, KeysThatAreRefusedAreRenewedOnce) {
  refuses_old_ = true;
  book_.Put({"s3://bucket/t", Vended("OLD")});
  EXPECT_THAT(KeyFor("s3://bucket/t/x"), HasSubstr("nothing can renew them"));
  int refreshes = 0;
  book_.SetRefresher([&](const std::string&) {
    ++refreshes;
    book_.Put({"s3://bucket/t", Vended(refreshes == 1 ? "OLD" : "NEW")});
    return Status::OK();
  });
  EXPECT_THAT(KeyFor("s3://bucket/t/x"), HasSubstr("ExpiredToken")) << "the same keys came again";
  EXPECT_EQ(KeyFor("s3://bucket/t/x"), "NEW");
  EXPECT_EQ(refreshes, 2);
}

TEST_F(S3StoresTest, AFailedRenewalMattersOnlyOnceTheKeysHaveEnded) {
  book_.Put({"s3://bucket/t", Vended("OLD", clock_.now_ms + 30'000)});
  book_.SetRefresher([](const std::string&) { return MakeError(ErrorKind::kRetry, "the catalog is away"); });
  EXPECT_EQ(KeyFor("s3://bucket/t/x"), "OLD");
  clock_.now_ms += 30'000;
  EXPECT_THAT(KeyFor("s3://bucket/t/x"), HasSubstr("the catalog is away"));
}

TEST_F(S3StoresTest, TheCatalogSaysWhereTheStoreIs) {
  http::TestingHttpServer elsewhere(
      [](const http::SeenRequest&, http::HttpAnswer& answer) { answer.Whole(200, "bytes"); });
  auto config = Vended("TABLE");
  config["s3.endpoint"] = elsewhere.url("/");
  config["client.region"] = "eu-west-1";
  config["s3.path-style-access"] = "true";
  book_.Put({"s3://bucket/t", config});
  auto store = stores_.StoreOf("s3://bucket/t/x");
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->Get(*ParseObjectLocation("s3://bucket/t/x")).ok());
  EXPECT_TRUE(server_.seen().empty());
  EXPECT_THAT(elsewhere.seen()[0].headers.at("authorization"), HasSubstr("/eu-west-1/s3/"));
  // Without keys of its own the chain's are used there.
  book_.Put({"s3://bucket/u", {{"s3.endpoint", elsewhere.url("")}}});
  store = stores_.StoreOf("s3://bucket/u/x");
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->Get(*ParseObjectLocation("s3://bucket/u/x")).ok());
  EXPECT_THAT(elsewhere.seen()[1].headers.at("authorization"), HasSubstr("Credential=OWN/"));
}

}  // namespace
}  // namespace calve::storage
