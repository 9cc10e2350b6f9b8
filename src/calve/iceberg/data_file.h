// Spec: "Data File Fields", "Manifest Entry Fields", "Manifest Lists".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calve/iceberg/literal.h"

namespace calve::iceberg {

enum class FileContent { kData = 0, kPositionDeletes = 1, kEqualityDeletes = 2 };

struct DataFile {
  FileContent content = FileContent::kData;
  std::string file_path;  // a full URI or an absolute path, as the table's location is written
  std::string file_format = "PARQUET";
  int spec_id = 0;                 // not stored in the entry: the manifest's
  std::vector<Literal> partition;  // in the order of the spec's fields
  int64_t record_count = 0;
  int64_t file_size_in_bytes = 0;
  // By field id. Bounds: appendix D, binary.
  std::map<int, int64_t> column_sizes;
  std::map<int, int64_t> value_counts;
  std::map<int, int64_t> null_value_counts;
  std::map<int, int64_t> nan_value_counts;
  std::map<int, std::string> lower_bounds;
  std::map<int, std::string> upper_bounds;
  std::optional<std::string> key_metadata;
  std::vector<int64_t> split_offsets;
  std::vector<int> equality_ids;
  std::optional<int> sort_order_id;
  std::optional<std::string> referenced_data_file;
  // v3 (position-delete vectors, row lineage): read and kept.
  std::optional<int64_t> first_row_id;
  std::optional<int64_t> content_offset;
  std::optional<int64_t> content_size_in_bytes;
};

enum class EntryStatus { kExisting = 0, kAdded = 1, kDeleted = 2 };

struct ManifestEntry {
  EntryStatus status = EntryStatus::kAdded;
  std::optional<int64_t> snapshot_id;           // null: inherited from the manifest
  std::optional<int64_t> sequence_number;       // data sequence number; null: inherited (ADDED only)
  std::optional<int64_t> file_sequence_number;  // likewise
  DataFile data_file;
};

enum class ManifestContent { kData = 0, kDeletes = 1 };

// Summary of one partition field over a manifest. Bounds: appendix D, binary, absent where there is no value.
struct FieldSummary {
  bool contains_null = false;
  std::optional<bool> contains_nan;
  std::optional<std::string> lower_bound;
  std::optional<std::string> upper_bound;
};

// One row of a manifest list.
struct ManifestFile {
  std::string manifest_path;
  int64_t manifest_length = 0;
  int partition_spec_id = 0;
  ManifestContent content = ManifestContent::kData;
  int64_t sequence_number = 0;
  int64_t min_sequence_number = 0;
  int64_t added_snapshot_id = 0;
  // Absent in manifests of old writers.
  std::optional<int64_t> added_files_count, existing_files_count, deleted_files_count;
  std::optional<int64_t> added_rows_count, existing_rows_count, deleted_rows_count;
  std::optional<std::vector<FieldSummary>> partitions;  // absent is "unknown"; never null bounds instead
  std::optional<std::string> key_metadata;
  std::optional<int64_t> first_row_id;  // v3
};

}  // namespace calve::iceberg
