#include "calve/cycle/staged_catalog.h"

#include <algorithm>
#include <utility>

namespace calve::cycle {
namespace {

using catalog::LoadedTable;
using catalog::TableIdent;

std::vector<int64_t> SnapshotsIn(std::span<const iceberg::TableUpdate> updates) {
  std::vector<int64_t> ids;
  for (const iceberg::TableUpdate& update : updates) {
    if (const auto* add = std::get_if<iceberg::AddSnapshot>(&update)) ids.push_back(add->snapshot.snapshot_id);
  }
  return ids;
}

// What is staged was computed from the table as it was, ids of schemas and specs among it: it goes in on that alone.
std::vector<iceberg::TableRequirement> OnExactly(const iceberg::TableMetadata& base) {
  return {iceberg::AssertTableUuid{base.table_uuid},
          iceberg::AssertRefSnapshotId{std::string(iceberg::kMainBranch), base.current_snapshot_id},
          iceberg::AssertLastAssignedFieldId{base.last_column_id},
          iceberg::AssertCurrentSchemaId{base.current_schema_id},
          iceberg::AssertLastAssignedPartitionId{base.last_partition_id},
          iceberg::AssertDefaultSpecId{base.default_spec_id},
          iceberg::AssertDefaultSortOrderId{base.default_sort_order_id}};
}

}  // namespace

StagedCatalog::Waiting* StagedCatalog::Find(const TableIdent& ident) {
  auto found = std::find_if(waiting_.begin(), waiting_.end(),
                            [&](const Waiting& waiting) { return waiting.table.commit.ident == ident; });
  return found == waiting_.end() ? nullptr : &*found;
}

std::vector<StagedTable> StagedCatalog::Staged() const {
  std::lock_guard lock(mutex_);
  std::vector<StagedTable> staged;
  for (const Waiting& waiting : waiting_) staged.push_back(waiting.table);
  return staged;
}

Result<LoadedTable> StagedCatalog::LoadTable(const TableIdent& ident) {
  {
    std::lock_guard lock(mutex_);
    if (const Waiting* waiting = Find(ident)) return LoadedTable{waiting->table.next, waiting->metadata_location};
  }
  return inner_.LoadTable(ident);
}

Result<LoadedTable> StagedCatalog::CommitTable(const TableIdent& ident,
                                               std::span<const iceberg::TableRequirement> requirements,
                                               std::span<const iceberg::TableUpdate> updates) {
  const std::vector<int64_t> added = SnapshotsIn(updates);
  bool waits = false;
  {
    std::lock_guard lock(mutex_);
    waits = Find(ident) != nullptr;
  }
  if (!waits && added.empty()) return inner_.CommitTable(ident, requirements, updates);
  std::optional<LoadedTable> fresh;
  if (!waits) {
    ARROW_ASSIGN_OR_RAISE(fresh, inner_.LoadTable(ident));
  }
  std::lock_guard lock(mutex_);
  Waiting* waiting = Find(ident);
  if (!waiting && !fresh) return MakeError(ErrorKind::kConflict, ident.ToString() + " is no longer waited for");
  const iceberg::TableMetadata& base = waiting ? waiting->table.next : fresh->metadata;
  ARROW_RETURN_NOT_OK(iceberg::CheckRequirements(&base, requirements));
  ARROW_ASSIGN_OR_RAISE(auto next, iceberg::ApplyUpdates(base, updates, clock_.Now() / 1000));
  if (!waiting) {
    StagedTable table{{ident, OnExactly(fresh->metadata), {}}, fresh->metadata, {}, {}};
    waiting_.push_back({std::move(table), fresh->metadata_location});
    waiting = &waiting_.back();
  }
  StagedTable& table = waiting->table;
  table.commit.updates.insert(table.commit.updates.end(), updates.begin(), updates.end());
  table.snapshots.insert(table.snapshots.end(), added.begin(), added.end());
  table.next = std::move(next);
  return LoadedTable{table.next, waiting->metadata_location};
}

}  // namespace calve::cycle
