#include "calve/iceberg/table_update.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "calve/iceberg/metadata_check.h"
#include "calve/iceberg/statistics_json.h"

namespace calve::iceberg {
namespace {

constexpr int kLastAdded = -1;

template <typename... Args>
Status Failed(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorKind::kFailed, fmt::format(format, std::forward<Args>(args)...));
}

// v1 tables of old writers may have no uuid. This one depends on the table alone, so that two who upgrade agree
// (RFC 9562, version 8).
std::string UuidOfLocation(const std::string& location) {
  std::string digits;
  for (int i = 0; i < 4; ++i) digits += fmt::format("{:08x}", Murmur3(fmt::format("{}:{}", i, location)));
  digits[12] = '8';
  digits[16] = "89ab"[static_cast<unsigned char>(digits[16]) % 4];
  return fmt::format("{}-{}-{}-{}-{}", digits.substr(0, 8), digits.substr(8, 4), digits.substr(12, 4),
                     digits.substr(16, 4), digits.substr(20));
}

bool Compatible(const PartitionSpec& a, const PartitionSpec& b) {
  auto same = [](const PartitionField& x, const PartitionField& y) {
    return x.source_id == y.source_id && x.transform == y.transform && x.name == y.name;
  };
  return std::equal(a.fields.begin(), a.fields.end(), b.fields.begin(), b.fields.end(), same);
}

// Applies one update after the other; each visitor method checks before it changes anything.
class Updater {
 public:
  Updater(TableMetadata base, int64_t now_ms)
      : metadata_(std::move(base)), now_ms_(std::max(now_ms, metadata_.last_updated_ms)) {}

  Status operator()(const UpgradeFormatVersion& update);
  Status operator()(const AddSchema& update);
  Status operator()(const SetCurrentSchema& update);
  Status operator()(const AddPartitionSpec& update);
  Status operator()(const SetDefaultSpec& update);
  Status operator()(const AddSortOrder& update);
  Status operator()(const SetDefaultSortOrder& update);
  Status operator()(const AddSnapshot& update);
  Status operator()(const SetSnapshotRef& update);
  Status operator()(const RemoveSnapshotRef& update);
  Status operator()(const RemoveSnapshots& update);
  Status operator()(const SetStatistics& update);
  Status operator()(const SetLocation& update);
  Status operator()(const SetProperties& update);
  Status operator()(const RemoveProperties& update);

  Result<TableMetadata> Finish();

 private:
  int PartitionFieldId(const PartitionField& field, const std::set<int>& taken);
  void LogMain(int64_t snapshot_id);
  void DropIntermediateLogEntries();
  Status CheckDefaults() const;

  TableMetadata metadata_;
  int64_t now_ms_;
  bool changed_ = false;
  bool layout_changed_ = false;  // current schema, default spec or default order
  std::optional<int> last_schema_, last_spec_, last_order_;
  std::set<int64_t> added_snapshots_;
};

Status Updater::operator()(const UpgradeFormatVersion& update) {
  if (update.version == metadata_.format_version) return Status::OK();
  if (update.version < metadata_.format_version) {
    return Failed("a v{} table cannot become v{}", metadata_.format_version, update.version);
  }
  if (update.version != 2) {
    return MakeError(ErrorKind::kUnsupported, fmt::format("format version {} is not written by calve", update.version));
  }
  metadata_.format_version = update.version;
  if (metadata_.table_uuid.empty()) metadata_.table_uuid = UuidOfLocation(metadata_.location);
  changed_ = true;
  return Status::OK();
}

Status Updater::operator()(const AddSchema& update) {
  int id = 0;
  for (const Schema& schema : metadata_.schemas) {
    if (SameFields(schema, update.schema)) {
      last_schema_ = schema.schema_id;
      return Status::OK();
    }
    id = std::max(id, schema.schema_id + 1);
  }
  ARROW_RETURN_NOT_OK(CheckSchema(update.schema));
  ARROW_RETURN_NOT_OK(CheckEvolution(metadata_.schemas, metadata_.last_column_id, update.schema));
  metadata_.schemas.push_back(update.schema);
  metadata_.schemas.back().schema_id = id;
  metadata_.last_column_id = std::max(metadata_.last_column_id, update.schema.HighestFieldId());
  last_schema_ = id;
  changed_ = true;
  return Status::OK();
}

Status Updater::operator()(const SetCurrentSchema& update) {
  if (update.schema_id == kLastAdded && !last_schema_) return Failed("no schema was added that could become current");
  int id = update.schema_id == kLastAdded ? *last_schema_ : update.schema_id;
  if (!metadata_.FindSchema(id)) return Failed("there is no schema {}", id);
  layout_changed_ |= metadata_.current_schema_id != id;
  metadata_.current_schema_id = id;
  return Status::OK();
}

// Spec: "Partition Evolution": an equivalent field of an older spec gives its id.
int Updater::PartitionFieldId(const PartitionField& field, const std::set<int>& taken) {
  int id = 0;
  for (const PartitionSpec& spec : metadata_.partition_specs) {
    for (const PartitionField& other : spec.fields) {
      bool equivalent = other.source_id == field.source_id && other.transform == field.transform;
      if (equivalent && !taken.contains(other.field_id)) id = std::max(id, other.field_id);
    }
  }
  // A void field stands where another one was, and keeps the id that the caller took over from it.
  bool void_in_place = field.transform.kind == TransformKind::kVoid && field.field_id >= kFirstPartitionFieldId;
  if (void_in_place && !taken.contains(field.field_id)) id = field.field_id;
  if (id == 0 && field.field_id > metadata_.last_partition_id) id = field.field_id;
  if (id == 0) id = metadata_.last_partition_id + 1;
  metadata_.last_partition_id = std::max(metadata_.last_partition_id, id);
  return id;
}

Status Updater::operator()(const AddPartitionSpec& update) {
  int id = 0;
  for (const PartitionSpec& spec : metadata_.partition_specs) {
    if (Compatible(spec, update.spec)) {
      last_spec_ = spec.spec_id;
      return Status::OK();
    }
    id = std::max(id, spec.spec_id + 1);
  }
  if (metadata_.format_version == 1) {
    // v1 wants ids in sequence, and void fields in place of dropped ones.
    return MakeError(ErrorKind::kUnsupported, "calve does not change the partition spec of a v1 table",
                     "Upgrade the table to format version 2 first.");
  }
  ARROW_RETURN_NOT_OK(CheckPartitionSpec(update.spec, metadata_.schema()));
  PartitionSpec spec{id, update.spec.fields};
  std::set<int> taken;
  for (PartitionField& field : spec.fields) {
    field.field_id = PartitionFieldId(field, taken);
    taken.insert(field.field_id);
  }
  metadata_.partition_specs.push_back(std::move(spec));
  last_spec_ = id;
  changed_ = true;
  return Status::OK();
}

Status Updater::operator()(const SetDefaultSpec& update) {
  if (update.spec_id == kLastAdded && !last_spec_)
    return Failed("no partition spec was added that could become default");
  int id = update.spec_id == kLastAdded ? *last_spec_ : update.spec_id;
  if (!metadata_.FindSpec(id)) return Failed("there is no partition spec {}", id);
  layout_changed_ |= metadata_.default_spec_id != id;
  metadata_.default_spec_id = id;
  return Status::OK();
}

Status Updater::operator()(const AddSortOrder& update) {
  int id = update.order.fields.empty() ? 0 : 1;  // 0 is reserved for the unsorted order
  for (const SortOrder& order : metadata_.sort_orders) {
    if (order.fields == update.order.fields) {
      last_order_ = order.order_id;
      return Status::OK();
    }
    if (id > 0) id = std::max(id, order.order_id + 1);
  }
  ARROW_RETURN_NOT_OK(CheckSortOrder(update.order, metadata_.schema()));
  metadata_.sort_orders.push_back({id, update.order.fields});
  last_order_ = id;
  changed_ = true;
  return Status::OK();
}

Status Updater::operator()(const SetDefaultSortOrder& update) {
  if (update.order_id == kLastAdded && !last_order_) return Failed("no sort order was added that could become default");
  int id = update.order_id == kLastAdded ? *last_order_ : update.order_id;
  auto known = [id](const SortOrder& order) { return order.order_id == id; };
  if (std::none_of(metadata_.sort_orders.begin(), metadata_.sort_orders.end(), known)) {
    return Failed("there is no sort order {}", id);
  }
  layout_changed_ |= metadata_.default_sort_order_id != id;
  metadata_.default_sort_order_id = id;
  return Status::OK();
}

Status Updater::operator()(const AddSnapshot& update) {
  const Snapshot& snapshot = update.snapshot;
  // calve's snapshots have sequence numbers, so the table that takes one is v2 from here on.
  ARROW_RETURN_NOT_OK((*this)(UpgradeFormatVersion{std::max(2, metadata_.format_version)}));
  if (snapshot.snapshot_id <= 0) return Failed("snapshot id {} is not positive", snapshot.snapshot_id);
  if (metadata_.FindSnapshot(snapshot.snapshot_id))
    return Failed("there is a snapshot {} already", snapshot.snapshot_id);
  if (snapshot.sequence_number <= metadata_.last_sequence_number) {
    return Failed("snapshot {} has sequence number {}, which is not above the last one, {}", snapshot.snapshot_id,
                  snapshot.sequence_number, metadata_.last_sequence_number);
  }
  for (const PartitionField& field : metadata_.spec().fields) {
    // Spec: "Partition Transforms": no files may be committed under a transform that the writer does not know.
    if (field.transform.kind != TransformKind::kUnknown) continue;
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("partition field '{}' has the transform '{}', which calve does not know", field.name,
                                 field.transform.unknown),
                     "Replace that partition field, or offload to another table.");
  }
  if (snapshot.parent_snapshot_id == snapshot.snapshot_id) {
    return Failed("snapshot {} is its own parent", snapshot.snapshot_id);
  }
  if (snapshot.manifest_list.empty()) return Failed("snapshot {} has no manifest list", snapshot.snapshot_id);
  if (!snapshot.summary.contains("operation")) {
    return Failed("the summary of snapshot {} has no operation", snapshot.snapshot_id);
  }
  if (snapshot.schema_id && !metadata_.FindSchema(*snapshot.schema_id)) {
    return Failed("snapshot {} has schema {}, which the table lacks", snapshot.snapshot_id, *snapshot.schema_id);
  }
  metadata_.last_sequence_number = snapshot.sequence_number;
  now_ms_ = std::max(now_ms_, snapshot.timestamp_ms);
  metadata_.snapshots.push_back(snapshot);
  added_snapshots_.insert(snapshot.snapshot_id);
  changed_ = true;
  return Status::OK();
}

void Updater::LogMain(int64_t snapshot_id) {
  // A roll-back to an older snapshot happens now; a new one was made when it says.
  bool added = added_snapshots_.contains(snapshot_id);
  int64_t timestamp_ms = added ? metadata_.FindSnapshot(snapshot_id)->timestamp_ms : now_ms_;
  // Java refuses to load a table whose log goes back by more than a minute, as a lagging clock would have it.
  if (!metadata_.snapshot_log.empty())
    timestamp_ms = std::max(timestamp_ms, metadata_.snapshot_log.back().timestamp_ms);
  now_ms_ = std::max(now_ms_, timestamp_ms);
  metadata_.snapshot_log.push_back({timestamp_ms, snapshot_id});
}

Status Updater::operator()(const SetSnapshotRef& update) {
  bool main = update.name == kMainBranch;
  if (update.name.empty()) return Failed("a ref needs a name");
  if (main && !update.ref.is_branch) return Failed("main must be a branch, not a tag");
  if (!metadata_.FindSnapshot(update.ref.snapshot_id)) {
    return Failed("ref '{}' cannot be set to snapshot {}, which the table lacks", update.name, update.ref.snapshot_id);
  }
  auto existing = metadata_.refs.find(update.name);
  if (existing != metadata_.refs.end() && existing->second == update.ref) return Status::OK();
  if (main && metadata_.current_snapshot_id != update.ref.snapshot_id) {
    metadata_.current_snapshot_id = update.ref.snapshot_id;
    LogMain(update.ref.snapshot_id);
  }
  metadata_.refs[update.name] = update.ref;
  changed_ = true;
  return Status::OK();
}

Status Updater::operator()(const RemoveSnapshotRef& update) {
  changed_ |= metadata_.refs.erase(update.name) > 0;
  if (update.name == kMainBranch) metadata_.current_snapshot_id.reset();
  return Status::OK();
}

Status Updater::operator()(const RemoveSnapshots& update) {
  std::set<int64_t> ids(update.snapshot_ids.begin(), update.snapshot_ids.end());
  size_t removed =
      metadata_.snapshots.RemoveIf([&](const Snapshot& snapshot) { return ids.contains(snapshot.snapshot_id); });
  if (removed == 0) return Status::OK();
  changed_ = true;
  for (const auto& [name, ref] : metadata_.refs) {
    if (!ids.contains(ref.snapshot_id)) continue;
    // Who planned to remove it did not know of the ref, or removes it first.
    return MakeError(ErrorKind::kConflict,
                     fmt::format("snapshot {} cannot be removed: ref '{}' points to it", ref.snapshot_id, name));
  }
  if (metadata_.current_snapshot_id && ids.contains(*metadata_.current_snapshot_id)) {
    metadata_.current_snapshot_id.reset();
  }
  // What came before a removed entry goes too: with a gap, the entry before it would seem to have been current for
  // longer.
  auto& log = metadata_.snapshot_log;
  auto last =
      std::find_if(log.rbegin(), log.rend(), [&](const SnapshotLogEntry& e) { return ids.contains(e.snapshot_id); });
  log.erase(log.begin(), last.base());
  ARROW_ASSIGN_OR_RAISE(metadata_.extra_json, WithoutStatistics(metadata_.extra_json, ids));
  return Status::OK();
}

Status Updater::operator()(const SetStatistics& update) {
  if (metadata_.FindSnapshot(update.snapshot_id) == nullptr) {
    return MakeError(ErrorKind::kConflict,
                     fmt::format("snapshot {} is not there any more, and can have no statistics", update.snapshot_id));
  }
  changed_ = true;
  ARROW_ASSIGN_OR_RAISE(metadata_.extra_json, WithStatistics(metadata_.extra_json, update.snapshot_id, update.entry));
  return Status::OK();
}

Status Updater::operator()(const SetLocation& update) {
  std::string location = update.location;
  while (location.size() > 1 && location.back() == '/') location.pop_back();
  if (location.empty()) return Failed("a table's location cannot be empty");
  changed_ |= location != metadata_.location;
  metadata_.location = std::move(location);
  return Status::OK();
}

Status Updater::operator()(const SetProperties& update) {
  for (const auto& [key, value] : update.values) {
    auto [entry, inserted] = metadata_.properties.try_emplace(key, value);
    changed_ |= inserted || entry->second != value;
    entry->second = value;
  }
  return Status::OK();
}

Status Updater::operator()(const RemoveProperties& update) {
  for (const std::string& key : update.keys) changed_ |= metadata_.properties.erase(key) > 0;
  return Status::OK();
}

// A snapshot that was made and replaced within one commit was never current for anyone (Java drops it too).
void Updater::DropIntermediateLogEntries() {
  std::erase_if(metadata_.snapshot_log, [&](const SnapshotLogEntry& entry) {
    return added_snapshots_.contains(entry.snapshot_id) && entry.snapshot_id != metadata_.current_snapshot_id;
  });
}

Status Updater::CheckDefaults() const {
  if (!layout_changed_) return Status::OK();
  ARROW_RETURN_NOT_OK(CheckSources(metadata_.spec(), metadata_.schema()));
  return CheckSortOrder(metadata_.sort_order(), metadata_.schema());
}

Result<TableMetadata> Updater::Finish() {
  ARROW_RETURN_NOT_OK(CheckDefaults());
  if (changed_ || layout_changed_) {
    DropIntermediateLogEntries();
    metadata_.last_updated_ms = now_ms_;
  }
  return std::move(metadata_);
}

}  // namespace

Result<TableMetadata> ApplyUpdates(TableMetadata base, std::span<const TableUpdate> updates, int64_t now_ms) {
  if (base.format_version > 2) {
    // Row lineage and column defaults would be lost.
    return MakeError(ErrorKind::kUnsupported, fmt::format("calve does not write v{} tables", base.format_version),
                     "Offload to a table of format version 2.");
  }
  Updater updater(std::move(base), now_ms);
  for (const TableUpdate& update : updates) ARROW_RETURN_NOT_OK(std::visit(updater, update));
  return updater.Finish();
}

}  // namespace calve::iceberg
