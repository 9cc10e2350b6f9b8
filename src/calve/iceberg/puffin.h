// Puffin files, which hold a snapshot's statistics. Spec: "Puffin Spec". Pure: values and bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace calve::iceberg {

struct PuffinBlob {
  std::string type;         // "apache-datasketches-theta-v1"
  std::vector<int> fields;  // ids of the columns that it is of
  int64_t snapshot_id = 0;
  int64_t sequence_number = 0;
  std::map<std::string, std::string> properties;
  std::string data;  // stored as it is
};

struct PuffinFile {
  std::string bytes;
  int64_t footer_bytes = 0;  // from its magic to the file's end: what readers fetch first
};
PuffinFile WritePuffin(const std::vector<PuffinBlob>& blobs, const std::string& created_by);

// An entry of the metadata's "statistics", a JSON object. Spec: "Table Statistics".
std::string StatisticsEntry(int64_t snapshot_id, const std::string& location, const PuffinFile& file,
                            const std::vector<PuffinBlob>& blobs);

}  // namespace calve::iceberg
