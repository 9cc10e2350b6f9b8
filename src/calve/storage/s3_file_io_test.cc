// FileIO on real S3 servers: the conformance suite, and what only object stores do.
#include <arrow/memory_pool.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "calve/storage/testing_s3_place.h"

namespace calve::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kMiB = 1 << 20;

std::unique_ptr<FileIOPlace> Place(S3Server* server) { return server ? std::make_unique<S3Place>(*server) : nullptr; }

INSTANTIATE_TEST_SUITE_P(RealServer, FileIOConformance,
                         ::testing::Values(FileIOCase{"Versitygw", [] { return Place(S3Server::Versitygw()); }},
                                           FileIOCase{"Minio", [] { return Place(S3Server::Minio()); }}),
                         CaseName);

class S3RealServer : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    server_ = GetParam() == "Minio" ? S3Server::Minio() : S3Server::Versitygw();
    if (!server_) GTEST_SKIP() << "not installed";
    objectstore::StoreOptions options;
    options.part_bytes = 5 * kMiB;
    options.uploads_max = 3;
    place_ = std::make_unique<S3Place>(*server_, options);
  }
  FileIO& io() { return place_->io(); }
  std::string At(const std::string& name) { return JoinLocation(place_->root(), name); }
  size_t Uploads() {
    const objectstore::ObjectName all{place_->bucket, "", "s3://" + place_->bucket};
    auto uploads = place_->store.Get()->ListUploads(all);
    EXPECT_TRUE(uploads.ok()) << uploads.status();
    return uploads.ok() ? uploads->size() : 99;
  }
  // A chain that knows nothing but what `variables` say, and a file at a location read by it.
  Status ReadWith(std::map<std::string, std::string> variables, objectstore::StoreOptions options,
                  const std::string& location) {
    variables["AWS_EC2_METADATA_DISABLED"] = "true";
    const objectstore::Environment environment = [&](const std::string& name) { return variables[name]; };
    options.endpoint = server_->endpoint();
    ARROW_ASSIGN_OR_RAISE(const auto where, objectstore::ResolveAwsPlace(options, environment));
    auto chain = std::make_shared<objectstore::AwsCredentialChain>(options, where, environment, place_->store.stop,
                                                                   place_->store.clock);
    ARROW_ASSIGN_OR_RAISE(auto store,
                          objectstore::S3Store::Make(options, where, chain, place_->store.stop, place_->store.clock));
    return store->Get({place_->bucket, location.substr(location.find('/', 5) + 1), location}).status();
  }

  S3Server* server_ = nullptr;
  std::unique_ptr<S3Place> place_;
};

INSTANTIATE_TEST_SUITE_P(Every, S3RealServer, ::testing::Values("Versitygw", "Minio"),
                         [](const auto& server) { return server.param; });

TEST_P(S3RealServer, ALargeFileGoesUpInPartsAndTakesLittleMemory) {
  std::string piece(3 * kMiB + 7, '\0');
  for (size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<char>(i * 2654435761u >> 11);
  const int64_t before = arrow::default_memory_pool()->bytes_allocated();
  int64_t most = 0;
  auto out = io().OpenOutput(At("large")).ValueOrDie();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(out->Write(piece).ok());
    most = std::max(most, arrow::default_memory_pool()->bytes_allocated() - before);
  }
  EXPECT_FALSE(*io().Exists(At("large")));
  EXPECT_EQ(Uploads(), 1u);
  ASSERT_TRUE(out->Close().ok());
  EXPECT_EQ(Uploads(), 0u);
  // The parts on their way and the one being filled; small answers besides.
  EXPECT_LE(most, (3 + 1) * 5 * kMiB + kMiB);
  const std::string bytes = io().Read(At("large")).ValueOrDie();
  ASSERT_EQ(bytes.size(), 20 * piece.size());
  for (size_t i = 0; i < 20; ++i) ASSERT_TRUE(bytes.compare(i * piece.size(), piece.size(), piece) == 0) << i;
}

TEST_P(S3RealServer, AnUploadThatIsGivenUpLeavesNothing) {
  for (const bool abort : {true, false}) {
    auto out = io().OpenOutput(At("given-up")).ValueOrDie();
    ASSERT_TRUE(out->Write(std::string(12 * kMiB, 'x')).ok());
    EXPECT_EQ(Uploads(), 1u);
    if (abort) {
      EXPECT_TRUE(out->Abort().ok());
    }
    out.reset();
    EXPECT_EQ(Uploads(), 0u);
    EXPECT_FALSE(*io().Exists(At("given-up")));
  }
}

TEST_P(S3RealServer, AFileThatCameMeanwhileStays) {
  for (const size_t bytes : {size_t{10}, size_t{6 * kMiB}}) {
    auto out = io().OpenOutput(At("twice")).ValueOrDie();
    ASSERT_TRUE(out->Write(std::string(bytes, 'x')).ok());
    ASSERT_TRUE(io().WriteNew(At("twice"), "theirs").ok());
    EXPECT_EQ(KindOf(out->Close()), ErrorKind::kAlreadyExists) << bytes;
    EXPECT_EQ(*io().Read(At("twice")), "theirs");
    EXPECT_EQ(Uploads(), 0u);
    ASSERT_TRUE(io().Delete(At("twice")).ok());
  }
}

TEST_P(S3RealServer, WriteNewKeepsItsPromiseHere) {
  EXPECT_TRUE(io().CheckWriteNew(At("t/metadata")).ok());
  EXPECT_TRUE(io().List("s3://" + place_->bucket).ValueOrDie().empty());
}

TEST_P(S3RealServer, TheWritesIdIsKept) {
  ASSERT_TRUE(io().WriteNew(At("a"), "x").ok());
  const auto name = ParseObjectLocation(At("a")).ValueOrDie();
  EXPECT_EQ(place_->store.Get()->Head(name)->write_id.size(), 36u);
  auto out = io().OpenOutput(At("b")).ValueOrDie();
  ASSERT_TRUE(out->Write(std::string(6 * kMiB, 'x')).ok());
  ASSERT_TRUE(out->Close().ok());
  EXPECT_EQ(place_->store.Get()->Head(*ParseObjectLocation(At("b")))->write_id.size(), 36u);
}

TEST_P(S3RealServer, ErrorsOfARealServer) {
  ASSERT_TRUE(io().WriteNew(At("a"), "x").ok());
  const Status bucket = io().Read("s3://no-such-bucket-here/a").status();
  EXPECT_EQ(KindOf(bucket), ErrorKind::kConfig) << bucket.ToString();
  EXPECT_THAT(bucket.ToString(), HasSubstr("NoSuchBucket"));
  const Status key = ReadWith({{"AWS_ACCESS_KEY_ID", "nobody"}, {"AWS_SECRET_ACCESS_KEY", "s3cret"}}, {}, At("a"));
  EXPECT_EQ(KindOf(key), ErrorKind::kConfig) << key.ToString();
  const Status secret =
      ReadWith({{"AWS_ACCESS_KEY_ID", S3Server::kAccessKey}, {"AWS_SECRET_ACCESS_KEY", "wr0ng"}}, {}, At("a"));
  EXPECT_EQ(KindOf(secret), ErrorKind::kConfig);
  EXPECT_THAT(secret.ToString(), HasSubstr("SignatureDoesNotMatch"));
  EXPECT_THAT(secret.ToString(), Not(HasSubstr("wr0ng")));
  EXPECT_FALSE(io().Exists("s3://no-such-bucket-here/a").ValueOr(true)) << "HEAD cannot tell a bucket from a key";
}

TEST_P(S3RealServer, AnotherRegionThanTheServers) {
  ASSERT_TRUE(io().WriteNew(At("a"), "x").ok());
  objectstore::StoreOptions options;
  options.region = "eu-central-1";
  const Status status = ReadWith(
      {{"AWS_ACCESS_KEY_ID", S3Server::kAccessKey}, {"AWS_SECRET_ACCESS_KEY", S3Server::kSecretKey}}, options, At("a"));
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST(S3RealServerAlone, ListsMoreThanOnePage) {
  S3Server* server = S3Server::Versitygw();
  if (!server) GTEST_SKIP() << "not installed";
  S3Place place(*server);
  const std::string folder = server->folder() + "/" + place.bucket + "/t";
  std::filesystem::create_directories(folder);
  for (int i = 0; i < 1100; ++i) std::ofstream(folder + "/" + std::to_string(i)) << i;
  EXPECT_EQ(place.io().List("s3://" + place.bucket + "/t").ValueOrDie().size(), 1100u);
}

// The role's keys are a session's, with a token, that MinIO's own STS gives out.
TEST(S3RealServerAlone, ASessionsKeys) {
  S3Server* server = S3Server::Minio();
  if (!server) GTEST_SKIP() << "not installed";
  S3Place place(*server);
  TempDir home;
  std::filesystem::create_directories(home.path() + "/.aws");
  std::ofstream(home.path() + "/.aws/credentials")
      << "[base]\naws_access_key_id = " << S3Server::kAccessKey << "\naws_secret_access_key = " << S3Server::kSecretKey
      << "\n[role]\nrole_arn = arn:aws:iam::1:role/any\nsource_profile = base\n";
  const objectstore::Environment environment = [&](const std::string& name) -> std::string {
    if (name == "HOME") return home.path();
    return name == "AWS_ENDPOINT_URL_STS" || name == "AWS_ENDPOINT_URL" ? server->endpoint() : "";
  };
  objectstore::StoreOptions options;
  options.profile = "role";
  const auto where = objectstore::ResolveAwsPlace(options, environment).ValueOrDie();
  auto chain = std::make_shared<objectstore::AwsCredentialChain>(options, where, environment, place.store.stop,
                                                                 place.store.clock);
  const auto credentials = chain->Get();
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  EXPECT_NE(credentials->keys.session_token, "");
  EXPECT_GT(credentials->expires_at_ms, place.store.clock.Now() / 1000);
  auto store = objectstore::S3Store::Make(options, where, chain, place.store.stop, place.store.clock).ValueOrDie();
  const objectstore::ObjectName name{place.bucket, "a", "s3://" + place.bucket + "/a"};
  ASSERT_TRUE(store->Put(name, arrow::Buffer::FromString("x"), {true, "id"}).ok());
  EXPECT_EQ(*store->Get(name), "x");
}

}  // namespace
}  // namespace calve::storage
