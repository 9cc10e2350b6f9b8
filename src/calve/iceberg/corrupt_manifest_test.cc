// Bytes that are not what they claim to be: every prefix and many damaged copies of a manifest and of a manifest list.
#include <gtest/gtest.h>

#include "calve/iceberg/avro_file.h"
#include "calve/iceberg/manifest.h"
#include "calve/iceberg/testing_manifest.h"

namespace calve::iceberg {
namespace {

struct Case {
  std::string name;
  bool plain = false;
  std::string bytes;
  Status (*read)(std::string_view bytes, int64_t length);
};

Status ReadManifest(std::string_view bytes, int64_t length) {
  ManifestFile file;
  file.manifest_path = "m";
  file.manifest_length = length;
  return DecodeManifest(bytes, AllTypesSchema(), AllTransformsSpec(), &file).status();
}

Status ReadList(std::string_view bytes, int64_t) { return DecodeManifestList(bytes).status(); }

// Blocks as they are, so that damage reaches the values behind the compression.
std::string Uncompressed(const std::string& bytes) {
  const AvroFile file = ReadAvroFile(bytes).ValueOrDie();
  std::string out("Obj\x01", 4);
  PutAvroLong(out, 1);
  PutAvroBytes(out, "avro.schema");
  PutAvroBytes(out, file.metadata.at("avro.schema"));
  PutAvroLong(out, 0);
  out += "0123456789abcdef";
  for (const AvroBlock& block : file.blocks) {
    PutAvroLong(out, block.count);
    PutAvroBytes(out, block.bytes);
    out += "0123456789abcdef";
  }
  return out;
}

std::vector<Case> Cases() {
  const std::string manifest = EncodeManifest(AllTypesSchema(), AllTransformsSpec(), 77, AllStatusEntries())->bytes;
  ManifestFile row = EncodeManifest(AllTypesSchema(), AllTransformsSpec(), 77, AllStatusEntries())->summary;
  row.manifest_path = "file:///t/metadata/m.avro";
  row.sequence_number = 9;
  const std::string list = EncodeManifestList(77, 11, 9, {{row, row}}).ValueOrDie();
  return {{"manifest", false, manifest, ReadManifest},
          {"plain manifest", true, Uncompressed(manifest), ReadManifest},
          {"list", false, list, ReadList},
          {"plain list", true, Uncompressed(list), ReadList}};
}

TEST(CorruptManifest, EveryPrefixIsCorrupt) {
  for (const Case& c : Cases()) {
    ASSERT_TRUE(c.read(c.bytes, static_cast<int64_t>(c.bytes.size())).ok()) << c.name;
    int whole = 0;
    for (size_t size = 0; size < c.bytes.size(); ++size) {
      const Status status = c.read(std::string_view(c.bytes).substr(0, size), static_cast<int64_t>(c.bytes.size()));
      if (status.ok()) ++whole;
      EXPECT_TRUE(status.ok() || KindOf(status) == ErrorKind::kCorrupt) << c.name << size << status.ToString();
    }
    // A list cut behind its header is a list without rows; nothing in the table says otherwise. A manifest's length is
    // known.
    EXPECT_EQ(whole, c.read == ReadList ? 1 : 0) << c.name;
  }
}

TEST(CorruptManifest, EveryDamagedByteIsReadOrRefused) {
  for (const Case& c : Cases()) {
    std::string damaged = c.bytes;
    // The header is mostly one long schema, and the same in both copies: damaged in one of them, and more sparsely.
    const size_t header = c.bytes.find(c.bytes.substr(c.bytes.size() - 16)) + 16;
    for (size_t at = c.plain ? 0 : header; at < damaged.size(); at += at < header ? 7 : 1) {
      const char original = damaged[at];
      const std::vector<int> values = at < header ? std::vector<int>{original ^ 0x01, static_cast<int>(at % 256)}
                                                  : std::vector<int>{0, 0xff, original ^ 0x02};
      for (const int value : values) {
        damaged[at] = static_cast<char>(value);
        const Status status = c.read(damaged, 0);
        EXPECT_TRUE(status.ok() || KindOf(status) == ErrorKind::kCorrupt)
            << c.name << " at " << at << ": " << status.ToString();
      }
      damaged[at] = original;
    }
  }
}

TEST(CorruptManifest, RequiredFieldsMustBeThere) {
  // A writer's schema of a status alone; of a file without a path.
  AvroFileWriter status_only(R"({"type":"record","name":"e","fields":[{"name":"status","type":"int","field-id":0}]})",
                             {});
  PutAvroLong(status_only.buffer(), 1);
  ASSERT_TRUE(status_only.EndObject().ok());
  EXPECT_EQ(KindOf(ReadManifest(status_only.Finish().ValueOrDie(), 0)), ErrorKind::kCorrupt);
  AvroFileWriter no_path(
      R"({"type":"record","name":"e","fields":[{"name":"status","type":"int","field-id":0},{"name":"data_file","field-id":2,"type":
          {"type":"record","name":"f","fields":[{"name":"record_count","type":"long","field-id":103}]}}]})",
      {});
  PutAvroLong(no_path.buffer(), 1);
  PutAvroLong(no_path.buffer(), 1);
  ASSERT_TRUE(no_path.EndObject().ok());
  EXPECT_EQ(KindOf(ReadManifest(no_path.Finish().ValueOrDie(), 0)), ErrorKind::kCorrupt);
}

TEST(CorruptManifest, StatusesAndContentsOutsideTheSpecAreRefused) {
  for (const auto change :
       std::vector<void (*)(ManifestEntry&)>{[](ManifestEntry& e) { e.status = static_cast<EntryStatus>(3); },
                                             [](ManifestEntry& e) { e.status = static_cast<EntryStatus>(-1); }}) {
    ManifestEntry entry = AllStatusEntries()[1];
    change(entry);
    const auto manifest = EncodeManifest(AllTypesSchema(), AllTransformsSpec(), 77, {{entry}});
    ASSERT_TRUE(manifest.ok());
    EXPECT_EQ(KindOf(ReadManifest(manifest->bytes, 0)), ErrorKind::kCorrupt);
  }
}

}  // namespace
}  // namespace calve::iceberg
