// FileIO on emulators of Google's and Azure's stores: the conformance suite, and uploads in parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/storage/testing_cloud_places.h"

namespace calve::storage {
namespace {

std::unique_ptr<FileIOPlace> Place(const std::string& kind) {
  CloudEmulator* emulator = kind == "Gcs" ? CloudEmulator::Gcs() : CloudEmulator::Azurite();
  if (!emulator) return nullptr;
  if (kind == "Gcs") return std::make_unique<GcsPlace>(*emulator);
  return std::make_unique<AzurePlace>(*emulator);
}

INSTANTIATE_TEST_SUITE_P(RealServerOfClouds, FileIOConformance,
                         ::testing::Values(FileIOCase{"Gcs", [] { return Place("Gcs"); }},
                                           FileIOCase{"Azurite", [] { return Place("Azurite"); }}),
                         CaseName);

class CloudRealServer : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    place_ = Place(GetParam());
    if (!place_) GTEST_SKIP() << "not installed";
  }
  FileIO& io() { return place_->io(); }
  std::string At(const std::string& name) { return JoinLocation(place_->root(), name); }
  std::unique_ptr<FileIOPlace> place_;
};

INSTANTIATE_TEST_SUITE_P(Every, CloudRealServer, ::testing::Values("Gcs", "Azurite"),
                         [](const auto& cloud) { return cloud.param; });

TEST_P(CloudRealServer, ALargeFileGoesUpInParts) {
  std::string bytes(5'500'003, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 11);
  for (const size_t size : {bytes.size(), size_t{4 << 20}}) {
    auto out = io().OpenOutput(At("large")).ValueOrDie();
    ASSERT_TRUE(out->Write(bytes.substr(0, size)).ok());
    EXPECT_FALSE(*io().Exists(At("large")));
    const Status closed = out->Close();
    ASSERT_TRUE(closed.ok()) << closed.ToString();
    EXPECT_TRUE(*io().Read(At("large")) == bytes.substr(0, size));
    ASSERT_TRUE(io().Delete(At("large")).ok());
  }
}

TEST_P(CloudRealServer, AnUploadThatIsGivenUpLeavesNothing) {
  auto out = io().OpenOutput(At("given-up")).ValueOrDie();
  ASSERT_TRUE(out->Write(std::string(3'000'000, 'x')).ok());
  EXPECT_TRUE(out->Abort().ok());
  EXPECT_FALSE(*io().Exists(At("given-up")));
  // Azurite takes blocks that were never put together for a blob; no file's name is used a second time.
  if (GetParam() == "Azurite") return;
  const Status later = io().WriteNew(At("given-up"), "later");
  EXPECT_TRUE(later.ok()) << later.ToString();
}

TEST_P(CloudRealServer, AFileThatCameMeanwhileStays) {
  // Azurite takes parts that were not put together yet for a file (Azure itself does not), so that there nobody else
  // could make one beside an upload under way.
  const std::vector<size_t> sizes =
      GetParam() == "Azurite" ? std::vector<size_t>{10} : std::vector<size_t>{10, 3'000'000};
  for (const size_t bytes : sizes) {
    auto out = io().OpenOutput(At("twice")).ValueOrDie();
    ASSERT_TRUE(out->Write(std::string(bytes, 'x')).ok());
    ASSERT_TRUE(io().WriteNew(At("twice"), "theirs").ok());
    EXPECT_EQ(KindOf(out->Close()), ErrorKind::kAlreadyExists) << bytes;
    EXPECT_EQ(*io().Read(At("twice")), "theirs");
    ASSERT_TRUE(io().Delete(At("twice")).ok());
  }
}

TEST_P(CloudRealServer, WriteNewKeepsItsPromiseHere) {
  EXPECT_TRUE(io().CheckWriteNew(At("t/metadata")).ok());
  EXPECT_TRUE(io().List(place_->root()).ValueOrDie().empty());
}

}  // namespace
}  // namespace calve::storage
