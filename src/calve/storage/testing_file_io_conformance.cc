#include "calve/storage/testing_file_io_conformance.h"

#include <arrow/buffer.h>
#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

namespace calve::storage {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::string FileIOConformance::ReadBack(const std::string& location) {
  auto bytes = io_->Read(location);
  EXPECT_TRUE(bytes.ok()) << bytes.status().ToString();
  return bytes.ok() ? *bytes : "";
}

Status FileIOConformance::WriteStream(const std::string& location, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(auto out, io_->OpenOutput(location));
  size_t half = bytes.size() / 2;
  ARROW_RETURN_NOT_OK(out->Write(bytes.substr(0, half)));
  ARROW_RETURN_NOT_OK(out->Write(bytes.substr(half)));
  ARROW_ASSIGN_OR_RAISE(int64_t position, out->Tell());
  EXPECT_EQ(position, static_cast<int64_t>(bytes.size()));
  ARROW_RETURN_NOT_OK(out->Close());
  EXPECT_TRUE(out->closed());
  return out->Close();  // closing twice is allowed
}

namespace {

std::vector<std::string> OddContents() {
  std::string large(5 << 20, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761u >> 13);
  return {"", "x", std::string("\0\xff\n\r\0", 5), large};
}

TEST_P(FileIOConformance, ReadsBackWhatWasWritten) {
  int n = 0;
  for (const std::string& content : OddContents()) {
    std::string base = At("deep/er/" + std::to_string(n++));
    ASSERT_TRUE(io_->WriteNew(base + "-new", content).ok());
    ASSERT_TRUE(io_->Replace(base + "-replaced", content).ok());
    Status streamed = WriteStream(base + "-streamed", content);
    ASSERT_TRUE(streamed.ok()) << streamed.ToString();
    for (const char* end : {"-new", "-replaced", "-streamed"})
      EXPECT_TRUE(ReadBack(base + end) == content) << base << end;
  }
}

TEST_P(FileIOConformance, WriteNewLeavesAnExistingFileUntouched) {
  ASSERT_TRUE(io_->WriteNew(At("v1"), "first").ok());
  Status again = io_->WriteNew(At("v1"), "second");
  EXPECT_EQ(KindOf(again), ErrorKind::kAlreadyExists) << again.ToString();
  EXPECT_THAT(MessageOf(again), HasSubstr("v1"));
  EXPECT_EQ(ReadBack(At("v1")), "first");
  ASSERT_TRUE(WriteStream(At("v2"), "streamed").ok());
  EXPECT_EQ(KindOf(io_->WriteNew(At("v2"), "second")), ErrorKind::kAlreadyExists);
  EXPECT_EQ(ReadBack(At("v2")), "streamed");
  ASSERT_TRUE(io_->WriteNew(At("v3"), "").ok());  // an empty file exists too
  EXPECT_EQ(KindOf(io_->WriteNew(At("v3"), "second")), ErrorKind::kAlreadyExists);
  EXPECT_EQ(ReadBack(At("v3")), "");
}

TEST_P(FileIOConformance, OpenOutputRefusesAnExistingFile) {
  ASSERT_TRUE(io_->WriteNew(At("a"), "first").ok());
  EXPECT_EQ(KindOf(io_->OpenOutput(At("a")).status()), ErrorKind::kAlreadyExists);
  EXPECT_EQ(ReadBack(At("a")), "first");
}

TEST_P(FileIOConformance, ReplaceWritesWholeFilesOverOldOnes) {
  ASSERT_TRUE(io_->Replace(At("hint"), "a long first content").ok());
  ASSERT_TRUE(io_->Replace(At("hint"), "2").ok());
  EXPECT_EQ(ReadBack(At("hint")), "2");
}

TEST_P(FileIOConformance, WhatIsNotThereIsNotFound) {
  ASSERT_TRUE(io_->WriteNew(At("file"), "x").ok());
  for (const char* name : {"nothing", "no/folder/either", "fil", "file2"}) {
    Status read = io_->Read(At(name)).status();
    EXPECT_EQ(KindOf(read), ErrorKind::kNotFound) << name << ": " << read.ToString();
    EXPECT_THAT(MessageOf(read), HasSubstr(name));
    Status open = io_->OpenInput(At(name)).status();
    EXPECT_EQ(KindOf(open), ErrorKind::kNotFound) << name << ": " << open.ToString();
  }
}

TEST_P(FileIOConformance, ExistsIsForFilesOnly) {
  ASSERT_TRUE(io_->WriteNew(At("folder/file"), "x").ok());
  EXPECT_TRUE(*io_->Exists(At("folder/file")));
  EXPECT_FALSE(*io_->Exists(At("folder")));
  EXPECT_FALSE(*io_->Exists(At("folder/fil")));
  EXPECT_FALSE(*io_->Exists(At("nothing/at/all")));
}

TEST_P(FileIOConformance, DeleteIsDoneWhereNothingIs) {
  ASSERT_TRUE(io_->WriteNew(At("a"), "x").ok());
  ASSERT_TRUE(io_->Delete(At("a")).ok());
  EXPECT_FALSE(*io_->Exists(At("a")));
  EXPECT_TRUE(io_->Delete(At("a")).ok());
  EXPECT_TRUE(io_->Delete(At("no/such/folder/a")).ok());
  EXPECT_TRUE(io_->WriteNew(At("a"), "again").ok());
  EXPECT_EQ(ReadBack(At("a")), "again");
}

TEST_P(FileIOConformance, ListFindsFilesOfAnyDepthAndNoNeighbours) {
  ASSERT_TRUE(io_->WriteNew(At("t/a"), "1").ok());
  ASSERT_TRUE(io_->WriteNew(At("t/x/b"), "22").ok());
  ASSERT_TRUE(io_->WriteNew(At("t/x/y/c"), "333").ok());
  ASSERT_TRUE(io_->WriteNew(At("table/d"), "4444").ok());
  for (const char* folder : {"t", "t/"}) {
    auto files = io_->List(root_ + "/" + folder);
    ASSERT_TRUE(files.ok()) << files.status().ToString();
    std::set<std::pair<std::string, int64_t>> found;
    for (const FileInfo& file : *files) {
      found.emplace(file.location, file.size);
      EXPECT_EQ(ReadBack(file.location).size(), static_cast<size_t>(file.size));
    }
    EXPECT_THAT(found,
                UnorderedElementsAre(std::pair(At("t/a"), 1), std::pair(At("t/x/b"), 2), std::pair(At("t/x/y/c"), 3)));
  }
  EXPECT_TRUE(io_->List(At("nothing")).ValueOrDie().empty());
}

TEST_P(FileIOConformance, ListFoldersNamesFoldersOnly) {
  ASSERT_TRUE(io_->WriteNew(At("w/ns/t/metadata/v1"), "1").ok());
  ASSERT_TRUE(io_->WriteNew(At("w/other/x"), "1").ok());
  ASSERT_TRUE(io_->WriteNew(At("w/file"), "1").ok());
  EXPECT_THAT(io_->ListFolders(At("w")).ValueOrDie(), UnorderedElementsAre("ns", "other"));
  EXPECT_TRUE(io_->ListFolders(At("w/other")).ValueOrDie().empty());
  EXPECT_TRUE(io_->ListFolders(At("nothing")).ValueOrDie().empty());
}

TEST_P(FileIOConformance, NamesAreTakenAsTheyAre) {
  for (const char* name :
       {"ts_day=2024-08-09/a b.parquet", "x%2Fy", "ünï=名前", "a#b?c&d", "quote'\"", "a:b", ".hidden"}) {
    ASSERT_TRUE(io_->WriteNew(At(name), name).ok()) << name;
    EXPECT_EQ(ReadBack(At(name)), name);
    auto files = io_->List(root_);
    ASSERT_TRUE(files.ok());
    ASSERT_EQ(files->size(), 1u) << name;
    EXPECT_EQ(files->front().location, At(name));
    ASSERT_TRUE(io_->Delete(At(name)).ok());
  }
}

TEST_P(FileIOConformance, OpenInputReadsRanges) {
  ASSERT_TRUE(io_->WriteNew(At("a"), "0123456789").ok());
  auto opened = io_->OpenInput(At("a"));
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  auto file = *opened;
  EXPECT_EQ(file->GetSize().ValueOrDie(), 10);
  EXPECT_EQ(file->ReadAt(3, 4).ValueOrDie()->ToString(), "3456");
  EXPECT_EQ(file->ReadAt(8, 100).ValueOrDie()->ToString(), "89");
  EXPECT_TRUE(file->Close().ok());
}

TEST_P(FileIOConformance, OfThreadsThatRaceToWriteOneWins) {
  constexpr int kThreads = 16, kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    std::string location = At("race/" + std::to_string(round));
    std::atomic<int> winner{-1}, wins{0}, refused{0}, ready{0};
    auto content = [](int i) { return std::string(50'000, static_cast<char>('a' + i)); };
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        std::string mine = content(i);
        for (++ready; ready < kThreads;) std::this_thread::yield();
        Status status = io_->WriteNew(location, mine);
        if (status.ok()) {
          winner = i;
          ++wins;
        } else if (KindOf(status) == ErrorKind::kAlreadyExists) {
          ++refused;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(wins, 1);
    ASSERT_EQ(refused, kThreads - 1);
    ASSERT_TRUE(ReadBack(location) == content(winner));
  }
  EXPECT_EQ(io_->List(root_).ValueOrDie().size(), static_cast<size_t>(kRounds)) << "temporary files are left";
}

TEST_P(FileIOConformance, AReaderSeesEachReplacementWhole) {
  ASSERT_TRUE(io_->Replace(At("hint"), std::string(1000, 'a')).ok());
  std::atomic<bool> done{false};
  std::atomic<int> torn{0}, reads{0};
  std::thread reader([&] {
    while (!done || reads == 0) {
      auto bytes = io_->Read(At("hint"));
      if (!bytes.ok() || bytes->empty() || *bytes != std::string(1000 * (bytes->front() - 'a' + 1), bytes->front()))
        ++torn;
      ++reads;
    }
  });
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(io_->Replace(At("hint"), std::string(1000 * (i % 5 + 1), static_cast<char>('a' + i % 5))).ok());
  }
  done = true;
  reader.join();
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace calve::storage
