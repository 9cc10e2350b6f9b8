#include "calve/datafile/column_projection.h"

#include <arrow/array.h>
#include <arrow/array/util.h>

#include <charconv>
#include <limits>
#include <utility>

#include "calve/datafile/arrow_schema.h"
#include "calve/datafile/read_cast.h"

namespace calve::datafile {
namespace {

using arrow::ArrayData;
using arrow::DataType;
using iceberg::NestedField;
using iceberg::TypeId;
using parquet::arrow::SchemaField;

// -1 where the file gives it none.
int IdOf(const SchemaField& field) {
  const auto& metadata = field.field->metadata();
  const auto text = metadata ? metadata->Get("PARQUET:field_id") : Result<std::string>(Status::KeyError("none"));
  int id = -1;
  if (text.ok()) std::from_chars(text->data(), text->data() + text->size(), id);
  return id;
}

bool HasIds(const std::vector<SchemaField>& fields) {
  return std::any_of(fields.begin(), fields.end(),
                     [](const SchemaField& field) { return IdOf(field) >= 0 || HasIds(field.children); });
}

int FirstLeaf(const SchemaField& field) {
  const SchemaField* leaf = &field;
  while (!leaf->is_leaf() && !leaf->children.empty()) leaf = &leaf->children.front();
  return leaf->column_index;
}

Status MissingRequired(const std::string& path) {
  return MakeError(ErrorKind::kCorrupt, fmt::format("column {}: required, but not in the file", path));
}

Status NoPromotion(const CastSite& site, const DataType& source) {
  return MakeError(ErrorKind::kUnsupported, fmt::format("column {}: {} in the file does not become {}", site.path,
                                                        source.ToString(), site.target.ToString()));
}

// One child of a struct, list or map.
struct ProjectedChild {
  std::shared_ptr<DataType> type;
  int source = -1;  // among the children that are read; -1: null
  CastFunction apply;
};

Result<ArrayDataPtr> WithChildren(const ArrayData& array, const std::shared_ptr<DataType>& type,
                                  const std::vector<ProjectedChild>& children) {
  ArrayDataPtr out = array.Copy();
  out->type = type;
  out->child_data.clear();
  for (const ProjectedChild& child : children) {
    if (child.source < 0) {
      ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(child.type, array.offset + array.length));
      out->child_data.push_back(nulls->data());
    } else {
      ARROW_ASSIGN_OR_RAISE(auto converted, child.apply(array.child_data.at(static_cast<size_t>(child.source))));
      out->child_data.push_back(std::move(converted));
    }
  }
  return out;
}

// 64-bit offsets, which the Arrow schema in a file may ask for, as 32-bit ones.
Result<ArrayDataPtr> NarrowOffsets(const CastSite& site, const ArrayDataPtr& array) {
  if (array->type->id() != arrow::Type::LARGE_LIST) return array;
  const auto* wide = array->GetValues<int64_t>(1, 0);
  const int64_t count = array->offset + array->length + 1;
  if (wide[count - 1] > std::numeric_limits<int32_t>::max()) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("column {}: {} elements in one batch", site.path, wide[count - 1]));
  }
  ARROW_ASSIGN_OR_RAISE(auto offsets, arrow::AllocateBuffer(count * static_cast<int64_t>(sizeof(int32_t))));
  auto* narrow = reinterpret_cast<int32_t*>(offsets->mutable_data());
  for (int64_t i = 0; i < count; ++i) narrow[i] = static_cast<int32_t>(wide[i]);
  ArrayDataPtr out = array->Copy();
  out->buffers[1] = std::move(offsets);
  return out;
}

}  // namespace

ColumnProjection::ColumnProjection(const parquet::arrow::SchemaManifest& manifest, bool keep_dictionaries)
    : manifest_(manifest), keep_dictionaries_(keep_dictionaries), has_ids_(HasIds(manifest.schema_fields)) {}

Result<int> ColumnProjection::FindIn(const std::vector<SchemaField>& fields, const NestedField& target,
                                     const std::string& path) const {
  int found = -1;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (has_ids_ ? IdOf(fields[i]) != target.id : fields[i].field->name() != target.name) continue;
    if (found >= 0) {
      return MakeError(ErrorKind::kCorrupt, fmt::format("column {}: twice in the file", path));
    }
    found = static_cast<int>(i);
  }
  return found;
}

const SchemaField* ColumnProjection::Find(int field_id) const {
  for (const SchemaField& field : manifest_.schema_fields) {
    if (has_ids_ && IdOf(field) == field_id) return &field;
  }
  return nullptr;
}

Result<ProjectedColumn> ColumnProjection::Project(const NestedField& field) const {
  ProjectedColumn column;
  column.site = {field.name, field.type, true};
  column.required = field.required;
  iceberg::Schema wrapper;
  wrapper.fields = {field};
  ARROW_ASSIGN_OR_RAISE(const auto schema, ToArrowSchema(wrapper));
  const auto& type = schema->field(0)->type();
  ARROW_ASSIGN_OR_RAISE(column.file_field, FindIn(manifest_.schema_fields, field, field.name));
  if (column.file_field < 0) {
    if (field.required) return MissingRequired(field.name);
    column.cast.type = type;
    return column;
  }
  const SchemaField& source = manifest_.schema_fields[static_cast<size_t>(column.file_field)];
  ARROW_ASSIGN_OR_RAISE(column.cast, Plan(column.site, type, source, column.leaves));
  if (source.is_leaf()) column.leaf = source.column_index;
  return column;
}

Result<Cast> ColumnProjection::Plan(const CastSite& site, const std::shared_ptr<DataType>& type,
                                    const SchemaField& source, std::vector<int>& leaves) const {
  const auto id = source.field->type()->id();
  switch (site.target.id) {
    case TypeId::kStruct:
      if (id == arrow::Type::STRUCT) return PlanStruct(site, type, source, leaves);
      break;
    case TypeId::kList:
      if (id == arrow::Type::LIST || id == arrow::Type::LARGE_LIST) return PlanList(site, type, source, leaves);
      break;
    case TypeId::kMap:
      if (id == arrow::Type::MAP) return PlanMap(site, type, source, leaves);
      break;
    default:
      if (!source.is_leaf()) break;
      leaves.push_back(source.column_index);
      return MakeReadCast(site, type, source.field->type(), keep_dictionaries_);
  }
  return NoPromotion(site, *source.field->type());
}

Result<Cast> ColumnProjection::PlanStruct(const CastSite& site, const std::shared_ptr<DataType>& type,
                                          const SchemaField& source, std::vector<int>& leaves) const {
  std::vector<int> matches;
  for (const NestedField& target : site.target.fields) {
    const std::string path = site.path + "." + target.name;
    ARROW_ASSIGN_OR_RAISE(const int match, FindIn(source.children, target, path));
    if (match < 0 && target.required) return MissingRequired(path);
    matches.push_back(match);
  }
  std::vector<int> read(matches);
  std::sort(read.begin(), read.end());
  read.erase(read.begin(), std::lower_bound(read.begin(), read.end(), 0));
  // Which structs are null is in the levels of their leaves alone.
  if (read.empty()) leaves.push_back(FirstLeaf(source));
  std::vector<ProjectedChild> children;
  for (size_t i = 0; i < matches.size(); ++i) {
    ProjectedChild child{type->field(static_cast<int>(i))->type(), -1, nullptr};
    if (matches[i] >= 0) {
      child.source = static_cast<int>(std::lower_bound(read.begin(), read.end(), matches[i]) - read.begin());
      const NestedField& target = site.target.fields[i];
      ARROW_ASSIGN_OR_RAISE(const Cast cast, PlanInner(site, target, child.type,
                                                       source.children[static_cast<size_t>(matches[i])], leaves));
      child.apply = cast.apply;
    }
    children.push_back(std::move(child));
  }
  return Cast{type, [type, children = std::move(children)](const ArrayDataPtr& array) {
                return WithChildren(*array, type, children);
              }};
}

Result<Cast> ColumnProjection::PlanInner(const CastSite& site, const NestedField& target,
                                         const std::shared_ptr<DataType>& type, const SchemaField& source,
                                         std::vector<int>& leaves) const {
  const CastSite inner{site.path + "." + target.name, target.type, false};
  if (has_ids_ && IdOf(source) >= 0 && IdOf(source) != target.id) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("column {}: field id {} in the file, {} in the schema",
                                                      inner.path, IdOf(source), target.id));
  }
  return Plan(inner, type, source, leaves);
}

Result<Cast> ColumnProjection::PlanList(const CastSite& site, const std::shared_ptr<DataType>& type,
                                        const SchemaField& source, std::vector<int>& leaves) const {
  if (source.children.size() != 1) return NoPromotion(site, *source.field->type());
  const auto& element = type->field(0)->type();
  ARROW_ASSIGN_OR_RAISE(const Cast cast,
                        PlanInner(site, site.target.fields.at(0), element, source.children[0], leaves));
  return Cast{
      type,
      [site, type, child = ProjectedChild{element, 0, cast.apply}](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
        ARROW_ASSIGN_OR_RAISE(const ArrayDataPtr narrow, NarrowOffsets(site, array));
        return WithChildren(*narrow, type, {child});
      }};
}

Result<Cast> ColumnProjection::PlanMap(const CastSite& site, const std::shared_ptr<DataType>& type,
                                       const SchemaField& source, std::vector<int>& leaves) const {
  if (source.children.size() != 1 || source.children[0].children.size() != 2) {
    return NoPromotion(site, *source.field->type());
  }
  const auto& entries = type->field(0)->type();
  std::vector<ProjectedChild> children;
  for (int i = 0; i < 2; ++i) {
    const auto& inner = entries->field(i)->type();
    ARROW_ASSIGN_OR_RAISE(const Cast cast, PlanInner(site, site.target.fields.at(static_cast<size_t>(i)), inner,
                                                     source.children[0].children[static_cast<size_t>(i)], leaves));
    children.push_back({inner, i, cast.apply});
  }
  return Cast{type,
              [site, type, entries, children = std::move(children)](const ArrayDataPtr& array) -> Result<ArrayDataPtr> {
                if (array->child_data.at(0)->child_data.at(0)->GetNullCount() > 0) {
                  return MakeError(ErrorKind::kCorrupt, fmt::format("column {}: a map with a null key", site.path));
                }
                ArrayDataPtr out = array->Copy();
                out->type = type;
                ARROW_ASSIGN_OR_RAISE(out->child_data[0], WithChildren(*array->child_data[0], entries, children));
                return out;
              }};
}

Result<std::shared_ptr<arrow::Array>> ProjectArray(const ProjectedColumn& column, const std::vector<int>& fields,
                                                   const arrow::RecordBatch& batch) {
  if (column.file_field < 0) return arrow::MakeArrayOfNull(column.cast.type, batch.num_rows());
  const auto place = std::lower_bound(fields.begin(), fields.end(), column.file_field) - fields.begin();
  ARROW_ASSIGN_OR_RAISE(const ArrayDataPtr data, column.cast.apply(batch.column_data(static_cast<int>(place))));
  if (column.required && data->GetNullCount() > 0) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("column {}: a null, where it is required", column.site.path));
  }
  return arrow::MakeArray(data);
}

}  // namespace calve::datafile
