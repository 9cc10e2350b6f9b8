// What FileIO makes of an object store that goes wrong.
#include "calve/storage/object_file_io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "calve/storage/object_location.h"
#include "calve/storage/testing_file_io_conformance.h"
#include "calve/storage/testing_memory_object_store.h"

namespace calve::storage {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kPart = 1000;

struct MemoryObjectPlace : FileIOPlace {
  FileIO& io() override { return file_io; }
  std::string root() override { return "s3://bucket/ware house"; }

  std::shared_ptr<MemoryObjectStore> store = std::make_shared<MemoryObjectStore>();
  StopToken stop;
  ObjectFileIO file_io{[this](const std::string&) -> Result<ObjectFileIO::StorePointer> { return store; }, 1 << 20, 2,
                       stop};
};

INSTANTIATE_TEST_SUITE_P(Objects, FileIOConformance,
                         ::testing::Values(FileIOCase{"InMemory",
                                                      [] { return std::make_unique<MemoryObjectPlace>(); }}),
                         CaseName);

class ObjectFileIOTest : public ::testing::Test {
 protected:
  ObjectFileIO file_io_{[this](const std::string&) -> Result<ObjectFileIO::StorePointer> { return store_; }, kPart, 2,
                        stop_};
  // The given call fails so, once or always, after as many have passed.
  void Fail(const std::string& call, ErrorKind kind, int skip = 0, int times = 1) {
    store_->fault = [=, n = std::make_shared<std::atomic<int>>(0)](const std::string& made, const auto&) {
      if (made != call) return Status::OK();
      const int number = (*n)++;
      return number < skip || number >= skip + times ? Status::OK() : MakeError(kind, "injected into " + call);
    };
  }
  std::string BytesOf(const std::string& key) const {
    const auto objects = store_->objects();
    const auto found = objects.find(key);
    return found == objects.end() ? "<none>" : found->second.bytes;
  }
  Status WriteStream(size_t bytes) {
    ARROW_ASSIGN_OR_RAISE(auto out, file_io_.OpenOutput("s3://b/f"));
    std::string text(bytes, 'x');
    for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + i / static_cast<size_t>(kPart) % 26);
    ARROW_RETURN_NOT_OK(out->Write(text));
    return out->Close();
  }

  StopToken stop_;
  std::shared_ptr<MemoryObjectStore> store_ = std::make_shared<MemoryObjectStore>();
};

TEST_F(ObjectFileIOTest, ALostAnswerIsFoundByTheWritesId) {
  Fail("put", ErrorKind::kUnknownOutcome);
  EXPECT_TRUE(file_io_.WriteNew("s3://b/v1", "ours").ok());
  EXPECT_EQ(BytesOf("v1"), "ours");
  EXPECT_EQ(KindOf(file_io_.WriteNew("s3://b/v1", "theirs")), ErrorKind::kAlreadyExists);
}

TEST_F(ObjectFileIOTest, ALostRequestIsSentAgain) {
  class Losing : public MemoryObjectStore {
   public:
    Status Put(const ObjectName& name, Buffer bytes, const WriteMode& mode) override {
      if (++tries == 1) return MakeError(ErrorKind::kUnknownOutcome, "lost");
      return MemoryObjectStore::Put(name, bytes, mode);
    }
    int tries = 0;
  };
  auto losing = std::make_shared<Losing>();
  store_ = losing;
  EXPECT_TRUE(file_io_.WriteNew("s3://b/v1", "ours").ok());
  EXPECT_EQ(losing->tries, 2);
  EXPECT_EQ(BytesOf("v1"), "ours");
}

TEST_F(ObjectFileIOTest, AnotherWritersObjectUnderALostAnswer) {
  class Overtaken : public MemoryObjectStore {
   public:
    Status Put(const ObjectName& name, Buffer bytes, const WriteMode& mode) override {
      static_cast<void>(MemoryObjectStore::Put(name, arrow::Buffer::FromString("theirs"), {true, "another"}));
      return MakeError(ErrorKind::kUnknownOutcome, "lost");
    }
  };
  store_ = std::make_shared<Overtaken>();
  EXPECT_EQ(KindOf(file_io_.WriteNew("s3://b/v1", "ours")), ErrorKind::kAlreadyExists);
}

TEST_F(ObjectFileIOTest, WhatCannotBeToldIsUnknown) {
  store_->forgets_ids = true;
  Fail("put", ErrorKind::kUnknownOutcome);
  EXPECT_EQ(KindOf(file_io_.WriteNew("s3://b/v1", "ours")), ErrorKind::kUnknownOutcome);
  store_ = std::make_shared<MemoryObjectStore>();
  store_->fault = [](const std::string& call, const auto&) {
    return call == "put"    ? MakeError(ErrorKind::kUnknownOutcome, "lost")
           : call == "head" ? MakeError(ErrorKind::kRetry, "down")
                            : Status::OK();
  };
  EXPECT_EQ(KindOf(file_io_.WriteNew("s3://b/v1", "ours")), ErrorKind::kUnknownOutcome);
}

TEST_F(ObjectFileIOTest, AStoreThatIgnoresConditionsIsFoundOut) {
  EXPECT_TRUE(file_io_.CheckWriteNew("s3://b/t/metadata").ok());
  EXPECT_TRUE(store_->objects().empty());
  store_->ignores_conditions = true;
  EXPECT_TRUE(file_io_.CheckWriteNew("s3://b/other").ok()) << "looked at once for a bucket";
  const Status found = file_io_.CheckWriteNew("s3://c/t/metadata");
  EXPECT_EQ(KindOf(found), ErrorKind::kUnsupported);
  EXPECT_THAT(MessageOf(found), HasSubstr("s3://c/"));
  EXPECT_THAT(MessageOf(found), HasSubstr("If-None-Match"));
  EXPECT_THAT(RemedyOf(found), HasSubstr("sql or rest"));
  EXPECT_TRUE(store_->objects().empty());
}

TEST_F(ObjectFileIOTest, AStoreThatRefusesConditionsIsWrittenToWithout) {
  store_->refuses_conditions = true;
  EXPECT_EQ(KindOf(file_io_.CheckWriteNew("s3://b/t/metadata")), ErrorKind::kUnsupported);
  EXPECT_TRUE(file_io_.WriteNew("s3://b/a", "1").ok());
  EXPECT_EQ(KindOf(file_io_.WriteNew("s3://b/a", "2")), ErrorKind::kAlreadyExists);
  EXPECT_TRUE(WriteStream(2500).ok());
  EXPECT_EQ(BytesOf("f").size(), 2500u);
}

TEST_F(ObjectFileIOTest, AFailedLookIsNoFinding) {
  Fail("put", ErrorKind::kRetry);
  EXPECT_EQ(KindOf(file_io_.CheckWriteNew("s3://b/t/metadata")), ErrorKind::kRetry);
  EXPECT_TRUE(file_io_.CheckWriteNew("s3://b/t/metadata").ok());
}

TEST_F(ObjectFileIOTest, ALookWhoseAnswerIsLostIsTakenAgain) {
  Fail("put", ErrorKind::kUnknownOutcome, 0, 2);
  EXPECT_TRUE(file_io_.CheckWriteNew("s3://b/t/metadata").ok());
  EXPECT_TRUE(store_->objects().empty()) << "also what was written without an answer is taken away";
  Fail("put", ErrorKind::kUnknownOutcome, 0, 1000);
  EXPECT_EQ(KindOf(file_io_.CheckWriteNew("s3://c/t/metadata")), ErrorKind::kUnknownOutcome);
}

TEST_F(ObjectFileIOTest, ALargeFileGoesUpInParts) {
  ASSERT_TRUE(WriteStream(10'500).ok());
  EXPECT_EQ(BytesOf("f").size(), 10'500u);
  EXPECT_EQ(BytesOf("f").substr(8999, 2), "ij");
  EXPECT_EQ(store_->uploads(), 0u);
  ASSERT_TRUE(file_io_.Delete("s3://b/f").ok());
  ASSERT_TRUE(WriteStream(3000).ok());  // nothing is left for a last part
  EXPECT_EQ(BytesOf("f").size(), 3000u);
}

TEST_F(ObjectFileIOTest, PartsOnTheirWayAreBoundedOverAllFiles) {
  store_->during_part = [] { std::this_thread::sleep_for(std::chrono::milliseconds(2)); };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      auto out = file_io_.OpenOutput("s3://b/" + std::to_string(i)).ValueOrDie();
      EXPECT_TRUE(out->Write(std::string(20 * kPart, 'x')).ok());
      EXPECT_TRUE(out->Close().ok());
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(store_->parts_on_their_way_max, 2);
}

TEST_F(ObjectFileIOTest, WhateverFailsLeavesNoUpload) {
  for (const auto& [call, skip] : {std::pair("part", 0), {"part", 7}, {"complete", 0}}) {
    Fail(call, ErrorKind::kRetry, skip);
    const Status status = WriteStream(10'500);
    EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << call;
    EXPECT_EQ(store_->uploads(), 0u) << call;
    EXPECT_EQ(BytesOf("f"), "<none>") << call;
  }
  Fail("begin", ErrorKind::kConfig);
  EXPECT_EQ(KindOf(WriteStream(10'500)), ErrorKind::kConfig);
  // A lost answer to the last call is found by the write's id.
  Fail("complete", ErrorKind::kUnknownOutcome);
  EXPECT_TRUE(WriteStream(10'500).ok());
  EXPECT_EQ(BytesOf("f").size(), 10'500u);
}

TEST_F(ObjectFileIOTest, AStreamThatIsGivenUpLeavesNothing) {
  for (const bool abort : {true, false}) {
    auto out = file_io_.OpenOutput("s3://b/f").ValueOrDie();
    ASSERT_TRUE(out->Write(std::string(5500, 'x')).ok());
    EXPECT_EQ(store_->uploads(), 1u);
    if (abort) {
      EXPECT_TRUE(out->Abort().ok());
      EXPECT_EQ(KindOf(out->Write("x")), ErrorKind::kFailed);
    }
    out.reset();
    EXPECT_EQ(store_->uploads(), 0u);
    EXPECT_EQ(BytesOf("f"), "<none>");
  }
}

TEST_F(ObjectFileIOTest, AFileThatCameMeanwhileStays) {
  for (const size_t bytes : {500, 5500}) {
    auto out = file_io_.OpenOutput("s3://b/f").ValueOrDie();
    ASSERT_TRUE(out->Write(std::string(bytes, 'x')).ok());
    ASSERT_TRUE(file_io_.WriteNew("s3://b/f", "theirs").ok());
    EXPECT_EQ(KindOf(out->Close()), ErrorKind::kAlreadyExists);
    EXPECT_EQ(BytesOf("f"), "theirs");
    EXPECT_EQ(store_->uploads(), 0u);
    ASSERT_TRUE(file_io_.Delete("s3://b/f").ok());
  }
}

TEST_F(ObjectFileIOTest, AStopEndsAnUpload) {
  auto out = file_io_.OpenOutput("s3://b/f").ValueOrDie();
  store_->during_part = [&] {
    stop_.RequestStop();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  };
  EXPECT_EQ(KindOf(out->Write(std::string(50 * kPart, 'x'))), ErrorKind::kStopped);
  EXPECT_TRUE(out->Abort().ok());
  EXPECT_EQ(store_->uploads(), 0u);
  EXPECT_EQ(KindOf(file_io_.OpenOutput("s3://b/g").status()), ErrorKind::kStopped);
}

TEST_F(ObjectFileIOTest, UploadsOfTheDeadAreTakenAway) {
  const auto begin = [&](const std::string& key) {
    return store_->BeginUpload({"b", key, "s3://b/" + key}, {true, "id"}).ValueOrDie();
  };
  store_->now_ms = 1000;
  begin("t/data/old");
  begin("table/neighbour");
  store_->now_ms = 2000;
  begin("t/data/young");
  EXPECT_EQ(*file_io_.RemoveUnfinished("s3://b/t", 1500, /*dry_run=*/true), 1);
  EXPECT_EQ(store_->uploads(), 3u);
  EXPECT_EQ(*file_io_.RemoveUnfinished("s3://b/t", 1500, /*dry_run=*/false), 1);
  EXPECT_EQ(store_->uploads(), 2u);
  EXPECT_EQ(*file_io_.RemoveUnfinished("s3://b/t/", 2001, /*dry_run=*/false), 1);
  EXPECT_EQ(store_->uploads(), 1u);
}

TEST_F(ObjectFileIOTest, TooManyPartsAreRefusedWithTheRemedy) {
  const Status status = WriteStream(101 * kPart);
  EXPECT_EQ(KindOf(status), ErrorKind::kFailed);
  EXPECT_THAT(RemedyOf(status), HasSubstr("--store-part-size"));
  EXPECT_EQ(store_->uploads(), 0u);
}

TEST(ObjectLocation, BucketAndKey) {
  auto name = ParseObjectLocation("s3a://bucket/a b//c%20d").ValueOrDie();
  EXPECT_EQ(name.bucket, "bucket");
  EXPECT_EQ(name.key, "a b//c%20d");
  EXPECT_EQ(RootOf(name), "s3a://bucket/");
  EXPECT_EQ(FolderKey(name), "a b//c%20d/");
  EXPECT_EQ(ParseObjectLocation("s3://bucket")->key, "");
  EXPECT_EQ(FolderKey(*ParseObjectLocation("s3://bucket/")), "");
  EXPECT_EQ(KindOf(ParseObjectLocation("s3:///key").status()), ErrorKind::kConfig);
}

}  // namespace
}  // namespace calve::storage
