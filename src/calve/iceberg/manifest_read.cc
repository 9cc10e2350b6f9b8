#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "calve/iceberg/avro_file.h"
#include "calve/iceberg/manifest.h"
#include "calve/iceberg/manifest_partition.h"
#include "calve/iceberg/manifest_schema.h"

namespace calve::iceberg {
namespace {

using manifest::Record;

void ReadInto(int64_t& out, AvroDecoder& in, const AvroType& type, const char* what) {
  const std::optional<int64_t> value = in.MaybeLong(type, what);
  if (!value) in.Fail(std::string(what) + " is null");
  out = value.value_or(0);
}

// The value of a key-value record's second field.
void ReadInto(std::string& out, AvroDecoder& in, const AvroType& type, const char* what) {
  const std::optional<std::string_view> value = in.MaybeBytes(type, what);
  if (!value) in.Fail(std::string(what) + " is null");
  out = value.value_or(std::string_view());
}

template <typename Value>
void ReadMap(std::map<int, Value>& out, AvroDecoder& in, const AvroType& type, const char* what) {
  in.Array(type, what, [&](const AvroType& item) {
    std::optional<int32_t> key;
    std::optional<Value> value;
    in.Record(item, what, [&](const AvroField& field) {
      if (field.name == "key") {
        key = in.MaybeInt(*field.type, what);
      } else if (field.name == "value") {
        ReadInto(value.emplace(), in, *field.type, what);
      } else {
        in.Skip(*field.type);
      }
    });
    if (!key || !value) return in.Fail(std::string(what) + " has an entry without key or value");
    out.insert_or_assign(*key, *std::move(value));
  });
}

template <typename Int>
void ReadInts(std::vector<Int>& out, AvroDecoder& in, const AvroType& type, const char* what) {
  in.Array(type, what, [&](const AvroType& item) {
    int64_t value = 0;
    ReadInto(value, in, item, what);
    if (value < std::numeric_limits<Int>::min() || value > std::numeric_limits<Int>::max()) {
      return in.Fail(std::string(what) + " does not fit an int");
    }
    out.push_back(static_cast<Int>(value));
  });
}

FileContent ReadContent(AvroDecoder& in, const AvroType& type) {
  const int32_t content = in.MaybeInt(type, "content").value_or(0);
  if (content < 0 || content > 2) in.Fail(fmt::format("unknown content {}", content));
  return static_cast<FileContent>(content);
}

void ReadRareField(DataFile& file, int id, AvroDecoder& in, const AvroType& type) {
  switch (id) {
    case manifest::kKeyMetadata: {
      if (const auto bytes = in.MaybeBytes(type, "key_metadata")) file.key_metadata = std::string(*bytes);
      return;
    }
    case manifest::kReferencedDataFile: {
      if (const auto path = in.MaybeBytes(type, "referenced_data_file")) file.referenced_data_file = std::string(*path);
      return;
    }
    case manifest::kSplitOffsets:
      return ReadInts(file.split_offsets, in, type, "split_offsets");
    case manifest::kEqualityIds:
      return ReadInts(file.equality_ids, in, type, "equality_ids");
    case manifest::kSortOrderId: {
      file.sort_order_id = in.MaybeInt(type, "sort_order_id");
      return;
    }
    case manifest::kFirstRowId: {
      file.first_row_id = in.MaybeLong(type, "first_row_id");
      return;
    }
    case manifest::kContentOffset: {
      file.content_offset = in.MaybeLong(type, "content_offset");
      return;
    }
    case manifest::kContentSize: {
      file.content_size_in_bytes = in.MaybeLong(type, "content_size_in_bytes");
      return;
    }
    default:
      in.Skip(type);
  }
}

bool ReadDataFile(DataFile& file, AvroDecoder& in, const AvroType& type, const Type& partition) {
  bool path = false, format = false, tuple = false;
  file.record_count = file.file_size_in_bytes = -1;
  const bool present = in.Record(type, "data_file", [&](const AvroField& field) {
    const AvroType& t = *field.type;
    switch (const int id = manifest::IdOf(field, Record::kDataFile)) {
      case manifest::kContent:
        file.content = ReadContent(in, t);
        return;
      case manifest::kFilePath:
        path = true;
        return ReadInto(file.file_path, in, t, "file_path");
      case manifest::kFileFormat:
        format = true;
        return ReadInto(file.file_format, in, t, "file_format");
      case manifest::kPartition:
        tuple = true;
        file.partition = manifest::ReadPartition(in, t, partition);
        return;
      case manifest::kRecordCount:
        return ReadInto(file.record_count, in, t, "record_count");
      case manifest::kFileSize:
        return ReadInto(file.file_size_in_bytes, in, t, "file_size_in_bytes");
      case manifest::kColumnSizes:
        return ReadMap(file.column_sizes, in, t, "column_sizes");
      case manifest::kValueCounts:
        return ReadMap(file.value_counts, in, t, "value_counts");
      case manifest::kNullValueCounts:
        return ReadMap(file.null_value_counts, in, t, "null_value_counts");
      case manifest::kNanValueCounts:
        return ReadMap(file.nan_value_counts, in, t, "nan_value_counts");
      case manifest::kLowerBounds:
        return ReadMap(file.lower_bounds, in, t, "lower_bounds");
      case manifest::kUpperBounds:
        return ReadMap(file.upper_bounds, in, t, "upper_bounds");
      default:
        return ReadRareField(file, id, in, t);
    }
  });
  if (present && (!path || file.file_path.empty())) in.Fail("a file without file_path");
  if (present && !format) in.Fail("a file without file_format");
  if (present && !tuple && !partition.fields.empty()) in.Fail("a file without partition");
  if (present && file.record_count < 0) in.Fail("a file with no or a negative record_count");
  if (present && file.file_size_in_bytes < 0) in.Fail("a file with no or a negative file_size_in_bytes");
  return present;
}

ManifestEntry ReadEntry(AvroDecoder& in, const AvroType& type, const Type& partition) {
  ManifestEntry entry;
  std::optional<int32_t> status;
  bool file = false;
  in.Record(type, "manifest_entry", [&](const AvroField& field) {
    const AvroType& t = *field.type;
    switch (manifest::IdOf(field, Record::kEntry)) {
      case manifest::kStatus:
        status = in.MaybeInt(t, "status");
        return;
      case manifest::kSnapshotId:
        entry.snapshot_id = in.MaybeLong(t, "snapshot_id");
        return;
      case manifest::kSequenceNumber:
        entry.sequence_number = in.MaybeLong(t, "sequence_number");
        return;
      case manifest::kFileSequenceNumber:
        entry.file_sequence_number = in.MaybeLong(t, "file_sequence_number");
        return;
      case manifest::kDataFile:
        file = ReadDataFile(entry.data_file, in, t, partition);
        return;
      default:
        return in.Skip(t);
    }
  });
  if (!file) in.Fail("an entry without data_file");
  if (!status || *status < 0 || *status > 2) in.Fail("an entry without a known status");
  entry.status = static_cast<EntryStatus>(status.value_or(0));
  return entry;
}

// Spec, "Sequence Number Inheritance" and "Snapshot ID Inheritance". A manifest of a v1 table has no numbers: zero.
void Inherit(ManifestEntry& entry, const ManifestFile& file) {
  if (!entry.snapshot_id) entry.snapshot_id = file.added_snapshot_id;
  if (entry.status != EntryStatus::kAdded && file.sequence_number != 0) return;
  if (!entry.sequence_number) entry.sequence_number = file.sequence_number;
  if (!entry.file_sequence_number) entry.file_sequence_number = file.sequence_number;
}

// Writers put the spec's id into a key of its own, spelled in two ways (ClickHouse's is with underscores); some put a
// whole spec, id included, where its fields belong.
int SpecIdOf(const std::map<std::string, std::string>& metadata) {
  for (const char* key : {"partition-spec-id", "partition_spec_id", "partition-spec"}) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) continue;
    const auto json = nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
    if (json.is_number_integer()) return json.get<int>();
    const auto id = json.is_object() ? json.find("spec-id") : json.end();
    if (id != json.end() && id->is_number_integer()) return id->get<int>();
  }
  return 0;
}

// The spec's partition type, for reading. What an unknown transform yields is known to the writer alone.
Result<Type> ReadType(const PartitionSpec& spec, const Schema& schema) {
  ARROW_ASSIGN_OR_RAISE(Type partition, PartitionType(spec, schema));
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    if (spec.fields[i].transform.kind == TransformKind::kUnknown) partition.fields[i].type = manifest::AsWritten();
  }
  return partition;
}

}  // namespace

Result<ManifestHeader> DecodeManifestHeader(std::string_view bytes) {
  const auto avro = ReadAvroFile(bytes);
  if (!avro.ok()) return WithContext(avro.status(), "manifest");
  ManifestHeader header;
  header.spec_id = SpecIdOf(avro->metadata);
  const auto content = avro->metadata.find("content");
  if (content != avro->metadata.end() && content->second == "deletes") header.content = ManifestContent::kDeletes;
  return header;
}

Result<std::vector<ManifestEntry>> DecodeManifest(std::string_view bytes, const Schema& schema,
                                                  const PartitionSpec& spec, const ManifestFile* file) {
  const std::string context = file == nullptr ? "manifest" : "manifest " + file->manifest_path;
  // Avro cannot see that whole blocks are missing at the end; the length in the manifest list can.
  if (file != nullptr && static_cast<int64_t>(bytes.size()) < file->manifest_length) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("{}: {} bytes where the manifest list says {}", context,
                                                      bytes.size(), file->manifest_length));
  }
  const auto partition = ReadType(spec, schema);
  if (!partition.ok()) return WithContext(partition.status(), context);
  const auto avro = ReadAvroFile(bytes);
  if (!avro.ok()) return WithContext(avro.status(), context);
  std::vector<ManifestEntry> entries;
  const Status status = ForEachAvroObject(*avro, [&](AvroDecoder& in, const AvroType& root) {
    ManifestEntry entry = ReadEntry(in, root, *partition);
    if (!in.ok()) return;
    entry.data_file.spec_id = spec.spec_id;
    if (file != nullptr) Inherit(entry, *file);
    entries.push_back(std::move(entry));
  });
  if (!status.ok()) return WithContext(status, context);
  return entries;
}

}  // namespace calve::iceberg
