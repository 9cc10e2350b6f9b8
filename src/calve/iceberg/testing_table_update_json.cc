#include "calve/iceberg/testing_table_update_json.h"

#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "calve/iceberg/metadata_json.h"

namespace calve::iceberg {
namespace {

// An alternative that holds one int.
template <typename Variant, typename Alternative>
auto IntReader(const char* key) {
  return [key](const JsonNode& node) -> Result<Variant> {
    ARROW_ASSIGN_OR_RAISE(int value, node.GetInt(key));
    return Variant(Alternative{value});
  };
}

// An alternative that holds what `read` makes of a member.
template <typename Variant, typename Alternative, typename Read>
auto MemberReader(const char* key, Read read) {
  return [key, read](const JsonNode& node) -> Result<Variant> {
    ARROW_ASSIGN_OR_RAISE(JsonNode member, node.Get(key));
    ARROW_ASSIGN_OR_RAISE(auto value, read(member));
    return Variant(Alternative{std::move(value)});
  };
}

template <typename T, typename Read>
auto ListOf(Read read) {
  return [read](const JsonNode& node) -> Result<std::vector<T>> {
    std::vector<T> values;
    ARROW_RETURN_NOT_OK(node.ForEach([&](const JsonNode& element) -> Status {
      ARROW_ASSIGN_OR_RAISE(T value, read(element));
      values.push_back(std::move(value));
      return Status::OK();
    }));
    return values;
  };
}

Result<std::string> ReadString(const JsonNode& node) { return node.AsString(); }
Result<int64_t> ReadInt64(const JsonNode& node) { return node.AsInt64(); }

Result<TableRequirement> ReadRefAssertion(const JsonNode& node) {
  AssertRefSnapshotId requirement;
  ARROW_ASSIGN_OR_RAISE(requirement.ref, node.GetString("ref"));
  if (!node.value().contains("snapshot-id")) return node.Error("'snapshot-id' is missing");
  ARROW_ASSIGN_OR_RAISE(requirement.snapshot_id, node.FindInt64("snapshot-id"));
  return TableRequirement(requirement);
}

Result<TableUpdate> ReadStatisticsUpdate(const JsonNode& node) {
  SetStatistics update;
  ARROW_ASSIGN_OR_RAISE(update.snapshot_id, node.GetInt64("snapshot-id"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode entry, node.Get("statistics"));
  update.entry = entry.value().dump();
  return TableUpdate(update);
}

Result<TableUpdate> ReadRefUpdate(const JsonNode& node) {
  SetSnapshotRef update;
  ARROW_ASSIGN_OR_RAISE(update.name, node.GetString("ref-name"));
  ARROW_ASSIGN_OR_RAISE(update.ref, ReadSnapshotRef(node));
  return TableUpdate(update);
}

template <typename Variant>
using Readers = std::map<std::string, std::function<Result<Variant>(const JsonNode&)>>;

template <typename Variant>
Result<Variant> ReadOneOf(const Readers<Variant>& readers, const JsonNode& node, const char* discriminator) {
  ARROW_ASSIGN_OR_RAISE(std::string kind, node.GetString(discriminator));
  auto reader = readers.find(kind);
  if (reader != readers.end()) return reader->second(node);
  return MakeError(ErrorKind::kUnsupported, fmt::format("{} '{}' is not known", discriminator, kind));
}

}  // namespace

Result<TableRequirement> ReadTableRequirement(const JsonNode& node) {
  using R = TableRequirement;
  static const Readers<R> kReaders = {
      {"assert-create", [](const JsonNode&) { return Result<R>(AssertCreate{}); }},
      {"assert-table-uuid", MemberReader<R, AssertTableUuid>("uuid", ReadString)},
      {"assert-ref-snapshot-id", ReadRefAssertion},
      {"assert-last-assigned-field-id", IntReader<R, AssertLastAssignedFieldId>("last-assigned-field-id")},
      {"assert-current-schema-id", IntReader<R, AssertCurrentSchemaId>("current-schema-id")},
      {"assert-last-assigned-partition-id", IntReader<R, AssertLastAssignedPartitionId>("last-assigned-partition-id")},
      {"assert-default-spec-id", IntReader<R, AssertDefaultSpecId>("default-spec-id")},
      {"assert-default-sort-order-id", IntReader<R, AssertDefaultSortOrderId>("default-sort-order-id")},
  };
  return ReadOneOf(kReaders, node, "type");
}

Result<TableUpdate> ReadTableUpdate(const JsonNode& node) {
  using U = TableUpdate;
  static const Readers<U> kReaders = {
      {"upgrade-format-version", IntReader<U, UpgradeFormatVersion>("format-version")},
      {"add-schema", MemberReader<U, AddSchema>("schema", ReadSchema)},
      {"set-current-schema", IntReader<U, SetCurrentSchema>("schema-id")},
      {"add-spec", MemberReader<U, AddPartitionSpec>("spec", ReadPartitionSpec)},
      {"set-default-spec", IntReader<U, SetDefaultSpec>("spec-id")},
      {"add-sort-order", MemberReader<U, AddSortOrder>("sort-order", ReadSortOrder)},
      {"set-default-sort-order", IntReader<U, SetDefaultSortOrder>("sort-order-id")},
      {"add-snapshot", MemberReader<U, AddSnapshot>("snapshot", ReadSnapshot)},
      {"set-snapshot-ref", ReadRefUpdate},
      {"remove-snapshot-ref", MemberReader<U, RemoveSnapshotRef>("ref-name", ReadString)},
      {"remove-snapshots", MemberReader<U, RemoveSnapshots>("snapshot-ids", ListOf<int64_t>(ReadInt64))},
      {"set-statistics", ReadStatisticsUpdate},
      {"set-location", MemberReader<U, SetLocation>("location", ReadString)},
      {"set-properties", MemberReader<U, SetProperties>("updates", ReadStringMap)},
      {"remove-properties", MemberReader<U, RemoveProperties>("removals", ListOf<std::string>(ReadString))},
  };
  return ReadOneOf(kReaders, node, "action");
}

}  // namespace calve::iceberg
