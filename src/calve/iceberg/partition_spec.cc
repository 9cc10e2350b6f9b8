#include "calve/iceberg/partition_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "calve/iceberg/partition_path.h"

namespace calve::iceberg {
namespace {

// The type of a field's values where the source column was dropped: transforms with a result of their own keep it, and
// a void field (what v1 leaves in place of a dropped one) holds nothing but nulls.
Result<Type> TypeWithoutSource(const PartitionField& field) {
  switch (field.transform.kind) {
    case TransformKind::kBucket:
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kHour:
      return Type::Of(TypeId::kInt);
    case TransformKind::kDay:
      return Type::Of(TypeId::kDate);
    case TransformKind::kVoid:
    case TransformKind::kUnknown:
      return Type::Of(TypeId::kString);
    default:
      return MakeError(ErrorKind::kCorrupt,
                       fmt::format("partition field '{}' ({}) is made from field {}, which the schema lacks",
                                   field.name, field.transform.ToString(), field.source_id));
  }
}

}  // namespace

bool PartitionSpec::is_unpartitioned() const {
  return std::all_of(fields.begin(), fields.end(),
                     [](const PartitionField& field) { return field.transform.kind == TransformKind::kVoid; });
}

Result<Type> PartitionType(const PartitionSpec& spec, const Schema& schema) {
  std::vector<NestedField> fields;
  fields.reserve(spec.fields.size());
  for (const PartitionField& field : spec.fields) {
    const NestedField* source = schema.FindField(field.source_id);
    auto type = source ? ResultType(field.transform, source->type) : TypeWithoutSource(field);
    if (!type.ok()) return WithContext(type.status(), fmt::format("partition field '{}'", field.name));
    fields.push_back({field.field_id, field.name, false, std::move(type).ValueUnsafe(), ""});
  }
  return Type::Struct(std::move(fields));
}

std::string PartitionPath(const PartitionSpec& spec, const Schema& schema, const std::vector<Literal>& values) {
  std::string path;
  for (size_t i = 0; i < spec.fields.size() && i < values.size(); ++i) {
    const PartitionField& field = spec.fields[i];
    const NestedField* source = schema.FindField(field.source_id);
    if (i > 0) path += '/';
    path += UrlEncode(field.name);
    path += '=';
    path += UrlEncode(PartitionValueText(field.transform, source ? source->type : Type{}, values[i]));
  }
  return path;
}

}  // namespace calve::iceberg
