// Spec: REST catalog, "TableRequirement".
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "calve/iceberg/table_update.h"

namespace calve::iceberg {
namespace {

template <typename Expected, typename Found>
Status Expect(std::string_view what, const Expected& expected, const Found& found) {
  if (expected == found) return Status::OK();
  return MakeError(ErrorKind::kConflict, fmt::format("{} is {}, {} was expected", what, found, expected));
}

bool SameUuid(const std::string& a, const std::string& b) {
  auto same = [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

class Checker {
 public:
  explicit Checker(const TableMetadata& base) : base_(base) {}

  Status operator()(const AssertCreate&) const {
    return MakeError(ErrorKind::kConflict, "the table exists, it was expected not to");
  }
  Status operator()(const AssertTableUuid& requirement) const {
    // Another table took the name: what was planned belongs to the old one.
    if (SameUuid(requirement.uuid, base_.table_uuid)) return Status::OK();
    return Expect("the table's uuid", requirement.uuid, base_.table_uuid);
  }
  Status operator()(const AssertRefSnapshotId& requirement) const {
    auto found = base_.refs.find(requirement.ref);
    std::string what = fmt::format("ref '{}'", requirement.ref);
    bool exists = found != base_.refs.end();
    if (!requirement.snapshot_id) {
      return exists ? Expect(what, std::string("none"), fmt::format("at snapshot {}", found->second.snapshot_id))
                    : Status::OK();
    }
    if (!exists) return Expect(what, fmt::format("snapshot {}", *requirement.snapshot_id), std::string("none"));
    return Expect("the snapshot of " + what, *requirement.snapshot_id, found->second.snapshot_id);
  }
  Status operator()(const AssertLastAssignedFieldId& requirement) const {
    return Expect("the last assigned field id", requirement.id, base_.last_column_id);
  }
  Status operator()(const AssertCurrentSchemaId& requirement) const {
    return Expect("the current schema id", requirement.id, base_.current_schema_id);
  }
  Status operator()(const AssertLastAssignedPartitionId& requirement) const {
    return Expect("the last assigned partition id", requirement.id, base_.last_partition_id);
  }
  Status operator()(const AssertDefaultSpecId& requirement) const {
    return Expect("the default spec id", requirement.id, base_.default_spec_id);
  }
  Status operator()(const AssertDefaultSortOrderId& requirement) const {
    return Expect("the default sort order id", requirement.id, base_.default_sort_order_id);
  }

 private:
  const TableMetadata& base_;
};

}  // namespace

Status CheckRequirements(const TableMetadata* base, std::span<const TableRequirement> requirements) {
  for (const TableRequirement& requirement : requirements) {
    if (base) {
      ARROW_RETURN_NOT_OK(std::visit(Checker(*base), requirement));
    } else if (!std::holds_alternative<AssertCreate>(requirement)) {
      return MakeError(ErrorKind::kConflict, "the table does not exist, it was expected to");
    }
  }
  return Status::OK();
}

}  // namespace calve::iceberg
