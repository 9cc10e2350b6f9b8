#include "calve/iceberg/long_lists.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "calve/iceberg/metadata_json.h"
#include "calve/iceberg/plain_json.h"

namespace calve::iceberg {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view json) : text_(json) {}

  std::optional<LongLists> Read() {
    lists_.rest = "{";
    const bool good = text_.Object([&](std::string_view key) { return Member(key); }) && text_.AtEnd();
    if (!good) return std::nullopt;
    lists_.rest += '}';
    return std::move(lists_);
  }

 private:
  bool Member(std::string_view key) {
    if (key == "snapshots" && !lists_.snapshots) {
      constexpr size_t kSnapshotBytes = 900;  // about as many as calve's have
      lists_.snapshots.emplace();
      lists_.snapshots->reserve(text_.size() / kSnapshotBytes);
      return text_.Array([&] { return ReadSnapshot() || ReadSnapshotGenerally(); });
    }
    if (key == "snapshot-log" && !lists_.snapshot_log) {
      lists_.snapshot_log.emplace();
      return text_.Array([&] { return ReadLogEntry(); });
    }
    std::string_view value;
    if (key == "snapshots" || key == "snapshot-log" || !text_.Value(value)) return false;
    if (lists_.rest.size() > 1) lists_.rest += ',';
    lists_.rest.append("\"").append(key).append("\":").append(value);
    return true;
  }

  // As ReadSnapshot of metadata_json.h has it, of members that every snapshot has.
  bool ReadSnapshot() {
    begin_ = text_.place();
    Snapshot snapshot;
    bool has_id = false, has_time = false;
    const bool good = text_.Object([&](std::string_view key) {
      if (key == "snapshot-id") return has_id = text_.Int(snapshot.snapshot_id);
      if (key == "parent-snapshot-id") return ReadParent(snapshot);
      if (key == "sequence-number") return text_.Int(snapshot.sequence_number);
      if (key == "timestamp-ms") return has_time = text_.Int(snapshot.timestamp_ms);
      if (key == "schema-id") return ReadSchemaId(snapshot);
      if (key == "summary") return ReadSummary(snapshot);
      std::string_view list;
      if (key != "manifest-list" || !text_.String(list)) return false;
      snapshot.manifest_list = list;
      return true;
    });
    if (!good || !has_id || !has_time || snapshot.sequence_number < 0 || snapshot.manifest_list.empty()) return false;
    lists_.snapshots->push_back(std::move(snapshot));
    return true;
  }

  // One with members of a newer format version, with escapes or numbers in its summary.
  bool ReadSnapshotGenerally() {
    text_.GoBack(begin_);
    std::string_view value;
    if (!text_.Value(value)) return false;
    auto document = ParseJson(value);
    if (!document.ok()) return false;
    auto snapshot = iceberg::ReadSnapshot(JsonNode(*document));
    if (!snapshot.ok() || !document->is_object()) return false;
    lists_.snapshots->push_back(std::move(*snapshot));
    return true;
  }

  bool ReadParent(Snapshot& snapshot) {
    int64_t id = 0;
    if (!text_.Int(id)) return false;
    snapshot.parent_snapshot_id.reset();
    if (id != -1) snapshot.parent_snapshot_id = id;
    return true;
  }

  bool ReadSchemaId(Snapshot& snapshot) {
    int64_t id = 0;
    if (!text_.Int(id) || id < std::numeric_limits<int>::min() || id > std::numeric_limits<int>::max()) return false;
    snapshot.schema_id = static_cast<int>(id);
    return true;
  }

  bool ReadSummary(Snapshot& snapshot) {
    summary_.clear();
    const bool good = text_.Object([&](std::string_view key) {
      std::string_view value;
      if (!text_.String(value)) return false;
      summary_.Set(key, value);
      return true;
    });
    snapshot.summary = summary_;
    return good;
  }

  bool ReadLogEntry() {
    SnapshotLogEntry entry;
    bool has_id = false, has_time = false;
    const bool good = text_.Object([&](std::string_view key) {
      if (key == "snapshot-id") return has_id = text_.Int(entry.snapshot_id);
      if (key == "timestamp-ms") return has_time = text_.Int(entry.timestamp_ms);
      return false;
    });
    if (!good || !has_id || !has_time) return false;
    lists_.snapshot_log->push_back(entry);
    return true;
  }

  PlainJson text_;
  LongLists lists_;
  StringMap summary_;  // its memory is used again and again
  size_t begin_ = 0;   // of the snapshot at hand
};

}  // namespace

std::optional<LongLists> TakeLongLists(std::string_view json) { return Reader(json).Read(); }

}  // namespace calve::iceberg
