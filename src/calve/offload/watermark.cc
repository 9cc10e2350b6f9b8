#include "calve/offload/watermark.h"

#include <charconv>
#include <nlohmann/json.hpp>

namespace calve::offload {
namespace {

using Keys = std::map<std::string, std::string>;

Status BadKey(const std::string& where, const std::string& key, const std::string& value) {
  return MakeError(ErrorKind::kCorrupt, fmt::format("{}: {} is '{}', which does not parse", where, key, value),
                   "Something other than calve changed it; roll main back to the snapshot before, or set it right.");
}

Result<CommitStamp> ParseStamp(const iceberg::StringMap& keys, const std::string& where) {
  auto get = [&](const char* key) {
    auto found = keys.find(key);
    return std::string(found == keys.end() ? "" : found->second);
  };
  auto integer = [&](const char* key, int64_t& out) {
    std::string text = get(key);
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
    return ec == std::errc() && end == text.data() + text.size();
  };
  CommitStamp stamp;
  stamp.source = get("calve.source");
  stamp.commit_id = get("calve.commit-id");
  if (std::string kind = get("calve.kind"); !kind.empty()) stamp.kind = kind;
  auto to = ParseTimestamp(get(table::kWindowToKey));
  if (!to.ok()) return BadKey(where, table::kWindowToKey, get(table::kWindowToKey));
  stamp.window_to = *to;
  if (std::string from = get("calve.window-from"); !from.empty()) {
    auto parsed = ParseTimestamp(from);
    if (!parsed.ok()) return BadKey(where, "calve.window-from", from);
    stamp.window_from = *parsed;
  }
  if (!get("calve.rows").empty() && !integer("calve.rows", stamp.rows)) {
    return BadKey(where, "calve.rows", get("calve.rows"));
  }
  if (!get("calve.max-sequence").empty()) {
    int64_t sequence = 0;
    if (!integer("calve.max-sequence", sequence)) return BadKey(where, "calve.max-sequence", get("calve.max-sequence"));
    stamp.max_sequence = sequence;
  }
  return stamp;
}

struct PropertyStamp {
  Keys keys;
  int64_t snapshot_id = 0;
  int64_t sequence_number = 0;
};

// nullopt where there is no such property.
Result<std::optional<PropertyStamp>> ReadProperty(const iceberg::TableMetadata& metadata) {
  auto found = metadata.properties.find(kWatermarkProperty);
  if (found == metadata.properties.end()) return std::nullopt;
  auto json = nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  PropertyStamp out;
  bool good = json.is_object() && json.contains("snapshot-id") && json["snapshot-id"].is_number_integer() &&
              json.contains("sequence-number") && json["sequence-number"].is_number_integer();
  if (!good) return BadKey("table property", kWatermarkProperty, found->second);
  for (const auto& [key, value] : json.items()) {
    if (value.is_string()) out.keys[key] = value.get<std::string>();
  }
  out.snapshot_id = json["snapshot-id"].get<int64_t>();
  out.sequence_number = json["sequence-number"].get<int64_t>();
  return out;
}

}  // namespace

std::string SourceTableOf(const std::string& stamp_source) {
  size_t first = stamp_source.find('/');
  size_t last = stamp_source.rfind('/');
  if (first == std::string::npos || last == first) return stamp_source;
  return stamp_source.substr(first + 1, last - first - 1);
}

std::map<std::string, std::string> StampSummary(const CommitStamp& stamp) {
  Keys keys = {{"calve.source", stamp.source},
               {table::kWindowToKey, FormatTimestamp(stamp.window_to)},
               {"calve.rows", std::to_string(stamp.rows)},
               {"calve.commit-id", stamp.commit_id},
               {"calve.kind", stamp.kind},
               {"calve.version", CALVE_VERSION}};
  if (stamp.window_from) keys["calve.window-from"] = FormatTimestamp(*stamp.window_from);
  if (stamp.max_sequence) keys["calve.max-sequence"] = std::to_string(*stamp.max_sequence);
  return keys;
}

std::string StampProperty(const CommitStamp& stamp, int64_t snapshot_id, int64_t sequence_number) {
  nlohmann::json json;
  for (const auto& [key, value] : StampSummary(stamp)) json[key] = value;
  json["snapshot-id"] = snapshot_id;
  json["sequence-number"] = sequence_number;
  return json.dump();
}

Result<std::optional<Watermark>> ReadWatermark(const iceberg::TableMetadata& metadata) {
  const iceberg::Snapshot* tip = metadata.CurrentSnapshot();
  if (!tip) return std::nullopt;
  const iceberg::Snapshot* oldest = tip;
  // At most as many steps as there are snapshots: a cycle among parents must not hang us.
  for (size_t step = 0; step < metadata.snapshots.size(); ++step) {
    if (oldest->summary.contains(table::kWindowToKey)) {
      ARROW_ASSIGN_OR_RAISE(CommitStamp stamp,
                            ParseStamp(oldest->summary, fmt::format("snapshot {}", oldest->snapshot_id)));
      return Watermark{stamp, oldest->snapshot_id, false};
    }
    if (metadata.HidesHistory()) break;
    if (!oldest->parent_snapshot_id) return std::nullopt;  // the history is whole, and calve is not in it
    const iceberg::Snapshot* parent = metadata.ParentOf(*oldest);
    if (!parent) break;
    oldest = parent;
  }
  ARROW_ASSIGN_OR_RAISE(std::optional<PropertyStamp> property, ReadProperty(metadata));
  if (!property) return std::nullopt;
  // Sequence numbers only rise, so what was cut off is older than the oldest ancestor that is left.
  if (property->sequence_number < oldest->sequence_number) {
    ARROW_ASSIGN_OR_RAISE(CommitStamp stamp, ParseStamp(property->keys, "table property calve.watermark"));
    return Watermark{stamp, property->snapshot_id, true};
  }
  return MakeError(
      ErrorKind::kConfig,
      fmt::format(
          "the watermark cannot be told: main's history is cut off before a snapshot of calve's, and the property "
          "{} tells of snapshot {}, which main no longer holds (a rollback after an expiry)",
          kWatermarkProperty, property->snapshot_id),
      "Find out up to when the table holds the source's rows, and say it with --start-from TIME.");
}

Result<std::optional<TimestampMicros>> ReadRetiredTo(const iceberg::TableMetadata& metadata) {
  const std::string text = metadata.Property(kRetiredProperty, "");
  if (text.empty()) return std::nullopt;
  auto parsed = ParseTimestamp(text);
  if (!parsed.ok()) return BadKey("table property", kRetiredProperty, text);
  return *parsed;
}

std::optional<CommitTrace> FindCommit(const iceberg::TableMetadata& metadata, const std::string& commit_id) {
  auto has_id = [&](const iceberg::Snapshot& snapshot) {
    auto found = snapshot.summary.find("calve.commit-id");
    return found != snapshot.summary.end() && found->second == commit_id;
  };
  const iceberg::Snapshot* step = metadata.CurrentSnapshot();
  const iceberg::Snapshot* oldest = step;
  for (size_t i = 0; step && i < metadata.snapshots.size(); ++i) {
    if (has_id(*step)) return CommitTrace{step->snapshot_id, true, true};
    oldest = step;
    step = metadata.ParentOf(*step);
  }
  for (const iceberg::Snapshot& snapshot : metadata.snapshots) {
    if (has_id(snapshot)) return CommitTrace{snapshot.snapshot_id, false, true};
  }
  auto property = ReadProperty(metadata);
  if (property.ok() && *property && (*property)->keys["calve.commit-id"] == commit_id) {
    // Its snapshot has expired. It was main's if it is older than what is left of main's history (as ReadWatermark has
    // it), and not if that history is whole: then main was rolled back to before it.
    const bool cut_off =
        oldest && (metadata.HidesHistory() || (oldest->parent_snapshot_id && !metadata.ParentOf(*oldest)));
    const bool is_parent = cut_off && oldest->parent_snapshot_id == (*property)->snapshot_id;
    return CommitTrace{(*property)->snapshot_id, cut_off && (*property)->sequence_number < oldest->sequence_number,
                       is_parent || !cut_off};
  }
  return std::nullopt;
}

}  // namespace calve::offload
