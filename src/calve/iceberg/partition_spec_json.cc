// Spec: appendix C, "Partition Specs" and "Sort Orders".
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "calve/iceberg/metadata_json.h"

namespace calve::iceberg {
namespace {

// v3 writes a list where a transform takes several columns; calve knows no such transform, so it is kept as unknown.
Result<int> ReadSourceId(const JsonNode& node, Transform& transform) {
  if (node.Find("source-id")) return node.GetInt("source-id");
  ARROW_ASSIGN_OR_RAISE(JsonNode ids, node.Get("source-ids"));
  ARROW_RETURN_NOT_OK(ids.ExpectArray());
  if (ids.size() == 0) return ids.Error("a source column expected");
  if (ids.size() > 1) transform = {TransformKind::kUnknown, 0, transform.ToString()};
  JsonNode first = ids.At(0);
  return first.AsInt();
}

Result<Transform> ReadTransform(const JsonNode& node) {
  ARROW_ASSIGN_OR_RAISE(std::string text, node.GetString("transform"));
  return ParseTransform(text);
}

}  // namespace

Result<PartitionSpec> ReadPartitionFields(int spec_id, const JsonNode& fields) {
  PartitionSpec spec;
  spec.spec_id = spec_id;
  ARROW_RETURN_NOT_OK(fields.ForEach([&](const JsonNode& node) -> Status {
    PartitionField field;
    ARROW_RETURN_NOT_OK(node.ExpectObject());
    ARROW_ASSIGN_OR_RAISE(field.transform, ReadTransform(node));
    ARROW_ASSIGN_OR_RAISE(field.source_id, ReadSourceId(node, field.transform));
    ARROW_ASSIGN_OR_RAISE(auto id, node.FindInt("field-id"));
    field.field_id = id.value_or(kFirstPartitionFieldId + static_cast<int>(spec.fields.size()));
    ARROW_ASSIGN_OR_RAISE(field.name, node.GetString("name"));
    for (const PartitionField& other : spec.fields) {
      if (other.field_id == field.field_id) return node.Error(fmt::format("two fields have id {}", field.field_id));
    }
    spec.fields.push_back(std::move(field));
    return Status::OK();
  }));
  return spec;
}

Result<PartitionSpec> ReadPartitionSpec(const JsonNode& node) {
  ARROW_ASSIGN_OR_RAISE(int id, node.GetInt("spec-id"));
  ARROW_ASSIGN_OR_RAISE(JsonNode fields, node.Get("fields"));
  return ReadPartitionFields(id, fields);
}

void WritePartitionFields(const PartitionSpec& spec, JsonWriter& writer) {
  writer.BeginArray();
  for (const PartitionField& field : spec.fields) {
    writer.BeginObject();
    writer.Field("name", field.name);
    writer.Field("transform", field.transform.ToString());
    writer.Field("source-id", field.source_id);
    writer.Field("field-id", field.field_id);
    writer.EndObject();
  }
  writer.EndArray();
}

void WritePartitionSpec(const PartitionSpec& spec, JsonWriter& writer) {
  writer.BeginObject();
  writer.Field("spec-id", spec.spec_id);
  writer.Key("fields");
  WritePartitionFields(spec, writer);
  writer.EndObject();
}

std::string WritePartitionFieldsJson(const PartitionSpec& spec) {
  JsonWriter writer;
  WritePartitionFields(spec, writer);
  return std::move(writer.text());
}

Result<SortOrder> ReadSortOrder(const JsonNode& node) {
  SortOrder order;
  ARROW_ASSIGN_OR_RAISE(order.order_id, node.GetInt("order-id"));
  ARROW_ASSIGN_OR_RAISE(JsonNode fields, node.Get("fields"));
  ARROW_RETURN_NOT_OK(fields.ForEach([&](const JsonNode& element) -> Status {
    SortField field;
    ARROW_RETURN_NOT_OK(element.ExpectObject());
    ARROW_ASSIGN_OR_RAISE(field.transform, ReadTransform(element));
    ARROW_ASSIGN_OR_RAISE(field.source_id, ReadSourceId(element, field.transform));
    ARROW_ASSIGN_OR_RAISE(std::string direction, element.GetString("direction"));
    if (direction != "asc" && direction != "desc") {
      return element.Error(fmt::format("direction is asc or desc, not '{}'", direction));
    }
    field.ascending = direction == "asc";
    ARROW_ASSIGN_OR_RAISE(std::string nulls, element.GetString("null-order"));
    if (nulls != "nulls-first" && nulls != "nulls-last") {
      return element.Error(fmt::format("null-order is nulls-first or nulls-last, not '{}'", nulls));
    }
    field.nulls_first = nulls == "nulls-first";
    order.fields.push_back(std::move(field));
    return Status::OK();
  }));
  return order;
}

void WriteSortOrder(const SortOrder& order, JsonWriter& writer) {
  writer.BeginObject();
  writer.Field("order-id", order.order_id);
  writer.Key("fields");
  writer.BeginArray();
  for (const SortField& field : order.fields) {
    writer.BeginObject();
    writer.Field("transform", field.transform.ToString());
    writer.Field("source-id", field.source_id);
    writer.Field("direction", field.ascending ? "asc" : "desc");
    writer.Field("null-order", field.nulls_first ? "nulls-first" : "nulls-last");
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
}

}  // namespace calve::iceberg
