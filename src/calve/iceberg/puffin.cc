#include "calve/iceberg/puffin.h"

#include <nlohmann/json.hpp>

namespace calve::iceberg {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kPuffinMagic = "PFA1";

void PutInt32(int64_t value, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(value >> shift & 0xff));
}

// What the footer and the table's metadata both say of a blob.
OrderedJson BlobJson(const PuffinBlob& blob) {
  return {{"type", blob.type},
          {"fields", blob.fields},
          {"snapshot-id", blob.snapshot_id},
          {"sequence-number", blob.sequence_number}};
}

}  // namespace

PuffinFile WritePuffin(const std::vector<PuffinBlob>& blobs, const std::string& created_by) {
  PuffinFile file;
  file.bytes = kPuffinMagic;
  OrderedJson footer = {{"blobs", OrderedJson::array()}, {"properties", {{"created-by", created_by}}}};
  for (const PuffinBlob& blob : blobs) {
    OrderedJson json = BlobJson(blob);
    json["offset"] = file.bytes.size();
    json["length"] = blob.data.size();
    if (!blob.properties.empty()) json["properties"] = blob.properties;
    footer["blobs"].push_back(std::move(json));
    file.bytes += blob.data;
  }
  const size_t begin = file.bytes.size();
  const std::string payload = footer.dump();
  file.bytes += kPuffinMagic;
  file.bytes += payload;
  PutInt32(static_cast<int64_t>(payload.size()), file.bytes);
  PutInt32(0, file.bytes);  // flags: the payload is not compressed
  file.bytes += kPuffinMagic;
  file.footer_bytes = static_cast<int64_t>(file.bytes.size() - begin);
  return file;
}

std::string StatisticsEntry(int64_t snapshot_id, const std::string& location, const PuffinFile& file,
                            const std::vector<PuffinBlob>& blobs) {
  OrderedJson entry = {{"snapshot-id", snapshot_id},
                       {"statistics-path", location},
                       {"file-size-in-bytes", file.bytes.size()},
                       {"file-footer-size-in-bytes", file.footer_bytes},
                       {"blob-metadata", OrderedJson::array()}};
  for (const PuffinBlob& blob : blobs) {
    OrderedJson json = BlobJson(blob);
    json["properties"] = blob.properties;
    entry["blob-metadata"].push_back(std::move(json));
  }
  return entry.dump();
}

}  // namespace calve::iceberg
