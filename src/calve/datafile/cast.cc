#include "calve/datafile/cast.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include "calve/datafile/arrow_schema.h"

namespace calve::datafile {
namespace {

using arrow::ArrayData;
using iceberg::NestedField;
using iceberg::TypeId;

constexpr int kCastDepthMax = 64;

std::string FieldName(const std::string& path) { return path.substr(0, path.find('.')); }

Status NullInRequired(const CastSite& site) {
  return MakeError(ErrorKind::kValue,
                   fmt::format("column {}: a NULL for the required {}", site.path, site.target.ToString()),
                   fmt::format("Make the target's column optional, or replace NULL in the query with an expression for "
                               "column {}.",
                               FieldName(site.path)));
}

// Nulls of `array` in places that `parent` (null: all places) has.
bool HasNulls(const ArrayData& array, const ArrayData* parent) {
  if (array.GetNullCount() == 0) return false;
  if (parent == nullptr || parent->GetNullCount() == 0) return true;
  for (int64_t i = 0; i < parent->length; ++i) {
    if (IsValidAt(*parent, i) && !IsValidAt(array, parent->offset + i)) return true;
  }
  return false;
}

// --- nested types

struct Child {
  Cast cast;
  int source = -1;  // index of the source's child; -1: absent, null
  bool required = false;
  CastSite site;
};

std::shared_ptr<arrow::Field> ArrowField(const NestedField& target, const std::string& name,
                                         const std::shared_ptr<arrow::DataType>& type) {
  return arrow::field(name, type, !target.required,
                      arrow::key_value_metadata({"PARQUET:field_id"}, {std::to_string(target.id)}));
}

Result<Child> MakeChild(const NestedField& target, const std::string& path, const arrow::Field& source, int index) {
  Child child;
  child.source = index;
  child.required = target.required;
  child.site = {path, target.type, false};
  ARROW_ASSIGN_OR_RAISE(child.cast, MakeCast(child.site, /*required=*/false, source));
  return child;
}

// Casts the children in place of the source's; offsets, validity and slicing stay the parent's.
Result<ArrayDataPtr> ApplyToChildren(const ArrayData& array, const std::shared_ptr<arrow::DataType>& type,
                                     const std::vector<Child>& children, const ArrayData* parent) {
  ArrayDataPtr out = array.Copy();
  out->type = type;
  out->child_data.clear();
  for (const Child& child : children) {
    if (child.source < 0) {
      ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(child.cast.type, array.offset + array.length));
      out->child_data.push_back(nulls->data());
      continue;
    }
    const ArrayDataPtr& source = array.child_data[child.source];
    if (child.required && HasNulls(*source, parent)) return NullInRequired(child.site);
    ARROW_ASSIGN_OR_RAISE(auto converted, child.cast.apply(source));
    out->child_data.push_back(std::move(converted));
  }
  return out;
}

Result<std::vector<Child>> StructChildren(const CastSite& site, const arrow::DataType& source) {
  std::vector<Child> children;
  for (const NestedField& target : site.target.fields) {
    const std::string path = site.path + "." + target.name;
    int index = -1;
    for (int i = 0; i < source.num_fields(); ++i) {
      if (source.field(i)->name() == target.name) index = i;
    }
    if (index >= 0) {
      ARROW_ASSIGN_OR_RAISE(Child child, MakeChild(target, path, *source.field(index), index));
      children.push_back(std::move(child));
      continue;
    }
    if (target.required) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("column {}: required by the target, but not in the source", path),
                       "Make it optional in the target, or give the column an expression.");
    }
    Child child;
    iceberg::Schema wrapper;
    wrapper.fields.push_back(target);
    ARROW_ASSIGN_OR_RAISE(auto schema, ToArrowSchema(wrapper));
    child.cast.type = schema->field(0)->type();
    children.push_back(std::move(child));
  }
  for (const auto& field : source.fields()) {
    const bool known = std::any_of(site.target.fields.begin(), site.target.fields.end(),
                                   [&](const NestedField& target) { return target.name == field->name(); });
    if (known) continue;
    return MakeError(ErrorKind::kConfig,
                     fmt::format("column {}.{}: in the source, but not in the target", site.path, field->name()),
                     "Add it to the target, or give the column an expression that leaves it out.");
  }
  return children;
}

Result<Cast> MakeStructCast(const CastSite& site, const arrow::DataType& source) {
  ARROW_ASSIGN_OR_RAISE(auto children, StructChildren(site, source));
  arrow::FieldVector fields;
  for (size_t i = 0; i < children.size(); ++i) {
    const NestedField& target = site.target.fields[i];
    fields.push_back(ArrowField(target, target.name, children[i].cast.type));
  }
  auto type = arrow::struct_(std::move(fields));
  return Cast{type, [type, children = std::move(children)](const ArrayDataPtr& array) {
                return ApplyToChildren(*array, type, children, array.get());
              }};
}

Result<Cast> MakeListCast(const CastSite& site, const arrow::DataType& source) {
  const NestedField& element = site.target.fields.at(0);
  ARROW_ASSIGN_OR_RAISE(Child child, MakeChild(element, site.path + ".element", *source.field(0), 0));
  auto type = arrow::list(ArrowField(element, "element", child.cast.type));
  return Cast{type, [type, child = std::move(child)](const ArrayDataPtr& array) {
                return ApplyToChildren(*array, type, {child}, nullptr);
              }};
}

Result<Cast> MakeMapCast(const CastSite& site, const arrow::DataType& source) {
  const auto& map = static_cast<const arrow::MapType&>(source);
  NestedField key = site.target.fields.at(0);
  key.required = true;
  const NestedField& value = site.target.fields.at(1);
  ARROW_ASSIGN_OR_RAISE(Child keys, MakeChild(key, site.path + ".key", *map.key_field(), 0));
  ARROW_ASSIGN_OR_RAISE(Child values, MakeChild(value, site.path + ".value", *map.item_field(), 1));
  auto type = std::make_shared<arrow::MapType>(ArrowField(key, "key", keys.cast.type),
                                               ArrowField(value, "value", values.cast.type));
  std::vector<Child> children{std::move(keys), std::move(values)};
  return Cast{type, [type, children = std::move(children)](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
                ArrayDataPtr out = array->Copy();
                out->type = type;
                ARROW_ASSIGN_OR_RAISE(out->child_data[0], ApplyToChildren(*array->child_data[0], type->value_type(),
                                                                          children, array->child_data[0].get()));
                return out;
              }};
}

Result<Cast> MakeNestedCast(const CastSite& site, const arrow::DataType& source) {
  if (std::count(site.path.begin(), site.path.end(), '.') > kCastDepthMax) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("column {}: nested deeper than {} levels", site.path, kCastDepthMax));
  }
  switch (site.target.id) {
    case TypeId::kStruct:
      return source.id() == arrow::Type::STRUCT ? MakeStructCast(site, source) : Cast{};
    case TypeId::kList:
      return source.id() == arrow::Type::LIST ? MakeListCast(site, source) : Cast{};
    case TypeId::kMap:
      return source.id() == arrow::Type::MAP ? MakeMapCast(site, source) : Cast{};
    default:
      return Cast{};
  }
}

Result<Cast> MakePrimitiveCast(const CastSite& site, const arrow::DataType& source) {
  switch (source.id()) {
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
      return MakeIntegerCast(site, source);
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
      return MakeDecimalCast(site, source);
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      return MakeFloatCast(site, source);
    case arrow::Type::TIMESTAMP:
      return MakeTimestampCast(site, source);
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::FIXED_SIZE_BINARY:
      return MakeBytesCast(site, source);
    case arrow::Type::BOOL:
      return site.target.id == TypeId::kBoolean ? Cast{arrow::boolean(), Relabel(arrow::boolean())} : Cast{};
    case arrow::Type::DATE32:
      return site.target.id == TypeId::kDate ? Cast{arrow::date32(), Relabel(arrow::date32())} : Cast{};
    default:
      return Cast{};
  }
}

std::string Remedy(const CastSite& site) {
  const std::string column = FieldName(site.path);
  return fmt::format(
      "Give column {0} another type (--type {0}=TYPE) or an expression that converts it, or leave it out.", column);
}

}  // namespace

Result<Cast> MakeCast(const CastSite& site, bool required, const arrow::Field& source) {
  Cast cast;
  if (!site.target.is_primitive()) {
    ARROW_ASSIGN_OR_RAISE(cast, MakeNestedCast(site, *source.type()));
  } else if (source.type()->id() == arrow::Type::DICTIONARY) {
    ARROW_ASSIGN_OR_RAISE(cast, MakeDictionaryCast(site, static_cast<const arrow::DictionaryType&>(*source.type())));
  } else {
    ARROW_ASSIGN_OR_RAISE(cast, MakePrimitiveCast(site, *source.type()));
  }
  if (!cast.apply) return CannotCast(site, *source.type());
  if (!required) return cast;
  // Also where the source's type has no NULL: the array is what counts.
  return Cast{cast.type, [site, apply = std::move(cast.apply)](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
                ARROW_ASSIGN_OR_RAISE(ArrayDataPtr out, apply(array));
                if (out->GetNullCount() > 0) return NullInRequired(site);
                return out;
              }};
}

Result<std::shared_ptr<arrow::DataType>> ArrowTypeOf(const CastSite& site) {
  iceberg::Schema wrapper;
  wrapper.fields.push_back({1, site.path, false, site.target, ""});
  ARROW_ASSIGN_OR_RAISE(auto schema, ToArrowSchema(wrapper));
  return schema->field(0)->type();
}

CastFunction Relabel(std::shared_ptr<arrow::DataType> type) {
  return [type = std::move(type)](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
    ArrayDataPtr out = array->Copy();
    out->type = type;
    return out;
  };
}

bool IsValidAt(const ArrayData& array, int64_t i) {
  return !array.buffers[0] || arrow::bit_util::GetBit(array.buffers[0]->data(), array.offset + i);
}

Result<std::shared_ptr<arrow::Buffer>> ValidityOf(const ArrayData& array) {
  if (array.GetNullCount() == 0) return nullptr;
  if (array.offset == 0) return array.buffers[0];
  return arrow::internal::CopyBitmap(arrow::default_memory_pool(), array.buffers[0]->data(), array.offset,
                                     array.length);
}

Result<ArrayDataPtr> WithValues(const ArrayData& array, std::shared_ptr<arrow::DataType> type,
                                std::shared_ptr<arrow::Buffer> values) {
  ARROW_ASSIGN_OR_RAISE(auto validity, ValidityOf(array));
  return ArrayData::Make(std::move(type), array.length, {std::move(validity), std::move(values)}, array.GetNullCount());
}

Status CannotCast(const CastSite& site, const arrow::DataType& source, std::string remedy) {
  return MakeError(ErrorKind::kUnsupported,
                   fmt::format("column {}: {} cannot become {} without loss", site.path, SourceTypeName(source),
                               site.target.ToString()),
                   remedy.empty() ? Remedy(site) : std::move(remedy));
}

Status ValueDoesNotFit(const CastSite& site, const std::string& value, std::string remedy) {
  return MakeError(ErrorKind::kValue,
                   fmt::format("column {}: the value {} does not fit {}", site.path, value, site.target.ToString()),
                   std::move(remedy));
}

}  // namespace calve::datafile
