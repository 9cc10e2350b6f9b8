#include "calve/source/native_byte_reader.h"

#include <arrow/memory_pool.h>
#include <gtest/gtest.h>

#include "calve/source/testing_native.h"

namespace calve::source {
namespace {

using testing::Bytes;
using testing::Chunked;
using testing::Whole;

TEST(ByteReader, NumbersAcrossChunks) {
  Bytes bytes;
  for (uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{300}, uint64_t{1} << 62, ~uint64_t{0}})
    bytes.VarUInt(value);
  bytes.Number(uint64_t{0x0102030405060708});
  ByteReader in(Chunked(bytes.str(), [] { return 1; }));
  for (uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{300}, uint64_t{1} << 62, ~uint64_t{0}}) {
    EXPECT_EQ(in.ReadVarUInt().ValueOrDie(), value);
  }
  EXPECT_EQ(in.ReadUInt64().ValueOrDie(), 0x0102030405060708u);
  EXPECT_TRUE(in.AtEnd().ValueOrDie());
  EXPECT_EQ(KindOf(in.ReadByte().status()), ErrorKind::kCorrupt);
}

TEST(ByteReader, AVarUIntHasAtMost64Bits) {
  ByteReader eleven(Whole(std::string(11, '\xff')));
  EXPECT_EQ(KindOf(eleven.ReadVarUInt().status()), ErrorKind::kCorrupt);
  ByteReader sixty_five(Whole(std::string(9, '\xff') + '\x02'));
  EXPECT_EQ(KindOf(sixty_five.ReadVarUInt().status()), ErrorKind::kCorrupt);
}

TEST(ByteReader, TakeIsTheSameInAnyChunks) {
  std::string bytes;
  for (int i = 0; i < 300'000; ++i) bytes.push_back(static_cast<char>(i * 7 + i / 256));
  for (int64_t size : {1, 1000, 65'536, 1 << 20}) {
    ByteReader in(Chunked(bytes, [&] { return size; }));
    const auto first = in.Take(16, 8).ValueOrDie();
    const auto rest = in.Take(299'984, 8).ValueOrDie();
    EXPECT_EQ(first->ToString() + rest->ToString(), bytes);
    EXPECT_EQ(in.position(), 300'000);
  }
}

TEST(ByteReader, ALargeAlignedPieceIsASlice) {
  const auto chunk = arrow::AllocateBuffer(1 << 20).ValueOrDie();
  std::memset(chunk->mutable_data(), 0, chunk->size());
  bool given = false;
  ByteReader in([&]() -> Result<std::shared_ptr<arrow::Buffer>> {
    if (given) return std::shared_ptr<arrow::Buffer>();
    given = true;
    return arrow::SliceBuffer(std::shared_ptr<arrow::Buffer>(chunk.get(), [](arrow::Buffer*) {}), 0);
  });
  EXPECT_EQ(in.Take(64 << 10, 8).ValueOrDie()->data(), chunk->data());
  ASSERT_TRUE(in.ReadByte().ok());
  EXPECT_NE(in.Take(64 << 10, 8).ValueOrDie()->data(), chunk->data() + (64 << 10) + 1) << "not aligned";
}

TEST(ByteReader, APromisedLengthTakesNoMemoryBeforeItsBytes) {
  const int64_t before = arrow::default_memory_pool()->bytes_allocated();
  ByteReader in(Whole("0123456789"));
  const auto taken = in.Take(int64_t{1} << 40, 8);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(KindOf(taken.status()), ErrorKind::kCorrupt);
  EXPECT_LT(arrow::default_memory_pool()->bytes_allocated() - before, 1 << 20);
  ByteReader text(Whole(Bytes().VarUInt(uint64_t{1} << 60).str()));
  EXPECT_EQ(KindOf(text.ReadString(1 << 20).status()), ErrorKind::kCorrupt);
}

TEST(ByteReader, LooksAtTakesNothing) {
  for (int64_t size : {1, 3, 100}) {
    ByteReader in(Chunked("abcdefgh", [&] { return size; }));
    const auto looks_at = [&](std::string_view text) {
      return in.LooksAt(reinterpret_cast<const uint8_t*>(text.data()), static_cast<int64_t>(text.size())).ValueOrDie();
    };
    EXPECT_TRUE(looks_at("abcdef"));
    EXPECT_FALSE(looks_at("abcdeX"));
    EXPECT_FALSE(looks_at("abcdefghi")) << "beyond the end";
    EXPECT_EQ(in.position(), 0);
    EXPECT_EQ(in.Take(8, 1).ValueOrDie()->ToString(), "abcdefgh");
    EXPECT_TRUE(in.AtEnd().ValueOrDie());
  }
}

TEST(ByteReader, TheTailIsWhatCameLast) {
  std::string bytes;
  for (int i = 0; i < 200'000; ++i) bytes.push_back(static_cast<char>('a' + i % 26));
  for (int64_t size : {7, 40'000, 1 << 20}) {
    ByteReader in(Chunked(bytes, [&] { return size; }));
    ASSERT_TRUE(in.Take(150'000, 1).ok());
    EXPECT_TRUE(in.Drain());
    EXPECT_EQ(in.position(), 200'000);
    EXPECT_EQ(in.Tail(10'000), bytes.substr(190'000));
    EXPECT_EQ(in.Tail(ByteReader::kTailBytes), bytes.substr(200'000 - ByteReader::kTailBytes));
  }
  ByteReader endless(
      []() -> Result<std::shared_ptr<arrow::Buffer>> { return arrow::Buffer::FromString(std::string(1000, 'x')); });
  EXPECT_FALSE(endless.Drain());
}

TEST(ByteReader, TheSourcesErrorIsItsOwn) {
  ByteReader in(Chunked(
      "abc", [] { return 2; }, MakeError(ErrorKind::kRetry, "connection lost")));
  ASSERT_TRUE(in.Take(3, 1).ok());
  EXPECT_EQ(KindOf(in.ReadByte().status()), ErrorKind::kRetry);
  EXPECT_EQ(KindOf(in.AtEnd().status()), ErrorKind::kRetry);
  EXPECT_EQ(KindOf(in.source_error()), ErrorKind::kRetry);
}

}  // namespace
}  // namespace calve::source
