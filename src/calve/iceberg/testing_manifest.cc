#include "calve/iceberg/testing_manifest.h"

#include <tuple>
#include <utility>

namespace calve::iceberg {

Schema AllTypesSchema() {
  const std::pair<const char*, Type> columns[] = {
      {"flag", Type::Of(TypeId::kBoolean)},   {"small", Type::Of(TypeId::kInt)},
      {"big", Type::Of(TypeId::kLong)},       {"single", Type::Of(TypeId::kFloat)},
      {"number", Type::Of(TypeId::kDouble)},  {"day", Type::Of(TypeId::kDate)},
      {"clock", Type::Of(TypeId::kTime)},     {"ts", Type::Of(TypeId::kTimestamp)},
      {"tz", Type::Of(TypeId::kTimestampTz)}, {"text", Type::Of(TypeId::kString)},
      {"uid", Type::Of(TypeId::kUuid)},       {"fix", Type::Fixed(5)},
      {"bin", Type::Of(TypeId::kBinary)},     {"price", Type::Decimal(9, 2)},
      {"wide", Type::Decimal(38, 8)}};
  Schema schema;
  for (const auto& [name, type] : columns) {
    schema.fields.push_back({static_cast<int>(schema.fields.size()) + 1, name, false, type, ""});
  }
  return schema;
}

PartitionSpec AllTransformsSpec() {
  PartitionSpec spec{3, {}};
  for (const NestedField& field : AllTypesSchema().fields) {
    spec.fields.push_back({field.id, 999 + field.id, field.name == "text" ? "te xt" : field.name, {}});
  }
  const std::tuple<int, const char*, const char*> others[] = {{3, "bucket[16]", "big_bucket"},
                                                              {10, "truncate[4]", "text_trunc"},
                                                              {9, "year", "tz_year"},
                                                              {9, "month", "tz_month"},
                                                              {9, "day", "tz_day"},
                                                              {9, "hour", "tz_hour"},
                                                              {10, "void", "text_null"},
                                                              {14, "truncate[10]", "price_trunc"}};
  for (const auto& [source, transform, name] : others) {
    spec.fields.push_back({source, spec.fields.back().field_id + 1, name, ParseTransform(transform)});
  }
  return spec;
}

std::vector<Literal> FullPartition() {
  const std::string uuid("\x12\x34\x56\x78\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78", 16);
  return {true,
          int32_t{-7},
          int64_t{1} << 40,
          1.5F,
          -2.25,
          int32_t{19944},
          int64_t{3'600'000'000},
          int64_t{-1},
          int64_t{1'723'162'558'342'000},
          std::string("kraken é€😀"),
          uuid,
          std::string("12345"),
          std::string("\x00\xff", 2),
          arrow::Decimal128(-12345),
          arrow::Decimal128("12345678901234567890123456789012345678"),
          int32_t{7},
          std::string("krak"),
          int32_t{54},
          int32_t{655},
          int32_t{19944},
          int32_t{478656},
          std::monostate(),
          arrow::Decimal128(-12350)};
}

std::vector<Literal> NullPartition() { return std::vector<Literal>(AllTransformsSpec().fields.size()); }

DataFile FileWithMetrics(const std::string& path, std::vector<Literal> partition, int64_t record_count) {
  DataFile file;
  file.file_path = path;
  file.spec_id = 3;
  file.partition = std::move(partition);
  file.record_count = record_count;
  file.file_size_in_bytes = 1000;
  file.column_sizes = {{1, 11}, {2, 22}};
  file.value_counts = {{1, 10}, {2, 10}};
  file.null_value_counts = {{1, 0}, {2, 3}};
  file.nan_value_counts = {{5, 1}};
  file.lower_bounds = {{2, std::string("\xf9\xff\xff\xff", 4)}, {10, "kr"}};
  file.upper_bounds = {{2, std::string("\x07\x00\x00\x00", 4)}, {10, "ks"}};
  file.split_offsets = {4, 500};
  file.sort_order_id = 0;
  return file;
}

std::vector<ManifestEntry> AllStatusEntries() {
  std::vector<ManifestEntry> entries = {
      {EntryStatus::kAdded, 77, {}, {}, FileWithMetrics("file:///t/data/a.parquet", FullPartition(), 10)},
      {EntryStatus::kExisting, 11, 3, 4, FileWithMetrics("file:///t/data/b.parquet", NullPartition(), 5)},
      {EntryStatus::kDeleted, 77, 2, 2, FileWithMetrics("file:///t/data/c.parquet", NullPartition(), 1)}};
  entries[2].data_file.key_metadata = "key";
  return entries;
}

bool operator==(const DataFile& a, const DataFile& b) {
  const auto all = [](const DataFile& f) {
    return std::tie(f.content, f.file_path, f.file_format, f.spec_id, f.partition, f.record_count, f.file_size_in_bytes,
                    f.column_sizes, f.value_counts, f.null_value_counts, f.nan_value_counts, f.lower_bounds,
                    f.upper_bounds, f.key_metadata, f.split_offsets, f.equality_ids, f.sort_order_id,
                    f.referenced_data_file, f.first_row_id, f.content_offset, f.content_size_in_bytes);
  };
  return all(a) == all(b);
}

bool operator==(const ManifestEntry& a, const ManifestEntry& b) {
  return a.status == b.status && a.snapshot_id == b.snapshot_id && a.sequence_number == b.sequence_number &&
         a.file_sequence_number == b.file_sequence_number && a.data_file == b.data_file;
}

bool operator==(const FieldSummary& a, const FieldSummary& b) {
  return a.contains_null == b.contains_null && a.contains_nan == b.contains_nan && a.lower_bound == b.lower_bound &&
         a.upper_bound == b.upper_bound;
}

bool operator==(const ManifestFile& a, const ManifestFile& b) {
  const auto all = [](const ManifestFile& f) {
    return std::tie(f.manifest_path, f.manifest_length, f.partition_spec_id, f.content, f.sequence_number,
                    f.min_sequence_number, f.added_snapshot_id, f.added_files_count, f.existing_files_count,
                    f.deleted_files_count, f.added_rows_count, f.existing_rows_count, f.deleted_rows_count,
                    f.partitions, f.key_metadata, f.first_row_id);
  };
  return all(a) == all(b);
}

}  // namespace calve::iceberg
