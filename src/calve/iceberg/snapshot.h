// A table's snapshots. Spec: "Snapshots".
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calve/iceberg/string_map.h"

namespace calve::iceberg {

struct Snapshot {
  int64_t snapshot_id = 0;
  std::optional<int64_t> parent_snapshot_id;
  int64_t sequence_number = 0;  // 0 in v1
  int64_t timestamp_ms = 0;
  std::string manifest_list;
  std::vector<std::string> v1_manifests;  // v1 tables may list manifests instead
  StringMap summary;                      // "operation" among them
  std::optional<int> schema_id;
  std::string extra_json;  // members that calve does not know, kept: a JSON object, or empty
};

// The snapshots in the table's order. A copy shares them: a table has thousands, which never change, and its metadata
// is copied with every plan and commit.
class SnapshotList {
 public:
  using value_type = Snapshot;

  class Iterator {
   public:
    const Snapshot& operator*() const { return **at_; }
    const Snapshot* operator->() const { return at_->get(); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    friend class SnapshotList;
    explicit Iterator(std::vector<std::shared_ptr<const Snapshot>>::const_iterator at) : at_(at) {}

    std::vector<std::shared_ptr<const Snapshot>>::const_iterator at_;
  };

  SnapshotList() = default;
  SnapshotList(std::initializer_list<Snapshot> snapshots) {
    for (const Snapshot& snapshot : snapshots) push_back(snapshot);
  }

  bool empty() const { return snapshots_.empty(); }
  size_t size() const { return snapshots_.size(); }
  Iterator begin() const { return Iterator(snapshots_.begin()); }
  Iterator end() const { return Iterator(snapshots_.end()); }
  const Snapshot& operator[](size_t index) const { return *snapshots_[index]; }
  const Snapshot& front() const { return *snapshots_.front(); }
  const Snapshot& back() const { return *snapshots_.back(); }

  void reserve(size_t count) { snapshots_.reserve(count); }
  void push_back(Snapshot snapshot) { snapshots_.push_back(std::make_shared<const Snapshot>(std::move(snapshot))); }
  // How many there were.
  template <typename Predicate>
  size_t RemoveIf(Predicate predicate) {
    return std::erase_if(snapshots_, [&](const auto& snapshot) { return predicate(*snapshot); });
  }
  // Puts a copy in its place, which is this list's alone until the list is copied.
  Snapshot& Edit(size_t index) {
    auto copy = std::make_shared<Snapshot>(*snapshots_[index]);
    Snapshot& edited = *copy;
    snapshots_[index] = std::move(copy);
    return edited;
  }

 private:
  std::vector<std::shared_ptr<const Snapshot>> snapshots_;
};

}  // namespace calve::iceberg
