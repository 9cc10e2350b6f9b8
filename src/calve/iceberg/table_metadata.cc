#include "calve/iceberg/table_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "calve/base/text.h"

namespace calve::iceberg {
namespace {

template <typename T, typename Id>
const T* FindById(const std::vector<T>& values, Id T::*member, Id id) {
  for (const T& value : values) {
    if (value.*member == id) return &value;
  }
  return nullptr;
}

// For the rare metadata that names an id it does not have; parsing and updating refuse it.
template <typename T>
const T& OrEmpty(const T* value) {
  static const T kEmpty{};
  return value ? *value : kEmpty;
}

Status BadProperty(const std::string& key, const std::string& value, std::string_view expected) {
  return MakeError(ErrorKind::kConfig, fmt::format("table property {} is '{}', {} expected", key, value, expected),
                   fmt::format("Set {} to {}, or remove it.", key, expected));
}

}  // namespace

const Schema& TableMetadata::schema() const { return OrEmpty(FindSchema(current_schema_id)); }

const PartitionSpec& TableMetadata::spec() const { return OrEmpty(FindSpec(default_spec_id)); }

const SortOrder& TableMetadata::sort_order() const {
  return OrEmpty(FindById(sort_orders, &SortOrder::order_id, default_sort_order_id));
}

const Schema* TableMetadata::FindSchema(int id) const { return FindById(schemas, &Schema::schema_id, id); }

const PartitionSpec* TableMetadata::FindSpec(int id) const {
  return FindById(partition_specs, &PartitionSpec::spec_id, id);
}

const Snapshot* TableMetadata::FindSnapshot(int64_t id) const {
  // From the newest on: walks along the history begin there.
  for (size_t i = snapshots.size(); i > 0; --i) {
    if (snapshots[i - 1].snapshot_id == id) return &snapshots[i - 1];
  }
  return nullptr;
}

const Snapshot* TableMetadata::CurrentSnapshot() const {
  return current_snapshot_id ? FindSnapshot(*current_snapshot_id) : nullptr;
}

bool TableMetadata::HidesHistory() const {
  return snapshots.size() == 1 && !snapshots[0].parent_snapshot_id && snapshots[0].sequence_number > 1 &&
         metadata_log.empty();
}

const Snapshot* TableMetadata::ParentOf(const Snapshot& snapshot) const {
  if (!snapshot.parent_snapshot_id) return nullptr;
  // Nearly always the one before, where writers keep the order: a walk along a long history must not search all of it
  // at each step. In v1, and from then on, the times alone tell the order.
  const auto order = [](const Snapshot& s) { return std::pair(s.sequence_number, s.timestamp_ms); };
  size_t older = 0, end = snapshots.size();
  while (older < end) {
    const size_t middle = older + (end - older) / 2;
    if (order(snapshots[middle]) < order(snapshot)) {
      older = middle + 1;
    } else {
      end = middle;
    }
  }
  if (older > 0 && snapshots[older - 1].snapshot_id == *snapshot.parent_snapshot_id) return &snapshots[older - 1];
  return FindSnapshot(*snapshot.parent_snapshot_id);
}

std::string TableMetadata::Property(const std::string& key, std::string fallback) const {
  auto found = properties.find(key);
  return found == properties.end() ? std::move(fallback) : found->second;
}

Result<int64_t> TableMetadata::IntProperty(const std::string& key, int64_t fallback) const {
  auto found = properties.find(key);
  if (found == properties.end()) return fallback;
  const std::string& text = found->second;
  int64_t value = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size()) return BadProperty(key, text, "a number");
  return value;
}

Result<bool> TableMetadata::BoolProperty(const std::string& key, bool fallback) const {
  auto found = properties.find(key);
  if (found == properties.end()) return fallback;
  const std::string text = Lower(found->second);
  if (text == "true") return true;
  if (text == "false") return false;
  return BadProperty(key, found->second, "true or false");
}

}  // namespace calve::iceberg
