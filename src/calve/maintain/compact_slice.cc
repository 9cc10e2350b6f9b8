#include "calve/maintain/compact_slice.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "calve/iceberg/metadata_json.h"
#include "calve/table/plan_store.h"

namespace calve::maintain {
namespace {

using iceberg::JsonNode;
using iceberg::JsonWriter;
using table::ReadTexts;
using table::WriteTexts;

constexpr int64_t kCompactHeaderVersion = 1;

int64_t StoredRows(const CompactionGroup& group) {
  int64_t rows = 0;
  for (const table::ScanTask& task : group.tasks) rows += task.file.record_count;
  return rows;
}

Result<NumberedGroup> ReadGroup(const JsonNode& node, const iceberg::PartitionTypes& types) {
  NumberedGroup group;
  ARROW_ASSIGN_OR_RAISE(group.number, node.GetInt64("group"));
  ARROW_ASSIGN_OR_RAISE(group.group.files, node.GetInt64("files"));
  ARROW_ASSIGN_OR_RAISE(group.group.file_bytes, node.GetInt64("file_bytes"));
  ARROW_ASSIGN_OR_RAISE(group.group.tasks, table::ReadScanTasks(node, types));
  if (group.group.tasks.empty()) return node.Error("has no files");
  for (const table::ScanTask& task : group.group.tasks) group.group.bytes += task.file.file_size_in_bytes;
  return group;
}

Result<WrittenGroup> ReadWritten(const JsonNode& node, const iceberg::PartitionTypes& types) {
  WrittenGroup group;
  ARROW_ASSIGN_OR_RAISE(group.number, node.GetInt64("group"));
  ARROW_ASSIGN_OR_RAISE(group.note, node.FindString("note", ""));
  const auto files = node.Find("files");
  if (!files) return group;
  ARROW_ASSIGN_OR_RAISE(group.rows, node.GetInt64("rows"));
  ARROW_ASSIGN_OR_RAISE(group.rows_deleted, node.GetInt64("rows_deleted"));
  group.added.emplace();
  ARROW_RETURN_NOT_OK(files->ForEach([&](const JsonNode& file) -> Status {
    ARROW_ASSIGN_OR_RAISE(group.added->emplace_back(), iceberg::ReadDataFile(file, types));
    return Status::OK();
  }));
  return group;
}

Status Refuse(int64_t slice, const std::string& what) {
  return MakeError(ErrorKind::kConfig, fmt::format("slice {}: {}", slice, what),
                   "Give the lines as `calve write-slice` wrote them.");
}

// One group's rows and files.
Status CheckGroup(const CompactHeader& header, int64_t slice, const NumberedGroup& planned,
                  const WrittenGroup& written) {
  const int64_t rows = StoredRows(planned.group);
  if (written.rows < 0 || written.rows_deleted < 0 || written.rows + written.rows_deleted != rows) {
    return Refuse(slice, fmt::format("group {} has {} rows, of which {} were kept and {} deleted", planned.number, rows,
                                     written.rows, written.rows_deleted));
  }
  int64_t added = 0;
  const iceberg::DataFile& first = planned.group.tasks.front().file;
  for (const iceberg::DataFile& file : *written.added) {
    added += file.record_count;
    if (file.content != iceberg::FileContent::kData || file.spec_id != header.table.default_spec_id ||
        file.partition != first.partition) {
      return Refuse(slice, fmt::format("{} is not of group {}'s partition", file.file_path, planned.number));
    }
    if (table::BelowPlan(file.file_path, header.id).empty()) {
      return Refuse(slice, fmt::format("{} is not in the plan's folder", file.file_path));
    }
  }
  if (added == written.rows) return Status::OK();
  return Refuse(slice, fmt::format("group {} has {} rows, and its files {}", planned.number, written.rows, added));
}

}  // namespace

int64_t CompactSlice::rows() const {
  int64_t rows = 0;
  for (const NumberedGroup& group : groups) rows += StoredRows(group.group);
  return rows;
}

int64_t CompactSlice::bytes() const {
  int64_t bytes = 0;
  for (const NumberedGroup& group : groups) bytes += group.group.bytes;
  return bytes;
}

std::string WriteCompactHeader(const CompactHeader& header) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Field("version", kCompactHeaderVersion);
  writer.Field("job", "compact");
  writer.Field("id", header.id);
  writer.Field("made_at", FormatTimestamp(header.made_at));
  writer.Field("slices", header.slices);
  writer.Field("groups", header.groups);
  WriteTexts("namespace", header.target.levels, writer);
  writer.Field("name", header.target.name);
  writer.Field("table_uuid", header.planned_on.table_uuid);
  if (header.planned_on.snapshot_id) writer.Field("planned_snapshot_id", *header.planned_on.snapshot_id);
  if (header.planned_on.sequence_number) writer.Field("planned_sequence_number", *header.planned_on.sequence_number);
  writer.Field("small_files", header.small_files);
  writer.Field("other_specs", header.other_specs);
  writer.Field("not_rewritable", header.not_rewritable);
  WriteTexts("notes", header.notes, writer);
  writer.Key("table");
  writer.BeginObject();
  writer.Members(iceberg::WriteTableMetadata(table::WithoutHistory(header.table)));
  writer.EndObject();
  writer.EndObject();
  return std::move(writer.text());
}

Result<CompactHeader> ParseCompactHeader(std::string_view json) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, iceberg::ParseJson(json));
  const JsonNode root(parsed);
  ARROW_ASSIGN_OR_RAISE(const int64_t version, root.GetInt64("version"));
  ARROW_ASSIGN_OR_RAISE(const std::string job, root.GetString("job"));
  if (version != kCompactHeaderVersion || job != "compact") {
    return MakeError(ErrorKind::kUnsupported, fmt::format("a plan of the job '{}', version {}", job, version),
                     "Plan, write and commit with the same version of calve.");
  }
  CompactHeader header;
  ARROW_ASSIGN_OR_RAISE(header.id, root.GetString("id"));
  ARROW_ASSIGN_OR_RAISE(const std::string made_at, root.GetString("made_at"));
  ARROW_ASSIGN_OR_RAISE(header.made_at, ParseTimestamp(made_at));
  ARROW_ASSIGN_OR_RAISE(header.slices, root.GetInt64("slices"));
  ARROW_ASSIGN_OR_RAISE(header.groups, root.GetInt64("groups"));
  ARROW_ASSIGN_OR_RAISE(header.target.levels, ReadTexts(root, "namespace"));
  ARROW_ASSIGN_OR_RAISE(header.target.name, root.GetString("name"));
  ARROW_ASSIGN_OR_RAISE(header.planned_on.table_uuid, root.GetString("table_uuid"));
  ARROW_ASSIGN_OR_RAISE(header.planned_on.snapshot_id, root.FindInt64("planned_snapshot_id"));
  ARROW_ASSIGN_OR_RAISE(header.planned_on.sequence_number, root.FindInt64("planned_sequence_number"));
  ARROW_ASSIGN_OR_RAISE(header.small_files, root.GetInt64("small_files"));
  ARROW_ASSIGN_OR_RAISE(header.other_specs, root.GetInt64("other_specs"));
  ARROW_ASSIGN_OR_RAISE(header.not_rewritable, root.GetInt64("not_rewritable"));
  ARROW_ASSIGN_OR_RAISE(header.notes, ReadTexts(root, "notes"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode table, root.Get("table"));
  ARROW_ASSIGN_OR_RAISE(header.table, iceberg::ReadTableMetadata(table));
  return header;
}

Result<std::string> WriteCompactSlice(const CompactSlice& slice, const iceberg::PartitionTypes& types) {
  JsonWriter writer;
  writer.BeginObject();
  table::WriteSliceOrigin(slice.origin, writer);
  writer.Field("of", slice.of);
  writer.Field("rows", slice.rows());
  writer.Field("bytes", slice.bytes());
  writer.Key("groups");
  writer.BeginArray();
  for (const NumberedGroup& group : slice.groups) {
    writer.BeginObject();
    writer.Field("group", group.number);
    writer.Field("files", group.group.files);
    writer.Field("file_bytes", group.group.file_bytes);
    ARROW_RETURN_NOT_OK(table::WriteScanTasks(group.group.tasks, types, writer));
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  return std::move(writer.text());
}

Result<CompactSlice> ParseCompactSlice(std::string_view line, const iceberg::PartitionTypes& types) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, iceberg::ParseJson(line));
  const JsonNode root(parsed);
  CompactSlice slice;
  ARROW_ASSIGN_OR_RAISE(slice.origin, table::ReadSliceOrigin(root, kCompactJob));
  ARROW_ASSIGN_OR_RAISE(slice.of, root.GetInt64("of"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode groups, root.Get("groups"));
  ARROW_RETURN_NOT_OK(groups.ForEach([&](const JsonNode& group) -> Status {
    ARROW_ASSIGN_OR_RAISE(slice.groups.emplace_back(), ReadGroup(group, types));
    return Status::OK();
  }));
  return slice;
}

std::vector<CompactSlice> CutGroups(std::vector<CompactionGroup> groups, int64_t bytes_min,
                                    const table::SliceOrigin& origin) {
  std::vector<CompactSlice> slices;
  int64_t number = 0, bytes = bytes_min;
  for (CompactionGroup& group : groups) {
    if (slices.empty() || bytes >= bytes_min) {
      slices.push_back(CompactSlice{origin, 0, {}});
      slices.back().origin.slice = static_cast<int64_t>(slices.size()) - 1;
      bytes = 0;
    }
    bytes += group.bytes;
    slices.back().groups.push_back({number++, std::move(group)});
  }
  for (CompactSlice& slice : slices) slice.of = static_cast<int64_t>(slices.size());
  return slices;
}

Result<std::string> WriteCompactedSlice(const CompactedSlice& slice, const iceberg::PartitionTypes& types) {
  JsonWriter writer;
  writer.BeginObject();
  table::WriteSliceOrigin(slice.origin, writer);
  writer.Field("attempt", slice.attempt);
  writer.Key("groups");
  writer.BeginArray();
  for (const WrittenGroup& group : slice.groups) {
    writer.BeginObject();
    writer.Field("group", group.number);
    if (group.added) {
      writer.Field("rows", group.rows);
      writer.Field("rows_deleted", group.rows_deleted);
      writer.Key("files");
      writer.BeginArray();
      for (const iceberg::DataFile& file : *group.added)
        ARROW_RETURN_NOT_OK(iceberg::WriteDataFile(file, types, writer));
      writer.EndArray();
    } else {
      writer.Field("note", group.note);
    }
    writer.EndObject();
  }
  writer.EndArray();
  table::WriteSeconds(slice.seconds, writer);
  writer.EndObject();
  return std::move(writer.text());
}

Result<CompactedSlice> ParseCompactedSlice(std::string_view line, const iceberg::PartitionTypes& types) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, iceberg::ParseJson(line));
  const JsonNode root(parsed);
  CompactedSlice slice;
  ARROW_ASSIGN_OR_RAISE(slice.origin, table::ReadSliceOrigin(root, kCompactJob));
  ARROW_ASSIGN_OR_RAISE(slice.attempt, root.GetString("attempt"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode groups, root.Get("groups"));
  ARROW_RETURN_NOT_OK(groups.ForEach([&](const JsonNode& group) -> Status {
    ARROW_ASSIGN_OR_RAISE(slice.groups.emplace_back(), ReadWritten(group, types));
    return Status::OK();
  }));
  return slice;
}

Result<CheckedGroups> CheckCompacted(const CompactHeader& header, const std::vector<CompactSlice>& planned,
                                     const std::vector<CompactedSlice>& written) {
  std::vector<table::SliceOrigin> lines;
  for (const CompactedSlice& slice : written) lines.push_back(slice.origin);
  ARROW_RETURN_NOT_OK(table::CheckEachSliceOnce(header.id, header.slices, lines));
  std::map<int64_t, const CompactedSlice*> by_number;
  for (const CompactedSlice& slice : written) by_number[slice.origin.slice] = &slice;
  CheckedGroups checked;
  std::set<std::string> paths;
  for (const CompactSlice& slice : planned) {
    const CompactedSlice& line = *by_number.at(slice.origin.slice);
    if (line.groups.size() != slice.groups.size()) {
      return Refuse(slice.origin.slice,
                    fmt::format("{} groups were planned and {} written", slice.groups.size(), line.groups.size()));
    }
    for (size_t i = 0; i < slice.groups.size(); ++i) {
      const NumberedGroup& group = slice.groups[i];
      const WrittenGroup& result = line.groups[i];
      if (result.number != group.number)
        return Refuse(slice.origin.slice, fmt::format("group {} is missing", group.number));
      if (!result.added) {
        ++checked.left;
        checked.notes.push_back(result.note);
        continue;
      }
      ARROW_RETURN_NOT_OK(CheckGroup(header, slice.origin.slice, group, result));
      RewrittenGroup& replaced = checked.groups.emplace_back();
      for (const table::ScanTask& task : group.group.tasks) replaced.removed.push_back(task.file);
      for (const iceberg::DataFile& file : *result.added) {
        if (!paths.insert(file.file_path).second) {
          return Refuse(slice.origin.slice, fmt::format("{} is there twice", file.file_path));
        }
      }
      replaced.added = *result.added;
      replaced.rows = result.rows;
      replaced.rows_deleted = result.rows_deleted;
    }
  }
  return checked;
}

}  // namespace calve::maintain
