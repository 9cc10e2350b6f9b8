#include "calve/cycle/table_request.h"

namespace calve::cycle {
namespace {

offload::ColumnOptions ColumnsOf(const config::TableConfig& table) {
  offload::ColumnOptions options;
  options.new_columns = table.new_columns;
  for (const auto& [name, column] : table.columns) {
    if (column.exclude) {
      options.excluded.push_back(name);
      continue;
    }
    if (!column.expr.empty()) options.expressions[name] = column.expr;
    if (column.type) options.types[name] = *column.type;
    if (!column.rename.empty()) options.renamed[name] = column.rename;
  }
  for (const auto& [name, constant] : table.constants) {
    options.expressions[name] = constant.Expression();
    if (constant.type) options.types[name] = *constant.type;
  }
  return options;
}

}  // namespace

offload::OffloadRequest RequestOf(const config::TableConfig& table) {
  offload::OffloadRequest request;
  request.source_table = table.query.empty() ? table.source : table.name;
  request.query = table.query;
  request.where = table.where;
  request.target = table.target;
  request.layer = table.layer;
  request.timestamp_column = table.cursor.timestamp;
  request.sequence_column = table.cursor.sequence;
  request.covers_micros = table.cursor.covers_micros;
  request.buffer_micros = table.buffer_micros;
  request.start_from = table.start_from.time;
  request.start_at_first = table.start_from.beginning;
  request.columns = ColumnsOf(table);
  request.partition_by = table.partition_by;
  request.repartition = request.set_properties = true;  // the file says how tables are to be
  request.sort_by = table.sort_by;
  request.properties = table.properties;
  request.settings = table.settings;
  request.memory_bytes = table.memory_bytes;
  request.readers = table.readers;
  request.chunk = {table.chunk.rows, table.chunk.bytes};
  if (const auto& distribute = table.distribute) {
    request.distribute = offload::Distribution{distribute->rows_above, distribute->slice_rows, distribute->command,
                                               distribute->timeout_micros};
  }
  request.view = table.view;
  request.lease_micros = table.lease_micros;
  request.lookback_micros = table.lookback_micros;
  request.mode = table.mode;
  request.key = table.key;
  return request;
}

offload::VerifyRequest VerifyRequestOf(const config::TableConfig& table, offload::VerifyRequest request) {
  const offload::OffloadRequest offload = RequestOf(table);
  request.source_table = offload.source_table;
  request.query = offload.query;
  request.where = offload.where;
  request.target = offload.target;
  request.timestamp_column = offload.timestamp_column;
  request.columns = offload.columns;
  if (request.key.empty()) request.key = offload.key;
  for (const auto& [name, value] : offload.settings) request.settings.emplace(name, value);
  return request;
}

}  // namespace calve::cycle
