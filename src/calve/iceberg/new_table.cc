// Metadata of a table that does not exist yet.
#include <fmt/format.h>

#include <array>
#include <map>
#include <utility>

#include "calve/iceberg/metadata_check.h"

namespace calve::iceberg {
namespace {

// Java's TableProperties.RESERVED_PROPERTIES: names for metadata itself, never stored as properties.
constexpr std::array<std::string_view, 9> kReservedProperties = {
    "format-version",           "uuid",
    "snapshot-count",           "current-snapshot-id",
    "current-snapshot-summary", "current-snapshot-timestamp-ms",
    "current-schema",           "default-partition-spec",
    "default-sort-order"};

Status Config(const Status& status) { return WithKind(status, ErrorKind::kConfig, RemedyOf(status)); }

// Old ids to new ones, over two trees of one shape. False where an old id stands for several fields.
bool MapIds(const std::vector<NestedField>& before, const std::vector<NestedField>& after, std::map<int, int>& ids) {
  bool unique = true;
  for (size_t i = 0; i < before.size(); ++i) {
    unique &= ids.emplace(before[i].id, after[i].id).second;
    unique &= MapIds(before[i].type.fields, after[i].type.fields, ids);
  }
  return unique;
}

class Rebinder {
 public:
  Rebinder(const Schema& before, const Schema& after) : unique_(MapIds(before.fields, after.fields, ids_)) {}

  Status Rebind(int& id, std::string_view what) const {
    auto found = ids_.find(id);
    if (!unique_ || found == ids_.end()) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("{} names field id {}, which is not one column of the schema", what, id));
    }
    id = found->second;
    return Status::OK();
  }

 private:
  std::map<int, int> ids_;
  bool unique_;
};

Status SetNewProperties(const std::map<std::string, std::string>& properties, TableMetadata& metadata) {
  auto version = properties.find("format-version");
  if (version != properties.end() && version->second != "2") {
    return MakeError(ErrorKind::kConfig, fmt::format("format-version {} is not written by calve", version->second),
                     "Leave format-version out, or set it to 2.");
  }
  metadata.properties = properties;
  for (std::string_view name : kReservedProperties) metadata.properties.erase(std::string(name));
  return Status::OK();
}

}  // namespace

Result<TableMetadata> NewTableMetadata(const Schema& schema, const PartitionSpec& spec, const SortOrder& order,
                                       const std::string& location,
                                       const std::map<std::string, std::string>& properties, const std::string& uuid,
                                       int64_t now_ms) {
  TableMetadata metadata;
  metadata.table_uuid = uuid;
  metadata.location = location;
  while (metadata.location.size() > 1 && metadata.location.back() == '/') metadata.location.pop_back();
  if (metadata.location.empty()) return MakeError(ErrorKind::kConfig, "a new table needs a location");
  metadata.last_updated_ms = now_ms;
  ARROW_RETURN_NOT_OK(SetNewProperties(properties, metadata));

  Schema fresh = schema;
  fresh.schema_id = 0;
  metadata.last_column_id = AssignFreshIds(fresh.fields, 1);
  Rebinder rebinder(schema, fresh);
  for (int& id : fresh.identifier_field_ids) ARROW_RETURN_NOT_OK(rebinder.Rebind(id, "the identifier"));
  ARROW_RETURN_NOT_OK(Config(CheckSchema(fresh)));

  PartitionSpec fresh_spec{0, spec.fields};
  for (PartitionField& field : fresh_spec.fields) {
    ARROW_RETURN_NOT_OK(rebinder.Rebind(field.source_id, fmt::format("partition field '{}'", field.name)));
    field.field_id = ++metadata.last_partition_id;
  }
  ARROW_RETURN_NOT_OK(Config(CheckPartitionSpec(fresh_spec, fresh)));

  SortOrder fresh_order{order.fields.empty() ? 0 : 1, order.fields};
  for (SortField& field : fresh_order.fields) ARROW_RETURN_NOT_OK(rebinder.Rebind(field.source_id, "the sort order"));
  ARROW_RETURN_NOT_OK(Config(CheckSortOrder(fresh_order, fresh)));

  metadata.default_sort_order_id = fresh_order.order_id;
  metadata.schemas.push_back(std::move(fresh));
  metadata.partition_specs.push_back(std::move(fresh_spec));
  metadata.sort_orders.push_back(std::move(fresh_order));
  return metadata;
}

}  // namespace calve::iceberg
