#include "calve/iceberg/metadata_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace calve::iceberg {
namespace {

template <typename... Args>
Status Failed(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorKind::kFailed, fmt::format(format, std::forward<Args>(args)...));
}

Status CheckFields(const std::vector<NestedField>& fields, std::set<int>& ids) {
  std::set<std::string_view> names;
  for (const NestedField& field : fields) {
    if (field.id <= 0) return Failed("column '{}' has field id {}; ids are positive", field.name, field.id);
    if (!ids.insert(field.id).second) return Failed("two columns have field id {}, one is '{}'", field.id, field.name);
    if (field.name.empty()) return Failed("the column with field id {} has no name", field.id);
    if (!names.insert(field.name).second) return Failed("two columns are named '{}'", field.name);
    if (field.type.id == TypeId::kTimestampNs || field.type.id == TypeId::kTimestampTzNs) {
      return Failed("column '{}' has type {}, which format version 2 lacks", field.name, field.type.ToString());
    }
    if (field.type.id == TypeId::kMap && !field.type.fields.at(0).required) {
      return Failed("the keys of map '{}' must be required", field.name);
    }
    ARROW_RETURN_NOT_OK(CheckFields(field.type.fields, ids));
  }
  return Status::OK();
}

// Spec: "Identifier Field IDs": required through and through, no float, not in a list or map.
bool MayIdentify(const std::vector<NestedField>& fields, int id) {
  for (const NestedField& field : fields) {
    if (!field.required) continue;
    if (field.id == id) {
      return field.type.is_primitive() && field.type.id != TypeId::kFloat && field.type.id != TypeId::kDouble;
    }
    if (field.type.id == TypeId::kStruct && MayIdentify(field.type.fields, id)) return true;
  }
  return false;
}

// Same kind on both sides; what is inside is compared by its own ids.
bool MayBecome(const Type& from, const Type& to) {
  return from.is_primitive() ? CanPromote(from, to) : from.id == to.id;
}

Status CheckFieldEvolution(const std::vector<Schema>& older, int last_column_id, const NestedField& field) {
  bool known = false;
  for (const Schema& schema : older) {
    const NestedField* before = schema.FindField(field.id);
    if (!before) continue;
    known = true;
    if (!MayBecome(before->type, field.type)) {
      return Failed("field id {} ('{}') is {} in schema {} and cannot become {}", field.id, field.name,
                    before->type.ToString(), schema.schema_id, field.type.ToString());
    }
  }
  if (!known && field.id <= last_column_id) {
    return Failed("new column '{}' has field id {}, but ids up to {} were given already", field.name, field.id,
                  last_column_id);
  }
  for (const NestedField& inner : field.type.fields) {
    ARROW_RETURN_NOT_OK(CheckFieldEvolution(older, last_column_id, inner));
  }
  return Status::OK();
}

// A field that has one value per row: at the top, or inside structs.
const NestedField* FindRowField(const std::vector<NestedField>& fields, int id) {
  for (const NestedField& field : fields) {
    if (field.id == id) return &field;
    if (field.type.id != TypeId::kStruct) continue;
    if (const NestedField* found = FindRowField(field.type.fields, id)) return found;
  }
  return nullptr;
}

Status CheckSource(int source_id, const Transform& transform, const Schema& schema, std::string_view what) {
  if (transform.kind == TransformKind::kUnknown) {
    return Failed("{} has the transform '{}', which calve does not know", what, transform.unknown);
  }
  const NestedField* source = FindRowField(schema.fields, source_id);
  if (!source && transform.kind == TransformKind::kVoid) return Status::OK();
  if (!source) {
    return Failed("{} is made from field id {}, which is no column with one value per row", what, source_id);
  }
  auto type = ResultType(transform, source->type);
  if (type.ok()) return Status::OK();
  return WithKind(WithContext(type.status(), fmt::format("{} of column '{}'", what, source->name)), ErrorKind::kFailed);
}

}  // namespace

Status CheckSchema(const Schema& schema) {
  std::set<int> ids;
  ARROW_RETURN_NOT_OK(CheckFields(schema.fields, ids));
  for (int id : schema.identifier_field_ids) {
    if (!MayIdentify(schema.fields, id)) {
      return Failed("field id {} ('{}') cannot identify rows: it is not required, not primitive or a float", id,
                    schema.PathOf(id));
    }
  }
  return Status::OK();
}

Status CheckEvolution(const std::vector<Schema>& older, int last_column_id, const Schema& schema) {
  for (const NestedField& field : schema.fields) {
    ARROW_RETURN_NOT_OK(CheckFieldEvolution(older, last_column_id, field));
  }
  return Status::OK();
}

Status CheckPartitionSpec(const PartitionSpec& spec, const Schema& schema) {
  std::set<std::string_view> names;
  std::set<std::pair<int, std::string>> transforms;
  for (const PartitionField& field : spec.fields) {
    std::string what = fmt::format("partition field '{}'", field.name);
    if (field.name.empty()) return Failed("a partition field of field id {} has no name", field.source_id);
    ARROW_RETURN_NOT_OK(CheckSource(field.source_id, field.transform, schema, what));
    if (!names.insert(field.name).second) return Failed("two partition fields are named '{}'", field.name);
    if (field.transform.kind == TransformKind::kVoid) continue;
    if (!transforms.emplace(field.source_id, field.transform.ToString()).second) {
      return Failed("{} repeats the transform {} of the same column", what, field.transform.ToString());
    }
    const NestedField* column = schema.FindField(field.name);
    bool own_column = field.transform.kind == TransformKind::kIdentity && column && column->id == field.source_id;
    if (column && !own_column) return Failed("{} has the name of another column", what);
  }
  return Status::OK();
}

Status CheckSources(const PartitionSpec& spec, const Schema& schema) {
  for (const PartitionField& field : spec.fields) {
    if (field.transform.kind == TransformKind::kUnknown) continue;
    std::string what = fmt::format("partition field '{}'", field.name);
    ARROW_RETURN_NOT_OK(CheckSource(field.source_id, field.transform, schema, what));
  }
  return Status::OK();
}

Status CheckSortOrder(const SortOrder& order, const Schema& schema) {
  for (const SortField& field : order.fields) {
    ARROW_RETURN_NOT_OK(CheckSource(field.source_id, field.transform, schema, "the sort order"));
  }
  return Status::OK();
}

}  // namespace calve::iceberg
