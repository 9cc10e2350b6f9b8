// Avro object container files. Avro 1.11 specification, "Object Container Files".
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "calve/iceberg/avro_decoder.h"
#include "calve/iceberg/avro_schema.h"

namespace calve::iceberg {

struct AvroBlock {
  int64_t count = 0;  // of objects
  std::string bytes;  // decompressed
};

struct AvroFile {
  std::map<std::string, std::string> metadata;  // the header's, avro.schema and avro.codec among it
  AvroSchema schema;
  std::vector<AvroBlock> blocks;
};

// kCorrupt (kUnsupported for a codec). A file cut exactly between two blocks is still a whole file to Avro; who knows
// its length checks it.
Result<AvroFile> ReadAvroFile(std::string_view bytes);

// Calls item(AvroDecoder&, const AvroType& root) for each object; it must consume it and report errors by
// decoder.Fail().
template <typename Item>
Status ForEachAvroObject(const AvroFile& file, Item item) {
  for (const AvroBlock& block : file.blocks) {
    AvroDecoder decoder(block.bytes);
    for (int64_t i = 0; i < block.count && decoder.ok(); ++i) {
      const size_t before = decoder.position();
      item(decoder, file.schema.root());
      if (decoder.position() == before) decoder.Fail("an object without bytes");
    }
    if (decoder.ok() && !decoder.at_end()) decoder.Fail("bytes behind the last object of a block");
    ARROW_RETURN_NOT_OK(decoder.status());
  }
  return Status::OK();
}

// Avro's binary encoding, appended to `out`.
void PutAvroLong(std::string& out, int64_t value);
void PutAvroBytes(std::string& out, std::string_view bytes);

// Collects objects into deflated blocks. The same objects and metadata give the same bytes.
class AvroFileWriter {
 public:
  // `metadata` without avro.schema and avro.codec.
  AvroFileWriter(const std::string& schema_json, const std::map<std::string, std::string>& metadata);

  // The encoded object is appended to this, then EndObject() is called.
  std::string& buffer() { return block_; }
  Status EndObject();
  Result<std::string> Finish();

 private:
  Status Flush();

  std::string file_;
  std::string sync_;
  std::string block_;
  int64_t count_ = 0;
};

}  // namespace calve::iceberg
