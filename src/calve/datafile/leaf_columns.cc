#include "calve/datafile/leaf_columns.h"

namespace calve::datafile {

Result<std::vector<Leaf>> LeavesOf(const iceberg::Schema& schema, const parquet::SchemaDescriptor& columns) {
  std::vector<Leaf> leaves;
  for (int i = 0; i < columns.num_columns(); ++i) {
    const parquet::ColumnDescriptor& column = *columns.Column(i);
    const int id = column.schema_node()->field_id();
    const iceberg::NestedField* field = schema.FindField(id);
    if (field == nullptr || !field->type.is_primitive()) {
      return MakeError(ErrorKind::kFailed,
                       fmt::format("Parquet column {} lacks its field id", column.path()->ToDotString()));
    }
    leaves.push_back({id, schema.PathOf(id), column.path()->ToDotString(), field->type, column.physical_type(),
                      column.max_repetition_level() > 0});
  }
  return leaves;
}

}  // namespace calve::datafile
