#include "calve/datafile/data_file_reader.h"

#include <map>
#include <set>
#include <utility>

#include "calve/datafile/arrow_schema.h"
#include "calve/datafile/column_projection.h"
#include "calve/datafile/equality_deletes.h"
#include "calve/datafile/parquet_rows.h"
#include "calve/datafile/position_deletes.h"
#include "calve/datafile/row_range_filter.h"
#include "calve/datafile/row_selection.h"

namespace calve::datafile {

using iceberg::NestedField;
using iceberg::Type;
using iceberg::TypeId;

namespace {

const NestedField* FindTopLevel(const iceberg::Schema& schema, int id) {
  const auto found = std::find_if(schema.fields.begin(), schema.fields.end(),
                                  [&](const NestedField& field) { return field.id == id; });
  return found == schema.fields.end() ? nullptr : &*found;
}

// What a column of the file would be as one of the table's, for a range whose column neither schema has.
Result<Type> RangeTypeOf(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DATE32) return Type::Of(TypeId::kDate);
  if (type.id() == arrow::Type::TIMESTAMP) {
    const bool is_nano = static_cast<const arrow::TimestampType&>(type).unit() == arrow::TimeUnit::NANO;
    return Type::Of(is_nano ? TypeId::kTimestampTzNs : TypeId::kTimestampTz);
  }
  return MakeError(ErrorKind::kUnsupported,
                   fmt::format("a range needs a column of timestamps or dates, not of {}", type.ToString()));
}

}  // namespace

// Equality deletes, and their key columns in the data file.
struct DeletedKeys {
  EqualityDeletes deletes;
  std::vector<ProjectedColumn> columns;
};

struct DataFileReader::Impl {
  ReadRequest request;
  std::unique_ptr<ParquetRows> rows;
  std::optional<ColumnProjection> projection;
  std::vector<ProjectedColumn> columns;  // of request.schema
  std::shared_ptr<arrow::Schema> schema;
  std::vector<int> file_fields;  // top-level fields that are read, ascending

  std::optional<ProjectedColumn> range_column;
  std::optional<RowRangeFilter> range;
  PositionDeletes deleted_positions;
  std::vector<DeletedKeys> deleted_keys;

  RowSelection selection;
  std::vector<int64_t> positions;

  Status Open(storage::FileIO& file_io, const iceberg::DataFile& file);
  Status ProjectColumns();
  Status ProjectRange();
  Status ReadDeletes(storage::FileIO& file_io, const std::string& data_file);
  Result<std::vector<int>> RowGroups() const;
  void SelectAll(std::vector<int> row_groups);
  Result<std::shared_ptr<arrow::Array>> Column(const ProjectedColumn& column, const arrow::RecordBatch& batch) const;
  Status SelectRows(const arrow::RecordBatch& batch);
  Result<std::shared_ptr<arrow::RecordBatch>> Next();
};

Status DataFileReader::Impl::Open(storage::FileIO& file_io, const iceberg::DataFile& file) {
  ARROW_ASSIGN_OR_RAISE(rows, ParquetRows::Open(file_io, file, request.dictionaries, request.batch_rows));
  projection.emplace(rows->manifest(), request.dictionaries);
  return GuardParquet(file.file_path, [&]() -> Status {
    ARROW_RETURN_NOT_OK(ProjectColumns());
    ARROW_RETURN_NOT_OK(ProjectRange());
    ARROW_RETURN_NOT_OK(ReadDeletes(file_io, file.file_path));
    ARROW_ASSIGN_OR_RAISE(auto row_groups, RowGroups());
    SelectAll(std::move(row_groups));
    return Status::OK();
  });
}

Status DataFileReader::Impl::ProjectColumns() {
  ARROW_ASSIGN_OR_RAISE(auto plain, ToArrowSchema(request.schema));
  arrow::FieldVector fields;
  for (size_t i = 0; i < request.schema.fields.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(ProjectedColumn column, projection->Project(request.schema.fields[i]));
    fields.push_back(plain->field(static_cast<int>(i))->WithType(column.cast.type));
    columns.push_back(std::move(column));
  }
  schema = arrow::schema(std::move(fields));
  return Status::OK();
}

Status DataFileReader::Impl::ProjectRange() {
  if (!request.range) return Status::OK();
  const int id = request.range->field_id;
  NestedField field;
  const NestedField* known = FindTopLevel(request.schema, id);
  if (known == nullptr) known = FindTopLevel(request.table_schema, id);
  if (known != nullptr) {
    field = *known;
  } else if (const auto* in_file = projection->Find(id)) {
    ARROW_ASSIGN_OR_RAISE(Type type, RangeTypeOf(*in_file->field->type()));
    field = {id, in_file->field->name(), false, std::move(type), ""};
  } else {
    return MakeError(ErrorKind::kFailed, fmt::format("no schema has the range's column, field {}", id));
  }
  field.required = false;  // nulls are in no range
  ARROW_ASSIGN_OR_RAISE(range_column, projection->Project(field));
  ARROW_ASSIGN_OR_RAISE(range, RowRangeFilter::Make(*request.range, *range_column->cast.type));
  return Status::OK();
}

Status DataFileReader::Impl::ReadDeletes(storage::FileIO& file_io, const std::string& data_file) {
  std::map<std::vector<int>, EqualityDeletes> by_ids;
  for (const iceberg::DataFile& file : request.deletes) {
    if (file.content != iceberg::FileContent::kEqualityDeletes) {
      ARROW_RETURN_NOT_OK(deleted_positions.Add(file_io, file, data_file));
      continue;
    }
    auto known = by_ids.find(file.equality_ids);
    if (known == by_ids.end()) {
      auto made = EqualityDeletes::Make(file.equality_ids, request.table_schema);
      if (!made.ok()) return FileError(file.file_path, made.status());
      known = by_ids.emplace(file.equality_ids, *std::move(made)).first;
    }
    ARROW_RETURN_NOT_OK(known->second.Add(file_io, file));
  }
  deleted_positions.Close();
  for (auto& [ids, deletes] : by_ids) {
    DeletedKeys keys{std::move(deletes), {}};
    for (const NestedField& field : keys.deletes.columns()) {
      ARROW_ASSIGN_OR_RAISE(ProjectedColumn column, projection->Project(field));
      keys.columns.push_back(std::move(column));
    }
    deleted_keys.push_back(std::move(keys));
  }
  return Status::OK();
}

Result<std::vector<int>> DataFileReader::Impl::RowGroups() const {
  std::vector<int> groups;
  // Without the column every value is null.
  if (range && range_column->leaf < 0) return groups;
  std::optional<RowRangeFilter> statistics;
  if (range) {
    const auto& type = *rows->manifest().schema_fields[static_cast<size_t>(range_column->file_field)].field->type();
    ARROW_ASSIGN_OR_RAISE(statistics, RowRangeFilter::Make(*request.range, type));
  }
  for (int group = 0; group < rows->metadata().num_row_groups(); ++group) {
    if (statistics && !statistics->MayMatch(*rows->metadata().RowGroup(group)->ColumnChunk(range_column->leaf))) {
      continue;
    }
    groups.push_back(group);
  }
  return groups;
}

void DataFileReader::Impl::SelectAll(std::vector<int> row_groups) {
  std::set<int> fields, leaves;
  const auto add = [&](const ProjectedColumn& column) {
    if (column.file_field < 0) return;
    fields.insert(column.file_field);
    leaves.insert(column.leaves.begin(), column.leaves.end());
  };
  for (const ProjectedColumn& column : columns) add(column);
  if (range_column) add(*range_column);
  for (const DeletedKeys& keys : deleted_keys) {
    for (const ProjectedColumn& column : keys.columns) add(column);
  }
  file_fields.assign(fields.begin(), fields.end());
  rows->Select(std::move(row_groups), {leaves.begin(), leaves.end()});
}

Result<std::shared_ptr<arrow::Array>> DataFileReader::Impl::Column(const ProjectedColumn& column,
                                                                   const arrow::RecordBatch& batch) const {
  return ProjectArray(column, file_fields, batch);
}

Status DataFileReader::Impl::SelectRows(const arrow::RecordBatch& batch) {
  selection.Reset(batch.num_rows());
  if (!range && deleted_positions.empty() && deleted_keys.empty()) return Status::OK();
  if (range) {
    ARROW_ASSIGN_OR_RAISE(const auto values, Column(*range_column, batch));
    range->Apply(*values, selection.mask());
  }
  deleted_positions.Apply(rows->first_row(), selection.mask());
  for (const DeletedKeys& keys : deleted_keys) {
    arrow::ArrayVector arrays;
    for (const ProjectedColumn& column : keys.columns) {
      ARROW_ASSIGN_OR_RAISE(auto array, Column(column, batch));
      arrays.push_back(std::move(array));
    }
    keys.deletes.Apply(arrays, selection.mask());
  }
  return selection.Close();
}

Result<std::shared_ptr<arrow::RecordBatch>> DataFileReader::Impl::Next() {
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, rows->Next());
    if (!batch) {
      positions.clear();
      return nullptr;
    }
    ARROW_RETURN_NOT_OK(SelectRows(*batch));
    if (selection.count() == 0) continue;
    arrow::ArrayVector arrays;
    for (const ProjectedColumn& column : columns) {
      ARROW_ASSIGN_OR_RAISE(const auto whole, Column(column, *batch));
      ARROW_ASSIGN_OR_RAISE(auto kept, selection.Apply(whole));
      arrays.push_back(std::move(kept));
    }
    selection.Positions(rows->first_row(), positions);
    return arrow::RecordBatch::Make(schema, selection.count(), std::move(arrays));
  }
}

DataFileReader::DataFileReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DataFileReader::~DataFileReader() = default;

Result<std::unique_ptr<DataFileReader>> DataFileReader::Open(storage::FileIO& file_io, const iceberg::DataFile& file,
                                                             ReadRequest request) {
  auto impl = std::make_unique<Impl>();
  impl->request = std::move(request);
  ARROW_RETURN_NOT_OK(impl->Open(file_io, file));
  return std::unique_ptr<DataFileReader>(new DataFileReader(std::move(impl)));
}

const std::shared_ptr<arrow::Schema>& DataFileReader::schema() const { return impl_->schema; }

Result<std::shared_ptr<arrow::RecordBatch>> DataFileReader::Next() {
  return GuardParquet(impl_->rows->location(), [&] { return impl_->Next(); });
}

const std::vector<int64_t>& DataFileReader::positions() const { return impl_->positions; }

}  // namespace calve::datafile
