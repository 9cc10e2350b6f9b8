#include <fmt/format.h>

#include <utility>

#include "calve/iceberg/avro_file.h"
#include "calve/iceberg/manifest.h"
#include "calve/iceberg/manifest_schema.h"

namespace calve::iceberg {
namespace {

using manifest::Record;

void PutOptionalBytes(std::string& out, const std::optional<std::string>& bytes) {
  PutAvroLong(out, bytes ? 1 : 0);
  if (bytes) PutAvroBytes(out, *bytes);
}

void PutSummary(std::string& out, const FieldSummary& summary) {
  out.push_back(summary.contains_null ? '\1' : '\0');
  PutAvroLong(out, summary.contains_nan ? 1 : 0);
  if (summary.contains_nan) out.push_back(*summary.contains_nan ? '\1' : '\0');
  PutOptionalBytes(out, summary.lower_bound);
  PutOptionalBytes(out, summary.upper_bound);
}

Status PutManifest(std::string& out, const ManifestFile& file) {
  if (file.manifest_path.empty()) return MakeError(ErrorKind::kFailed, "a manifest without a path");
  if (file.sequence_number < 0 || file.min_sequence_number < 0) {
    return MakeError(ErrorKind::kFailed, file.manifest_path + ": no sequence number was assigned");
  }
  PutAvroBytes(out, file.manifest_path);
  PutAvroLong(out, file.manifest_length);
  PutAvroLong(out, file.partition_spec_id);
  PutAvroLong(out, static_cast<int>(file.content));
  PutAvroLong(out, file.sequence_number);
  PutAvroLong(out, file.min_sequence_number);
  PutAvroLong(out, file.added_snapshot_id);
  for (const auto& count : {file.added_files_count, file.existing_files_count, file.deleted_files_count,
                            file.added_rows_count, file.existing_rows_count, file.deleted_rows_count}) {
    if (!count) return MakeError(ErrorKind::kFailed, file.manifest_path + ": a count that v2 requires is not known");
    PutAvroLong(out, *count);
  }
  PutAvroLong(out, file.partitions ? 1 : 0);
  if (file.partitions) {
    if (!file.partitions->empty()) PutAvroLong(out, static_cast<int64_t>(file.partitions->size()));
    for (const FieldSummary& summary : *file.partitions) PutSummary(out, summary);
    PutAvroLong(out, 0);
  }
  PutOptionalBytes(out, file.key_metadata);
  return Status::OK();
}

std::optional<std::string> ReadBytes(AvroDecoder& in, const AvroType& type, const char* what) {
  const auto bytes = in.MaybeBytes(type, what);
  return bytes ? std::optional(std::string(*bytes)) : std::nullopt;
}

FieldSummary ReadSummary(AvroDecoder& in, const AvroType& type) {
  FieldSummary summary;
  in.Record(type, "partitions", [&](const AvroField& field) {
    const AvroType& t = *field.type;
    switch (manifest::IdOf(field, Record::kSummary)) {
      // Not known is taken as "there may be nulls": readers must not skip them.
      case manifest::kContainsNull:
        summary.contains_null = in.MaybeBoolean(t, "contains_null").value_or(true);
        return;
      case manifest::kContainsNan:
        summary.contains_nan = in.MaybeBoolean(t, "contains_nan");
        return;
      case manifest::kLowerBound:
        summary.lower_bound = ReadBytes(in, t, "lower_bound");
        return;
      case manifest::kUpperBound:
        summary.upper_bound = ReadBytes(in, t, "upper_bound");
        return;
      default:
        return in.Skip(t);
    }
  });
  return summary;
}

void ReadSummaries(std::optional<std::vector<FieldSummary>>& out, AvroDecoder& in, const AvroType& type) {
  const AvroType* branch = in.Branch(type);
  if (branch == nullptr || branch->kind == AvroKind::kNull) return;
  out.emplace();
  in.Array(*branch, "partitions", [&](const AvroType& item) { out->push_back(ReadSummary(in, item)); });
}

std::optional<int64_t> ReadCount(AvroDecoder& in, const AvroType& type, const char* what) {
  const auto count = in.MaybeLong(type, what);
  if (count && *count < 0) in.Fail(fmt::format("{} is negative", what));
  return count;
}

// True where the field was one of those that every manifest list has.
bool ReadBasicField(ManifestFile& file, int id, AvroDecoder& in, const AvroType& t) {
  switch (id) {
    case manifest::kManifestPath:
      file.manifest_path = ReadBytes(in, t, "manifest_path").value_or("");
      return true;
    case manifest::kManifestLength:
      file.manifest_length = ReadCount(in, t, "manifest_length").value_or(0);
      return true;
    case manifest::kPartitionSpecId:
      file.partition_spec_id = in.MaybeInt(t, "partition_spec_id").value_or(0);
      return true;
    case manifest::kManifestContent: {
      const int32_t content = in.MaybeInt(t, "content").value_or(0);
      if (content < 0 || content > 1) in.Fail(fmt::format("unknown content {}", content));
      file.content = static_cast<ManifestContent>(content);
      return true;
    }
    case manifest::kListSequenceNumber:
      file.sequence_number = ReadCount(in, t, "sequence_number").value_or(0);
      return true;
    case manifest::kMinSequenceNumber:
      file.min_sequence_number = ReadCount(in, t, "min_sequence_number").value_or(0);
      return true;
    case manifest::kAddedSnapshotId:
      file.added_snapshot_id = in.MaybeLong(t, "added_snapshot_id").value_or(0);
      return true;
    default:
      return false;
  }
}

ManifestFile ReadManifestFile(AvroDecoder& in, const AvroType& type) {
  ManifestFile file;
  in.Record(type, "manifest_file", [&](const AvroField& field) {
    const AvroType& t = *field.type;
    const int id = manifest::IdOf(field, Record::kList);
    if (ReadBasicField(file, id, in, t)) return;
    switch (id) {
      case manifest::kAddedFilesCount:
        file.added_files_count = ReadCount(in, t, "added_files_count");
        return;
      case manifest::kExistingFilesCount:
        file.existing_files_count = ReadCount(in, t, "existing_files_count");
        return;
      case manifest::kDeletedFilesCount:
        file.deleted_files_count = ReadCount(in, t, "deleted_files_count");
        return;
      case manifest::kAddedRowsCount:
        file.added_rows_count = ReadCount(in, t, "added_rows_count");
        return;
      case manifest::kExistingRowsCount:
        file.existing_rows_count = ReadCount(in, t, "existing_rows_count");
        return;
      case manifest::kDeletedRowsCount:
        file.deleted_rows_count = ReadCount(in, t, "deleted_rows_count");
        return;
      case manifest::kPartitions:
        return ReadSummaries(file.partitions, in, t);
      case manifest::kListKeyMetadata:
        file.key_metadata = ReadBytes(in, t, "key_metadata");
        return;
      case manifest::kListFirstRowId:
        file.first_row_id = in.MaybeLong(t, "first_row_id");
        return;
      default:
        return in.Skip(t);
    }
  });
  if (file.manifest_path.empty()) in.Fail("a manifest without manifest_path");
  return file;
}

}  // namespace

Result<std::string> EncodeManifestList(int64_t snapshot_id, std::optional<int64_t> parent_snapshot_id,
                                       int64_t sequence_number, std::span<const ManifestFile> manifests) {
  // "null" is what Java writes for the first snapshot.
  AvroFileWriter writer(manifest::ListSchemaJson(),
                        {{"snapshot-id", std::to_string(snapshot_id)},
                         {"parent-snapshot-id", parent_snapshot_id ? std::to_string(*parent_snapshot_id) : "null"},
                         {"sequence-number", std::to_string(sequence_number)},
                         {"format-version", "2"}});
  for (const ManifestFile& file : manifests) {
    const Status status = PutManifest(writer.buffer(), file);
    if (!status.ok()) return WithContext(status, "manifest list");
    ARROW_RETURN_NOT_OK(writer.EndObject());
  }
  return writer.Finish();
}

Result<std::vector<ManifestFile>> DecodeManifestList(std::string_view bytes) {
  const auto avro = ReadAvroFile(bytes);
  if (!avro.ok()) return WithContext(avro.status(), "manifest list");
  std::vector<ManifestFile> manifests;
  const Status status = ForEachAvroObject(*avro, [&](AvroDecoder& in, const AvroType& root) {
    ManifestFile file = ReadManifestFile(in, root);
    if (in.ok()) manifests.push_back(std::move(file));
  });
  if (!status.ok()) return WithContext(status, "manifest list");
  return manifests;
}

}  // namespace calve::iceberg
