#include "calve/maintain/table_state.h"

#include <charconv>

#include "calve/table/snapshot_manifests.h"

namespace calve::maintain {

Result<TableState> DescribeTable(storage::FileIO& file_io, const iceberg::TableMetadata& metadata) {
  TableState state;
  state.snapshots = static_cast<int64_t>(metadata.snapshots.size());
  const iceberg::Snapshot* current = metadata.CurrentSnapshot();
  if (current == nullptr) {
    state.bytes = 0;
    return state;
  }
  ARROW_ASSIGN_OR_RAISE(const auto manifests, table::ReadManifests(file_io, metadata, *current));
  state.manifests = static_cast<int64_t>(manifests.size());
  for (const iceberg::ManifestFile& manifest : manifests) {
    const int64_t files = manifest.added_files_count.value_or(0) + manifest.existing_files_count.value_or(0);
    (manifest.content == iceberg::ManifestContent::kData ? state.data_files : state.delete_files) += files;
  }
  if (const auto total = current->summary.find("total-files-size"); total != current->summary.end()) {
    int64_t bytes = 0;
    const char* end = total->second.data() + total->second.size();
    const auto parsed = std::from_chars(total->second.data(), end, bytes);
    if (parsed.ec == std::errc() && parsed.ptr == end) state.bytes = bytes;
  }
  return state;
}

}  // namespace calve::maintain
