#include <arrow/util/compression.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <limits>

#include "calve/iceberg/avro_codec.h"
#include "calve/iceberg/avro_file.h"

namespace calve::iceberg {
namespace {

constexpr size_t kLimit = 1 << 20;

std::string Long(int64_t value) {
  std::string out;
  PutAvroLong(out, value);
  return out;
}

std::string Text(std::string_view text) {
  std::string out;
  PutAvroBytes(out, text);
  return out;
}

std::string Compress(arrow::Compression::type type, std::string_view bytes) {
  const auto codec = arrow::util::Codec::Create(type).ValueOrDie();
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto size = static_cast<int64_t>(bytes.size());
  std::string out(static_cast<size_t>(codec->MaxCompressedLen(size, data)), '\0');
  const int64_t used =
      codec->Compress(size, data, static_cast<int64_t>(out.size()), reinterpret_cast<uint8_t*>(out.data()))
          .ValueOrDie();
  out.resize(static_cast<size_t>(used));
  return out;
}

std::string AvroSnappy(std::string_view bytes) {
  std::string out = Compress(arrow::Compression::SNAPPY, bytes);
  const auto crc = static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(crc >> shift));
  return out;
}

// A file as another writer may lay it out: its codec, one block already compressed.
std::string FileOf(const std::string& schema, const std::string& codec, int64_t count, const std::string& block) {
  const std::string sync = "0123456789abcdef";
  std::string file("Obj\x01", 4);
  // Metadata in two blocks, the first with its size given, as the specification allows.
  file += Long(-1) + Long(1000) + Text("avro.schema") + Text(schema);
  if (!codec.empty()) file += Long(1) + Text("avro.codec") + Text(codec);
  file += Long(0) + sync;
  file += Long(count) + Text(block) + sync;
  return file;
}

std::vector<int64_t> ReadLongs(const std::string& bytes, Status* status = nullptr) {
  std::vector<int64_t> values;
  const auto file = ReadAvroFile(bytes);
  Status result = file.status();
  if (file.ok()) {
    result = ForEachAvroObject(*file, [&](AvroDecoder& in, const AvroType& root) {
      values.push_back(in.MaybeLong(root, "value").value_or(-1));
    });
  }
  if (status == nullptr) {
    EXPECT_TRUE(result.ok()) << result.ToString();
  } else {
    *status = result;
  }
  return values;
}

TEST(AvroDecoder, ReadsTheNumbersOfTheSpecification) {
  // Avro specification, "Primitive Types": the zig-zag table.
  EXPECT_EQ(AvroDecoder(std::string_view("\x00", 1)).Long(), 0);
  EXPECT_EQ(AvroDecoder("\x01").Long(), -1);
  EXPECT_EQ(AvroDecoder("\x02").Long(), 1);
  EXPECT_EQ(AvroDecoder("\x7f").Long(), -64);
  EXPECT_EQ(AvroDecoder("\x80\x01").Long(), 64);
  for (const int64_t value :
       {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), int64_t{-123456789012}}) {
    AvroDecoder in(std::string_view{});
    const std::string bytes = Long(value);
    AvroDecoder decoder(bytes);
    EXPECT_EQ(decoder.Long(), value);
    EXPECT_TRUE(decoder.ok() && decoder.at_end());
  }
}

TEST(AvroDecoder, RefusesNumbersThatDoNotFit) {
  const std::string endless = std::string(10, '\xff') + "\x01";
  AvroDecoder long_one(endless);
  long_one.Long();
  EXPECT_EQ(KindOf(long_one.status()), ErrorKind::kCorrupt);
  const std::string big = Long(int64_t{1} << 31);
  AvroDecoder int_one(big);
  int_one.Int();
  EXPECT_FALSE(int_one.ok());
  AvroDecoder cut("\x80");
  cut.Long();
  EXPECT_FALSE(cut.ok());
}

TEST(AvroDecoder, ErrorsStick) {
  const std::string bytes = Long(-5) + Long(7);
  AvroDecoder in(bytes);
  EXPECT_TRUE(in.Bytes().empty());
  EXPECT_EQ(in.Long(), 0);
  EXPECT_EQ(in.BlockCount(), 0);
  EXPECT_NE(MessageOf(in.status()).find("length of -5"), std::string::npos) << in.status().ToString();
}

TEST(AvroDecoder, NeverBelievesALengthOrACount) {
  for (const int64_t length :
       {int64_t{5}, int64_t{1} << 40, std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    const std::string bytes = Long(length) + "abcd";
    AvroDecoder text(bytes);
    text.Bytes();
    EXPECT_FALSE(text.ok()) << length;
    AvroDecoder block(bytes);
    block.BlockCount();
    EXPECT_FALSE(block.ok()) << length;
  }
}

TEST(AvroSchema, RefusesWhatIsNone) {
  for (const char* text :
       {"", "{", "7", "\"nothing\"", R"({"type":"record","name":"a"})", R"({"type":"array"})", R"({"a":1})",
        R"({"type":"fixed","name":"f","size":-1})", R"({"type":"fixed","name":"f","size":99999999999})",
        R"({"type":"record","name":"a","fields":[{"name":"x"}]})", R"({"type":"record","fields":[]})"}) {
    EXPECT_EQ(KindOf(AvroSchema::Parse(text).status()), ErrorKind::kCorrupt) << text;
  }
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += R"({"type":"array","items":)";
  EXPECT_FALSE(AvroSchema::Parse(deep).ok());
  std::string closed = deep + "\"int\"" + std::string(10'000, '}');
  EXPECT_EQ(KindOf(AvroSchema::Parse(closed).status()), ErrorKind::kCorrupt);
}

TEST(AvroSchema, FindsNamesInTheirNamespace) {
  const auto schema = AvroSchema::Parse(
      R"({"type":"record","name":"a.b.r","fields":[{"name":"x","type":{"type":"fixed","name":"f","size":3}},{"name":"y","type":"f"},{"name":"z","type":["null","a.b.f"],"field-id":9}]})");
  ASSERT_TRUE(schema.ok()) << schema.status().ToString();
  const AvroType& root = schema->root();
  ASSERT_EQ(root.fields.size(), 3u);
  EXPECT_EQ(root.fields[0].type, root.fields[1].type);
  EXPECT_EQ(root.fields[2].type->children[1]->fixed_size, 3);
  const auto twice =
      AvroSchema::Parse(R"([{"type":"fixed","name":"f","size":1},{"type":"fixed","name":"f","size":2}])");
  ASSERT_TRUE(twice.ok());
  EXPECT_EQ(twice->root().children[0]->fixed_size + twice->root().children[1]->fixed_size, 3);
  EXPECT_EQ(root.fields[2].field_id, 9);
  EXPECT_EQ(root.fields[0].field_id, -1);
}

TEST(AvroDecoder, SkipsEveryKind) {
  const auto schema = AvroSchema::Parse(
      R"({"type":"record","name":"r","fields":[{"name":"a","type":"boolean"},{"name":"b","type":"float"},{"name":"c","type":"double"},
          {"name":"d","type":{"type":"map","values":"int"}},{"name":"e","type":{"type":"enum","name":"e","symbols":["A","B"]}},
          {"name":"f","type":["null",{"type":"array","items":{"type":"fixed","name":"f","size":2}}]},{"name":"g","type":"bytes"},{"name":"h","type":"null"}]})");
  ASSERT_TRUE(schema.ok());
  const std::string bytes = std::string("\1", 1) + "ffff" + "dddddddd" + Long(-1) + Long(3) + Text("k") + Long(5) +
                            Long(0) + Long(1) + Long(1) + Long(2) + "aabb" + Long(0) + Text("bytes") + Long(42);
  AvroDecoder in(bytes);
  in.Skip(schema->root());
  EXPECT_EQ(in.Long(), 42);
  EXPECT_TRUE(in.ok() && in.at_end()) << in.status().ToString();
}

TEST(AvroDecoder, SkippingIsBoundedWhateverTheSchema) {
  const auto circular = AvroSchema::Parse(R"({"type":"record","name":"r","fields":[{"name":"a","type":"r"}]})");
  ASSERT_TRUE(circular.ok());
  AvroDecoder in("abc");
  in.Skip(circular->root());
  EXPECT_FALSE(in.ok());
  // Forty records, each holding the one before twice: 2^40 values without a byte.
  std::string wide = R"([{"type":"record","name":"r0","fields":[]})";
  for (int i = 1; i <= 40; ++i) {
    wide += fmt::format(
        R"(,{{"type":"record","name":"r{}","fields":[{{"name":"a","type":"r{}"}},{{"name":"b","type":"r{}"}}]}})", i,
        i - 1, i - 1);
  }
  const auto exponential = AvroSchema::Parse(wide + "]");
  ASSERT_TRUE(exponential.ok());
  const std::string last = Long(40) + "abc";
  AvroDecoder bounded(last);
  bounded.Skip(exponential->root());
  EXPECT_FALSE(bounded.ok());
}

TEST(AvroFile, ReadsEveryCodec) {
  const std::string block = Long(1) + Long(-2) + Long(300);
  const std::vector<int64_t> expected = {1, -2, 300};
  EXPECT_EQ(ReadLongs(FileOf("\"long\"", "", 3, block)), expected);
  EXPECT_EQ(ReadLongs(FileOf("\"long\"", "null", 3, block)), expected);
  EXPECT_EQ(ReadLongs(FileOf("\"long\"", "deflate", 3, AvroDeflate(block).ValueOrDie())), expected);
  EXPECT_EQ(ReadLongs(FileOf("\"long\"", "zstandard", 3, Compress(arrow::Compression::ZSTD, block))), expected);
  EXPECT_EQ(ReadLongs(FileOf("\"long\"", "snappy", 3, AvroSnappy(block))), expected);
  Status status;
  ReadLongs(FileOf("\"long\"", "xz", 3, block), &status);
  EXPECT_EQ(KindOf(status), ErrorKind::kUnsupported);
  EXPECT_FALSE(RemedyOf(status).empty());
  ReadLongs(FileOf("\"long\"", "zip", 3, block), &status);
  EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt);
}

TEST(AvroFile, RefusesCountsThatTheBlockDoesNotHold) {
  const std::string block = Long(1) + Long(2);
  Status status;
  for (const int64_t count : {int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{3}, int64_t{1} << 60}) {
    ReadLongs(FileOf("\"long\"", "", count, block), &status);
    EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt) << count << ' ' << status.ToString();
  }
  ReadLongs(FileOf("\"null\"", "", 2, block), &status);
  EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt);
}

TEST(AvroFile, WhatTheWriterWritesComesBack) {
  AvroFileWriter writer("\"long\"", {{"a", "b"}});
  std::vector<int64_t> expected;
  for (int64_t i = 0; i < 50'000; ++i) {
    expected.push_back(i * i * 977);
    PutAvroLong(writer.buffer(), expected.back());
    ASSERT_TRUE(writer.EndObject().ok());
  }
  const std::string bytes = writer.Finish().ValueOrDie();
  const auto file = ReadAvroFile(bytes);
  ASSERT_TRUE(file.ok());
  EXPECT_GT(file->blocks.size(), 1u);
  EXPECT_EQ(file->metadata.at("a"), "b");
  EXPECT_EQ(file->metadata.at("avro.codec"), "deflate");
  EXPECT_EQ(ReadLongs(bytes), expected);
}

TEST(AvroFile, DamageIsCorruptAndNeverMore) {
  const std::string block = Long(1) + Long(-2) + Long(300) + Long(4) + Long(5) + Long(6);
  for (const auto& [codec, packed] :
       std::vector<std::pair<std::string, std::string>>{{"null", block},
                                                        {"deflate", AvroDeflate(block).ValueOrDie()},
                                                        {"zstandard", Compress(arrow::Compression::ZSTD, block)},
                                                        {"snappy", AvroSnappy(block)}}) {
    const std::string file = FileOf("\"long\"", codec, 6, packed);
    const size_t header = file.size() - packed.size() - 16 - 2;
    for (size_t size = 0; size < file.size(); ++size) {
      Status status;
      ReadLongs(file.substr(0, size), &status);
      // Without its block it is a file without objects.
      EXPECT_TRUE(size == header ? status.ok() : KindOf(status) == ErrorKind::kCorrupt) << codec << " cut at " << size;
    }
    for (size_t at = 0; at < file.size(); ++at) {
      for (int value = 0; value < 256; value += 5) {
        std::string damaged = file;
        damaged[at] = static_cast<char>(value);
        Status status;
        ReadLongs(damaged, &status);
        EXPECT_TRUE(status.ok() || KindOf(status) == ErrorKind::kCorrupt) << status.ToString();
      }
    }
  }
}

TEST(AvroCodec, StopsAtItsLimit) {
  const std::string zeros(kLimit + 1, '\0');
  const std::string exact(kLimit, '\0');
  const auto deflate = [](const std::string& bytes) { return AvroDeflate(bytes).ValueOrDie(); };
  const auto zstd = [](const std::string& bytes) { return Compress(arrow::Compression::ZSTD, bytes); };
  EXPECT_EQ(*AvroDecompress("deflate", deflate(exact), kLimit), exact);
  EXPECT_EQ(*AvroDecompress("zstandard", zstd(exact), kLimit), exact);
  EXPECT_EQ(*AvroDecompress("snappy", AvroSnappy(exact), kLimit), exact);
  EXPECT_EQ(KindOf(AvroDecompress("deflate", deflate(zeros), kLimit).status()), ErrorKind::kCorrupt);
  EXPECT_EQ(KindOf(AvroDecompress("zstandard", zstd(zeros), kLimit).status()), ErrorKind::kCorrupt);
  EXPECT_EQ(KindOf(AvroDecompress("snappy", AvroSnappy(zeros), kLimit).status()), ErrorKind::kCorrupt);
  EXPECT_EQ(KindOf(AvroDecompress("null", zeros, kLimit).status()), ErrorKind::kCorrupt);
}

TEST(AvroCodec, SnappyChecksItsChecksum) {
  std::string block = AvroSnappy("some bytes that matter");
  block.back() ^= 1;
  EXPECT_EQ(KindOf(AvroDecompress("snappy", block, kLimit).status()), ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace calve::iceberg
