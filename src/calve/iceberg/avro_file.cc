#include "calve/iceberg/avro_file.h"

#include <fmt/format.h>

#include <utility>

#include "calve/iceberg/avro_codec.h"

namespace calve::iceberg {
namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr int64_t kSyncSize = 16;
// As Java's writer: objects are compressed in blocks of about this size.
constexpr size_t kBlockSize = 64 * 1024;
// All blocks of one file, decompressed. Manifests are some megabytes; this stops a bomb, not a table.
constexpr size_t kFileSizeMax = size_t{1} << 30;

Status Corrupt(std::string message) { return MakeError(ErrorKind::kCorrupt, std::move(message)); }

// The marker only has to be unlikely inside the data. Two FNV-1a hashes of the header are, and leave the output a
// function of the input.
std::string SyncMarker(std::string_view header) {
  std::string marker;
  for (uint64_t hash : {uint64_t{0xcbf29ce484222325}, uint64_t{0x9e3779b97f4a7c15}}) {
    for (const char byte : header) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    for (int i = 0; i < 8; ++i) marker.push_back(static_cast<char>(hash >> (8 * i)));
  }
  return marker;
}

Status ReadBlocks(AvroDecoder& in, std::string_view sync, const std::string& codec, std::vector<AvroBlock>& blocks) {
  size_t room = kFileSizeMax;
  while (in.ok() && !in.at_end()) {
    AvroBlock block;
    block.count = in.Long();
    const std::string_view bytes = in.Bytes();
    const std::string_view marker = in.Fixed(kSyncSize);
    if (in.ok() && marker != sync) in.Fail("the sync marker behind a block is not the file's");
    if (!in.ok()) break;
    auto decompressed = AvroDecompress(codec, bytes, room);
    if (!decompressed.ok()) return decompressed.status();
    block.bytes = decompressed.MoveValueUnsafe();
    room -= block.bytes.size();
    // An object of Iceberg's takes a byte at least.
    if (block.count < 0 || static_cast<uint64_t>(block.count) > block.bytes.size()) {
      return Corrupt(fmt::format("a block of {} objects in {} bytes", block.count, block.bytes.size()));
    }
    blocks.push_back(std::move(block));
  }
  return in.status();
}

}  // namespace

Result<AvroFile> ReadAvroFile(std::string_view bytes) {
  if (bytes.substr(0, kMagic.size()) != kMagic) return Corrupt("no Avro file");
  AvroDecoder in(bytes.substr(kMagic.size()));
  AvroFile file;
  for (int64_t count = in.BlockCount(); count > 0 && in.ok(); count = in.BlockCount()) {
    for (; count > 0 && in.ok(); --count) {
      std::string key(in.Bytes());
      file.metadata.insert_or_assign(std::move(key), std::string(in.Bytes()));
    }
  }
  const std::string_view sync = in.Fixed(kSyncSize);
  ARROW_RETURN_NOT_OK(in.status());
  const auto schema = file.metadata.find("avro.schema");
  if (schema == file.metadata.end()) return Corrupt("an Avro file without a schema");
  ARROW_ASSIGN_OR_RAISE(file.schema, AvroSchema::Parse(schema->second));
  const auto codec = file.metadata.find("avro.codec");
  ARROW_RETURN_NOT_OK(ReadBlocks(in, sync, codec == file.metadata.end() ? "" : codec->second, file.blocks));
  return file;
}

void PutAvroLong(std::string& out, int64_t value) {
  uint64_t rest = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; rest >= 0x80; rest >>= 7) out.push_back(static_cast<char>(rest | 0x80));
  out.push_back(static_cast<char>(rest));
}

void PutAvroBytes(std::string& out, std::string_view bytes) {
  PutAvroLong(out, static_cast<int64_t>(bytes.size()));
  out.append(bytes);
}

AvroFileWriter::AvroFileWriter(const std::string& schema_json, const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::string> all = metadata;
  all["avro.schema"] = schema_json;
  all["avro.codec"] = "deflate";
  file_ = kMagic;
  PutAvroLong(file_, static_cast<int64_t>(all.size()));
  for (const auto& [key, value] : all) {
    PutAvroBytes(file_, key);
    PutAvroBytes(file_, value);
  }
  PutAvroLong(file_, 0);
  sync_ = SyncMarker(file_);
  file_ += sync_;
}

Status AvroFileWriter::EndObject() {
  ++count_;
  return block_.size() < kBlockSize ? Status::OK() : Flush();
}

Status AvroFileWriter::Flush() {
  if (count_ == 0) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const std::string compressed, AvroDeflate(block_));
  PutAvroLong(file_, count_);
  PutAvroBytes(file_, compressed);
  file_ += sync_;
  block_.clear();
  count_ = 0;
  return Status::OK();
}

Result<std::string> AvroFileWriter::Finish() {
  ARROW_RETURN_NOT_OK(Flush());
  return std::move(file_);
}

}  // namespace calve::iceberg
