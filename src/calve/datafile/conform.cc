#include "calve/datafile/conform.h"

#include <arrow/array.h>
#include <arrow/array/util.h>

#include "calve/datafile/arrow_schema.h"
#include "calve/datafile/cast.h"

namespace calve::datafile {

struct Conformer::Impl {
  struct Column {
    int source = -1;  // index in the source's batches; -1: absent, null
    Cast cast;
  };
  std::shared_ptr<arrow::Schema> schema;
  std::vector<Column> columns;  // of the target
  int source_columns = 0;
};

namespace {

Status CheckSource(const iceberg::Schema& target, const arrow::Schema& source) {
  for (const auto& field : source.fields()) {
    if (target.FindField(field->name()) == nullptr) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("column {}: in the source, but not in the target", field->name()),
                       "Add it to the target table (new_columns: add), or leave it out (new_columns: ignore).");
    }
    if (source.GetAllFieldIndices(field->name()).size() > 1) {
      return MakeError(ErrorKind::kConfig, fmt::format("column {}: twice in the source", field->name()),
                       "Give one of them another name in the query.");
    }
  }
  return Status::OK();
}

}  // namespace

Conformer::Conformer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Conformer::~Conformer() = default;

const std::shared_ptr<arrow::Schema>& Conformer::schema() const { return impl_->schema; }

Result<std::unique_ptr<Conformer>> Conformer::Make(const iceberg::Schema& target, const arrow::Schema& source) {
  ARROW_RETURN_NOT_OK(CheckSource(target, source));
  ARROW_ASSIGN_OR_RAISE(auto plain, ToArrowSchema(target));
  auto impl = std::make_unique<Impl>();
  impl->source_columns = source.num_fields();
  arrow::FieldVector fields;
  for (size_t i = 0; i < target.fields.size(); ++i) {
    const iceberg::NestedField& field = target.fields[i];
    auto arrow_field = plain->field(static_cast<int>(i));
    Impl::Column column;
    column.source = source.GetFieldIndex(field.name);
    if (column.source >= 0) {
      ARROW_ASSIGN_OR_RAISE(column.cast,
                            MakeCast({field.name, field.type, true}, field.required, *source.field(column.source)));
      arrow_field = arrow_field->WithType(column.cast.type);
    } else if (field.required) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("column {}: required by the target table, but not in the source", field.name),
                       fmt::format("Make it optional in the target, or give column {} an expression.", field.name));
    } else {
      column.cast.type = arrow_field->type();
    }
    fields.push_back(std::move(arrow_field));
    impl->columns.push_back(std::move(column));
  }
  impl->schema = arrow::schema(std::move(fields));
  return std::unique_ptr<Conformer>(new Conformer(std::move(impl)));
}

Result<std::shared_ptr<arrow::RecordBatch>> Conformer::Apply(const arrow::RecordBatch& batch) const {
  if (batch.num_columns() != impl_->source_columns) {
    return MakeError(ErrorKind::kFailed, fmt::format("a block of {} columns where {} were announced",
                                                     batch.num_columns(), impl_->source_columns));
  }
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (const Impl::Column& column : impl_->columns) {
    if (column.source < 0) {
      ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(column.cast.type, batch.num_rows()));
      columns.push_back(nulls->data());
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto converted, column.cast.apply(batch.column_data(column.source)));
    columns.push_back(std::move(converted));
  }
  return arrow::RecordBatch::Make(impl_->schema, batch.num_rows(), std::move(columns));
}

}  // namespace calve::datafile
