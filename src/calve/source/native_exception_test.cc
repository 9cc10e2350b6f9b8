// A server that fails in the middle of its answer writes why into it; data may quote such texts.
#include <gtest/gtest.h>

#include "calve/source/testing_native.h"

namespace calve::source {
namespace {

using testing::Bytes;
using testing::Chunked;
using testing::DecodeAll;
using testing::Whole;

const std::string kOld =
    "Code: 395, e.displayText() = DB::Exception: Value passed to 'throwIf' function is non zero, e.what() = "
    "DB::Exception\n";
const std::string kNew =
    "Code: 241. DB::Exception: Memory limit (total) exceeded. (MEMORY_LIMIT_EXCEEDED) (version 24.8.1.1 (official "
    "build))\n";
const std::string kTag = "dngjzjnxkvlwkeua";
const std::string kFramed =
    "\r\n__exception__\r\n" + kTag + "\r\n" + kNew + std::to_string(kNew.size()) + " " + kTag + "\r\n__exception__\r\n";

std::string Numbers(int rows, uint64_t value = 3) {
  return Bytes()
      .Block(2, rows)
      .Column("a", "String")
      .Raw(std::string(rows, '\0'))
      .Column("n", "UInt64")
      .Numbers(std::vector<uint64_t>(rows, value))
      .str();
}
std::string Texts(const std::string& text) { return Bytes().Block(1, 1).Column("s", "String").Text(text).str(); }

void ExpectServerError(const std::string& bytes, int code, const NativeOptions& options = {},
                       Status end = Status::OK()) {
  for (int64_t size : {1, 10, 100'000}) {
    const Status status = DecodeAll(Chunked(
                                        bytes, [&] { return size; }, end),
                                    options)
                              .status();
    EXPECT_NE(MessageOf(status).find("Code " + std::to_string(code)), std::string::npos) << status.ToString();
    EXPECT_EQ(KindOf(status), ErrorKind::kFailed) << status.ToString();
  }
}

TEST(NativeException, BetweenBlocks) {
  ExpectServerError(Numbers(5) + kOld, 395);
  ExpectServerError(Numbers(5) + kNew, 241);
  ExpectServerError(kNew, 241);
  ExpectServerError(Numbers(5) + "__exception__\n" + kNew, 241);
  NativeOptions tagged;
  tagged.exception_tag = kTag;
  ExpectServerError(Numbers(5) + kFramed, 241, tagged);
  ExpectServerError(Numbers(5) + kFramed, 241);
  NativeOptions revised;
  revised.revision = kNativeRevision;
  ExpectServerError(kNew, 241, revised);
}

TEST(NativeException, BetweenColumnsAndInsideOne) {
  const std::string block = Numbers(5);
  const size_t second = block.find("\x01n\x06UInt64");
  ASSERT_NE(second, std::string::npos);
  for (const std::string& before : {std::string(), block}) {
    ExpectServerError(before + block.substr(0, second) + kOld, 395);
    ExpectServerError(before + Numbers(50).substr(0, 120) + kOld, 395);
  }
  ExpectServerError(Texts("a") + Bytes().Block(1, 40).Column("s", "String").Text("x").str() + kNew, 241);
}

TEST(NativeException, TheWholeOfItIsWantedOfALostConnection) {
  const Status lost = MakeError(ErrorKind::kRetry, "connection lost");
  ExpectServerError(Numbers(5) + kNew, 241, {}, lost);
  ExpectServerError(Numbers(5) + Numbers(50).substr(0, 120) + kNew, 241, {}, lost);
  // Cut at a place inside a value that quotes an exception: the connection's error, for it may be tried again.
  const std::string quoting = Texts("a") + Texts(kNew + "and so on");
  for (size_t cut = 3; cut < quoting.size(); ++cut) {
    if (quoting[cut - 1] == '\n') continue;
    const Status status = DecodeAll(Chunked(
                                        quoting.substr(0, cut), [] { return 7; }, lost),
                                    {})
                              .status();
    EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << cut << status.ToString();
  }
}

TEST(NativeException, ThatFillsTheLastColumnToTheByte) {
  std::string text = kOld;
  text.insert(text.find("Value"), (8 - text.size() % 8) % 8, 'x');
  const int rows = static_cast<int>(text.size() / 8);
  std::string block = Numbers(rows);
  block.replace(block.size() - text.size(), text.size(), text);
  ExpectServerError(Numbers(3) + block, 395);
  // A text column may well hold it.
  EXPECT_TRUE(DecodeAll(Whole(Texts(text)), {}).ok());
  NativeOptions tagged;
  tagged.exception_tag = kTag;
  ExpectServerError(Bytes().Block(1, 1).Column("s", "String").VarUInt(kFramed.size() + 3).Raw("abc").Raw(kFramed).str(),
                    241, tagged);
}

TEST(NativeException, DataThatQuotesOneIsData) {
  for (const std::string& text : {kOld, kNew, kFramed, "\n" + kNew, "__exception__\r\n" + kNew}) {
    for (const std::string& tag : {std::string(), std::string("aaaaaaaaaaaaaaaa")}) {
      NativeOptions options;
      options.exception_tag = tag;
      const auto batches = DecodeAll(Whole(Texts(text) + Texts(text)), options);
      ASSERT_TRUE(batches.ok()) << batches.status().ToString();
      EXPECT_EQ(batches->size(), 2u);
    }
    const std::string fixed =
        Bytes().Block(1, 1).Column("f", "FixedString(" + std::to_string(text.size()) + ")").Raw(text).str();
    EXPECT_TRUE(DecodeAll(Whole(fixed), {}).ok());
    const std::string bytes =
        Bytes().Block(1, 1).Column("f", "Array(UInt8)").Number(static_cast<uint64_t>(text.size())).Raw(text).str();
    EXPECT_TRUE(DecodeAll(Whole(bytes), {}).ok());
    const std::string key = Bytes()
                                .Block(1, 1)
                                .Column("l", "LowCardinality(String)")
                                .Numbers<uint64_t>({1, 0x600, 1})
                                .Text(text)
                                .Number(uint64_t{1})
                                .Raw(std::string(1, '\0'))
                                .str();
    EXPECT_TRUE(DecodeAll(Whole(key), {}).ok());
  }
}

TEST(NativeException, OtherFailuresKeepTheirOwnReason) {
  // Corrupt bytes behind data that quotes an exception.
  Status status = DecodeAll(Whole(Texts(kNew) + std::string("\x00\xff", 2)), {}).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt) << status.ToString();
  // A type that is refused, in a result that ends with such a text.
  status =
      DecodeAll(Whole(Bytes().Block(2, 1).Column("j", "JSON").Column("s", "String").Text(kNew).str()), {}).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUnsupported) << status.ToString();
  status = DecodeAll(Whole(Bytes()
                               .Block(2, 1)
                               .Column("u", "UInt128")
                               .Raw(std::string(16, '\xff'))
                               .Column("s", "String")
                               .Text(kNew)
                               .str()),
                     {})
               .status();
  EXPECT_EQ(KindOf(status), ErrorKind::kValue) << status.ToString();
  status = DecodeAll(Chunked(
                         Numbers(5), [] { return 9; }, MakeError(ErrorKind::kStopped, "stopped")),
                     {})
               .status();
  EXPECT_EQ(KindOf(status), ErrorKind::kStopped) << status.ToString();
  status = DecodeAll(Chunked(
                         Numbers(5).substr(0, 40), [] { return 9; }, MakeError(ErrorKind::kRetry, "connection lost")),
                     {})
               .status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRetry) << status.ToString();
}

}  // namespace
}  // namespace calve::source
