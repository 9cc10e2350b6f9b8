#include "calve/iceberg/manifest_schema.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "calve/iceberg/utf8.h"

namespace calve::iceberg::manifest {

using nlohmann::ordered_json;

namespace {

struct KnownField {
  Record record;
  int id;
  std::string_view name;
};

constexpr KnownField kKnownFields[] = {
    {Record::kEntry, kStatus, "status"},
    {Record::kEntry, kSnapshotId, "snapshot_id"},
    {Record::kEntry, kSequenceNumber, "sequence_number"},
    {Record::kEntry, kFileSequenceNumber, "file_sequence_number"},
    {Record::kEntry, kDataFile, "data_file"},
    {Record::kDataFile, kContent, "content"},
    {Record::kDataFile, kFilePath, "file_path"},
    {Record::kDataFile, kFileFormat, "file_format"},
    {Record::kDataFile, kPartition, "partition"},
    {Record::kDataFile, kRecordCount, "record_count"},
    {Record::kDataFile, kFileSize, "file_size_in_bytes"},
    {Record::kDataFile, kColumnSizes, "column_sizes"},
    {Record::kDataFile, kValueCounts, "value_counts"},
    {Record::kDataFile, kNullValueCounts, "null_value_counts"},
    {Record::kDataFile, kNanValueCounts, "nan_value_counts"},
    {Record::kDataFile, kLowerBounds, "lower_bounds"},
    {Record::kDataFile, kUpperBounds, "upper_bounds"},
    {Record::kDataFile, kKeyMetadata, "key_metadata"},
    {Record::kDataFile, kSplitOffsets, "split_offsets"},
    {Record::kDataFile, kEqualityIds, "equality_ids"},
    {Record::kDataFile, kSortOrderId, "sort_order_id"},
    {Record::kDataFile, kFirstRowId, "first_row_id"},
    {Record::kDataFile, kReferencedDataFile, "referenced_data_file"},
    {Record::kDataFile, kContentOffset, "content_offset"},
    {Record::kDataFile, kContentSize, "content_size_in_bytes"},
    {Record::kList, kManifestPath, "manifest_path"},
    {Record::kList, kManifestLength, "manifest_length"},
    {Record::kList, kPartitionSpecId, "partition_spec_id"},
    {Record::kList, kManifestContent, "content"},
    {Record::kList, kListSequenceNumber, "sequence_number"},
    {Record::kList, kMinSequenceNumber, "min_sequence_number"},
    {Record::kList, kAddedSnapshotId, "added_snapshot_id"},
    {Record::kList, kAddedFilesCount, "added_files_count"},
    {Record::kList, kAddedFilesCount, "added_data_files_count"},
    {Record::kList, kExistingFilesCount, "existing_files_count"},
    {Record::kList, kExistingFilesCount, "existing_data_files_count"},
    {Record::kList, kDeletedFilesCount, "deleted_files_count"},
    {Record::kList, kDeletedFilesCount, "deleted_data_files_count"},
    {Record::kList, kAddedRowsCount, "added_rows_count"},
    {Record::kList, kExistingRowsCount, "existing_rows_count"},
    {Record::kList, kDeletedRowsCount, "deleted_rows_count"},
    {Record::kList, kPartitions, "partitions"},
    {Record::kList, kListKeyMetadata, "key_metadata"},
    {Record::kList, kListFirstRowId, "first_row_id"},
    {Record::kSummary, kContainsNull, "contains_null"},
    {Record::kSummary, kContainsNan, "contains_nan"},
    {Record::kSummary, kLowerBound, "lower_bound"},
    {Record::kSummary, kUpperBound, "upper_bound"},
};

ordered_json Required(const char* name, int id, ordered_json type) {
  return {{"name", name}, {"type", std::move(type)}, {"field-id", id}};
}

ordered_json Optional(const char* name, int id, ordered_json type) {
  return {
      {"name", name}, {"type", ordered_json::array({"null", std::move(type)})}, {"default", nullptr}, {"field-id", id}};
}

ordered_json RecordOf(const char* name, ordered_json fields) {
  return {{"type", "record"}, {"name", name}, {"fields", std::move(fields)}};
}

ordered_json ArrayOf(int element_id, ordered_json items) {
  return {{"type", "array"}, {"items", std::move(items)}, {"element-id", element_id}};
}

// Appendix A: a map whose keys are not strings is an array of key-value records.
ordered_json MapOf(int key_id, int value_id, const char* value_type) {
  const std::string name = fmt::format("k{}_v{}", key_id, value_id);
  ordered_json fields = ordered_json::array({Required("key", key_id, "int"), Required("value", value_id, value_type)});
  ordered_json map = {{"type", "array"}, {"items", RecordOf(name.c_str(), std::move(fields))}, {"logicalType", "map"}};
  map["key-id"] = key_id;
  map["value-id"] = value_id;
  return map;
}

ordered_json Logical(const char* type, const char* logical) { return {{"type", type}, {"logicalType", logical}}; }

ordered_json Timestamp(const char* logical, bool utc) {
  ordered_json type = Logical("long", logical);
  type["adjust-to-utc"] = utc;
  return type;
}

ordered_json PlainType(const Type& type) {
  switch (type.id) {
    case TypeId::kBoolean:
      return "boolean";
    case TypeId::kInt:
      return "int";
    case TypeId::kLong:
      return "long";
    case TypeId::kFloat:
      return "float";
    case TypeId::kDouble:
      return "double";
    case TypeId::kDate:
      return Logical("int", "date");
    case TypeId::kTime:
      return Logical("long", "time-micros");
    case TypeId::kTimestamp:
      return Timestamp("timestamp-micros", false);
    case TypeId::kTimestampTz:
      return Timestamp("timestamp-micros", true);
    case TypeId::kTimestampNs:
      return Timestamp("timestamp-nanos", false);
    case TypeId::kTimestampTzNs:
      return Timestamp("timestamp-nanos", true);
    case TypeId::kString:
      return "string";
    default:
      return "bytes";
  }
}

// The Avro type of a partition value. Java's name for a fixed, and one of its own for each further use: Avro wants a
// second use to be a reference by name, which not every reader of manifests follows.
ordered_json PartitionValueType(const Type& type, int field_id, std::set<std::string>& named) {
  ordered_json fixed = {{"type", "fixed"}};
  if (type.id == TypeId::kUuid) {
    fixed["name"] = "uuid_fixed";
    fixed["size"] = 16;
    fixed["logicalType"] = "uuid";
  } else if (type.id == TypeId::kFixed) {
    fixed["name"] = fmt::format("fixed_{}", type.length);
    fixed["size"] = type.length;
  } else if (type.id == TypeId::kDecimal) {
    fixed["name"] = fmt::format("decimal_{}_{}", type.precision, type.scale);
    fixed["size"] = DecimalBytes(type.precision);
    fixed["logicalType"] = "decimal";
    fixed["precision"] = type.precision;
    fixed["scale"] = type.scale;
  } else {
    return PlainType(type);
  }
  std::string name = fixed["name"];
  if (!named.insert(name).second) fixed["name"] = fmt::format("{}_r{}", name, field_id);
  return fixed;
}

ordered_json PartitionRecord(const Type& partition) {
  ordered_json fields = ordered_json::array();
  std::set<std::string> named;
  for (const NestedField& field : partition.fields) {
    const std::string name = AvroName(field.name);
    ordered_json avro = Optional(name.c_str(), field.id, PartitionValueType(field.type, field.id, named));
    if (name != field.name) avro["iceberg-field-name"] = field.name;
    fields.push_back(std::move(avro));
  }
  return RecordOf("r102", std::move(fields));
}

bool IsLetter(uint32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(uint32_t c) { return c >= '0' && c <= '9'; }

}  // namespace

int IdOf(const AvroField& field, Record record) {
  if (field.field_id >= 0) return field.field_id;
  for (const KnownField& known : kKnownFields) {
    if (known.record == record && known.name == field.name) return known.id;
  }
  return -1;
}

int DecimalBytes(int precision) {
  // Two's complement of 10^precision - 1: 2^(8n-1) must not be below it.
  int bytes = 1;
  double limit = 128;
  double value = 1;
  for (int i = 0; i < precision; ++i) value *= 10;
  for (; limit < value; limit *= 256) ++bytes;
  return bytes;
}

std::string AvroName(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const CodePoint point = FirstCodePoint(name);
    const uint32_t c = point.bytes == 0 ? static_cast<unsigned char>(name[0]) : point.value;
    name.remove_prefix(point.bytes == 0 ? 1 : static_cast<size_t>(point.bytes));
    if (IsLetter(c) || (IsDigit(c) && !out.empty())) {
      out += static_cast<char>(c);
    } else if (IsDigit(c)) {
      out += fmt::format("_{}", static_cast<char>(c));
    } else if (c > 0xffff) {
      out += fmt::format("_x{:X}_x{:X}", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
    } else {
      out += fmt::format("_x{:X}", c);
    }
  }
  return out.empty() ? "_" : out;
}

std::string EntrySchemaJson(const Type& partition) {
  ordered_json file = ordered_json::array();
  file.push_back(Required("content", kContent, "int"));
  file.push_back(Required("file_path", kFilePath, "string"));
  file.push_back(Required("file_format", kFileFormat, "string"));
  file.push_back(Required("partition", kPartition, PartitionRecord(partition)));
  file.push_back(Required("record_count", kRecordCount, "long"));
  file.push_back(Required("file_size_in_bytes", kFileSize, "long"));
  file.push_back(Optional("column_sizes", kColumnSizes, MapOf(117, 118, "long")));
  file.push_back(Optional("value_counts", kValueCounts, MapOf(119, 120, "long")));
  file.push_back(Optional("null_value_counts", kNullValueCounts, MapOf(121, 122, "long")));
  file.push_back(Optional("nan_value_counts", kNanValueCounts, MapOf(138, 139, "long")));
  file.push_back(Optional("lower_bounds", kLowerBounds, MapOf(126, 127, "bytes")));
  file.push_back(Optional("upper_bounds", kUpperBounds, MapOf(129, 130, "bytes")));
  file.push_back(Optional("key_metadata", kKeyMetadata, "bytes"));
  file.push_back(Optional("split_offsets", kSplitOffsets, ArrayOf(133, "long")));
  file.push_back(Optional("equality_ids", kEqualityIds, ArrayOf(136, "int")));
  file.push_back(Optional("sort_order_id", kSortOrderId, "int"));
  ordered_json entry = ordered_json::array();
  entry.push_back(Required("status", kStatus, "int"));
  entry.push_back(Optional("snapshot_id", kSnapshotId, "long"));
  entry.push_back(Optional("sequence_number", kSequenceNumber, "long"));
  entry.push_back(Optional("file_sequence_number", kFileSequenceNumber, "long"));
  entry.push_back(Required("data_file", kDataFile, RecordOf("r2", std::move(file))));
  return RecordOf("manifest_entry", std::move(entry)).dump();
}

const std::string& ListSchemaJson() {
  static const std::string text = [] {
    ordered_json summary = ordered_json::array();
    summary.push_back(Required("contains_null", kContainsNull, "boolean"));
    summary.push_back(Optional("contains_nan", kContainsNan, "boolean"));
    summary.push_back(Optional("lower_bound", kLowerBound, "bytes"));
    summary.push_back(Optional("upper_bound", kUpperBound, "bytes"));
    ordered_json list = ordered_json::array();
    list.push_back(Required("manifest_path", kManifestPath, "string"));
    list.push_back(Required("manifest_length", kManifestLength, "long"));
    list.push_back(Required("partition_spec_id", kPartitionSpecId, "int"));
    list.push_back(Required("content", kManifestContent, "int"));
    list.push_back(Required("sequence_number", kListSequenceNumber, "long"));
    list.push_back(Required("min_sequence_number", kMinSequenceNumber, "long"));
    list.push_back(Required("added_snapshot_id", kAddedSnapshotId, "long"));
    list.push_back(Required("added_files_count", kAddedFilesCount, "int"));
    list.push_back(Required("existing_files_count", kExistingFilesCount, "int"));
    list.push_back(Required("deleted_files_count", kDeletedFilesCount, "int"));
    list.push_back(Required("added_rows_count", kAddedRowsCount, "long"));
    list.push_back(Required("existing_rows_count", kExistingRowsCount, "long"));
    list.push_back(Required("deleted_rows_count", kDeletedRowsCount, "long"));
    list.push_back(Optional("partitions", kPartitions, ArrayOf(508, RecordOf("r508", std::move(summary)))));
    list.push_back(Optional("key_metadata", kListKeyMetadata, "bytes"));
    return RecordOf("manifest_file", std::move(list)).dump();
  }();
  return text;
}

}  // namespace calve::iceberg::manifest
