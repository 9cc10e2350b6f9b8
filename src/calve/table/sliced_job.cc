#include "calve/table/sliced_job.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "calve/table/plan_store.h"
#include "calve/table/snapshot_manifests.h"

namespace calve::table {

using iceberg::JsonNode;
using iceberg::JsonWriter;

void WriteSliceOrigin(const SliceOrigin& origin, JsonWriter& writer) {
  writer.Field("plan", origin.plan);
  writer.Field("target", origin.target);
  writer.Field("job", origin.job);
  writer.Field("slice", origin.slice);
}

Result<SliceOrigin> ReadSliceOrigin(const JsonNode& line) {
  ARROW_RETURN_NOT_OK(line.ExpectObject());
  SliceOrigin origin;
  ARROW_ASSIGN_OR_RAISE(origin.plan, line.GetString("plan"));
  ARROW_ASSIGN_OR_RAISE(origin.target, line.GetString("target"));
  ARROW_ASSIGN_OR_RAISE(origin.job, line.GetString("job"));
  ARROW_ASSIGN_OR_RAISE(origin.slice, line.GetInt64("slice"));
  if (origin.slice < 0) return line.Error("has a slice below 0");
  return origin;
}

Result<SliceOrigin> ReadSliceOrigin(const JsonNode& line, std::string_view job) {
  ARROW_ASSIGN_OR_RAISE(SliceOrigin origin, ReadSliceOrigin(line));
  if (origin.job != job) return line.Error(fmt::format("is a line of the job '{}', not of {}", origin.job, job));
  return origin;
}

Result<SliceOrigin> ReadSliceOrigin(std::string_view line, std::string_view job) {
  ARROW_ASSIGN_OR_RAISE(const auto parsed, iceberg::ParseJson(line));
  return ReadSliceOrigin(JsonNode(parsed), job);
}

Result<SliceOrigin> OriginOf(const std::vector<std::string>& lines, const std::string& plan, std::string_view job) {
  Status first_error =
      MakeError(ErrorKind::kConfig, "there are no lines of slices", "Give the lines that calve write-slice printed.");
  for (const std::string& line : lines) {
    auto origin = ReadSliceOrigin(line, job);
    if (origin.ok()) return origin;
    if (&line == &lines.front()) first_error = origin.status();
  }
  if (plan.empty()) return first_error;
  return SliceOrigin{plan, "", std::string(job), 0};
}

Status CheckEachSliceOnce(const std::string& plan_id, int64_t of, const std::vector<SliceOrigin>& slices) {
  constexpr size_t kNamed = 5;
  std::set<int64_t> seen;
  for (const SliceOrigin& slice : slices) {
    if (PlanIdOf(slice.plan) != plan_id) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("a line of the plan {} is among those of plan {}", slice.plan, plan_id),
                       "Commit the lines of one plan at a time.");
    }
    if (slice.slice < 0 || slice.slice >= of) {
      return MakeError(ErrorKind::kConfig, fmt::format("there is no slice {}: the plan has {}", slice.slice, of),
                       "Give the lines as calve write-slice printed them.");
    }
    if (!seen.insert(slice.slice).second) {
      return MakeError(ErrorKind::kConfig, fmt::format("slice {} is there twice", slice.slice),
                       "Give one line of each slice: of several attempts that ended, any one.");
    }
  }
  std::vector<int64_t> missing;
  for (int64_t i = 0; i < of && missing.size() < kNamed; ++i) {
    if (!seen.contains(i)) missing.push_back(i);
  }
  if (missing.empty()) return Status::OK();
  const int64_t count = of - static_cast<int64_t>(seen.size());
  return MakeError(ErrorKind::kConfig,
                   fmt::format("{} of {} slices are missing: {}{}", count, of, fmt::join(missing, ", "),
                               count > static_cast<int64_t>(kNamed) ? " …" : ""),
                   "Write them, and give all lines at once.");
}

Result<std::vector<OpenJob>> OpenPlansOf(storage::FileIO& file_io, const std::string& table_location,
                                         std::string_view job) {
  ARROW_ASSIGN_OR_RAISE(const auto locations, ListPlans(file_io, table_location));
  std::vector<OpenJob> plans;
  for (const std::string& location : locations) {
    auto text = ReadPlan(file_io, location);
    if (KindOf(text.status()) == ErrorKind::kConflict) continue;  // it has ended meanwhile
    ARROW_RETURN_NOT_OK(text.status());
    const auto parsed = iceberg::ParseJson(*text);
    if (!parsed.ok()) continue;
    const JsonNode root(*parsed);
    const auto of = root.FindString("job", "");
    const auto made_at = root.FindString("made_at", "");
    if (!of.ok() || *of != job || !made_at.ok()) continue;
    const auto made = ParseTimestamp(*made_at);
    if (made.ok()) plans.push_back({location, text.MoveValueUnsafe(), *made});
  }
  std::sort(plans.begin(), plans.end(), [](const auto& a, const auto& b) { return a.made_at > b.made_at; });
  return plans;
}

Result<std::vector<std::string>> ReadLinesOf(storage::FileIO& file_io, const std::string& plan_location) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadPlanLines(file_io, plan_location));
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

void WriteSeconds(double seconds, JsonWriter& writer) {
  // A number with a fraction, which the writer does not have.
  writer.Members(fmt::format("{{\"seconds\":{:.3f}}}", seconds));
}

void WriteTexts(std::string_view name, const std::vector<std::string>& texts, JsonWriter& writer) {
  writer.Key(name);
  writer.BeginArray();
  for (const std::string& text : texts) writer.String(text);
  writer.EndArray();
}

Result<std::vector<std::string>> ReadTexts(const JsonNode& node, std::string_view name) {
  ARROW_ASSIGN_OR_RAISE(const JsonNode list, node.Get(name));
  std::vector<std::string> texts;
  ARROW_RETURN_NOT_OK(list.ForEach([&](const JsonNode& text) -> Status {
    ARROW_ASSIGN_OR_RAISE(texts.emplace_back(), text.AsString());
    return Status::OK();
  }));
  return texts;
}

iceberg::TableMetadata WithoutHistory(const iceberg::TableMetadata& metadata) {
  iceberg::TableMetadata bare = metadata;
  bare.current_snapshot_id.reset();
  bare.snapshots = {};
  bare.snapshot_log.clear();
  bare.metadata_log.clear();
  bare.refs.clear();
  bare.extra_json.clear();
  return bare;
}

std::string DataLocationOf(const iceberg::TableMetadata& metadata) {
  return metadata.Property("write.data.path", storage::JoinLocation(metadata.location, "data"));
}

Result<std::set<std::string>> CommittedFiles(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                             const std::string& plan_id, int64_t planned_sequence_number) {
  std::set<std::string> files, seen;
  const bool numbered = metadata.format_version > 1;
  for (const iceberg::Snapshot& snapshot : metadata.snapshots) {
    if (numbered && snapshot.sequence_number <= planned_sequence_number) continue;
    ARROW_ASSIGN_OR_RAISE(const auto manifests, ReadManifests(file_io, metadata, snapshot));
    for (const iceberg::ManifestFile& manifest : manifests) {
      if (numbered && manifest.sequence_number <= planned_sequence_number) continue;
      if (manifest.content != iceberg::ManifestContent::kData || !seen.insert(manifest.manifest_path).second) continue;
      ARROW_ASSIGN_OR_RAISE(const auto entries, ReadEntries(file_io, metadata, manifest));
      for (const iceberg::ManifestEntry& entry : entries) {
        if (entry.status == iceberg::EntryStatus::kDeleted) continue;
        std::string below = BelowPlan(entry.data_file.file_path, plan_id);
        if (!below.empty()) files.insert(std::move(below));
      }
    }
  }
  return files;
}

}  // namespace calve::table
