#include "calve/table/scan_deletes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace calve::table {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;

// The reserved field id of file_path in position delete files (spec: "Reserved Field IDs").
constexpr int kDeletedFilePathId = 2'147'483'546;

// The same text for equal partitions of one spec, and for no others.
std::string KeyOf(const DataFile& file) {
  std::string key = fmt::format("{}", file.spec_id);
  for (const iceberg::Literal& value : file.partition) {
    // Kinds by index; no type is needed to put a value into bytes.
    const std::string bytes = iceberg::IsNull(value) ? "" : ToBytes(iceberg::Type(), value);
    key += fmt::format("/{}:{}:{}", value.index(), bytes.size(), bytes);
  }
  return key;
}

bool MayHold(const DataFile& deletes, const std::string& path) {
  if (deletes.content == FileContent::kEqualityDeletes) return true;
  const auto lower = deletes.lower_bounds.find(kDeletedFilePathId);
  if (lower != deletes.lower_bounds.end() && path < lower->second) return false;
  const auto upper = deletes.upper_bounds.find(kDeletedFilePathId);
  return upper == deletes.upper_bounds.end() || path <= upper->second;
}

}  // namespace

void DeleteIndex::Add(DataFile file, int64_t sequence_number) {
  const bool is_equality = file.content == FileContent::kEqualityDeletes;
  const iceberg::PartitionSpec* spec = metadata_.FindSpec(file.spec_id);
  const size_t index = deletes_.size();
  if (is_equality && spec != nullptr && spec->is_unpartitioned()) {
    global_.push_back(index);
  } else if (!is_equality && file.referenced_data_file) {
    // Whatever partition it claims: Java goes by the path alone, and there are writers that rely on it.
    by_path_[*file.referenced_data_file].push_back(index);
  } else {
    by_partition_[KeyOf(file)].push_back(index);
  }
  deletes_.push_back({std::move(file), sequence_number});
}

std::vector<DataFile> DeleteIndex::For(const DataFile& file, int64_t sequence_number) const {
  std::vector<size_t> candidates = global_;
  const auto add = [&](const auto& index, const std::string& key) {
    const auto found = index.find(key);
    if (found != index.end()) candidates.insert(candidates.end(), found->second.begin(), found->second.end());
  };
  add(by_path_, file.file_path);
  add(by_partition_, KeyOf(file));
  std::sort(candidates.begin(), candidates.end());
  std::vector<DataFile> applying;
  for (const size_t i : candidates) {
    const Delete& deletes = deletes_[i];
    // Rows of the commit that deletes by key are not meant by it: they replace what it deletes.
    const bool is_older = deletes.file.content == FileContent::kEqualityDeletes
                              ? sequence_number < deletes.sequence_number
                              : sequence_number <= deletes.sequence_number;
    if (is_older && MayHold(deletes.file, file.file_path)) applying.push_back(deletes.file);
  }
  return applying;
}

}  // namespace calve::table
