#include "calve/table/testing_table.h"

#include <utility>

namespace calve::table {

using iceberg::Type;
using iceberg::TypeId;

iceberg::TableMetadata EmptyTable(const std::map<std::string, std::string>& properties) {
  const iceberg::Schema schema{
      0,
      {{1, "ts", false, Type::Of(TypeId::kTimestampTz), ""}, {2, "exchange", false, Type::Of(TypeId::kString), ""}},
      {}};
  const iceberg::PartitionSpec spec{0, {{1, 1000, "ts_day", iceberg::ParseTransform("day")}}};
  return NewTableMetadata(schema, spec, {}, "mem://t", properties, "6f1b0f3e-3d0a-4d53-9d5c-0a5f1c2b3a4d", 1'000)
      .ValueOrDie();
}

iceberg::DataFile FileOfDay(const std::string& name, int day, int64_t records, int64_t bytes) {
  iceberg::DataFile file;
  file.file_path = "mem://t/data/" + name;
  file.partition = {int32_t{day}};
  file.record_count = records;
  file.file_size_in_bytes = bytes;
  file.value_counts = {{1, records}, {2, records}};
  file.null_value_counts = {{1, 0}, {2, 0}};
  file.lower_bounds = {{2, "binance"}};
  file.upper_bounds = {{2, "kraken"}};
  return file;
}

AppendRequest RequestOf(std::vector<iceberg::DataFile> files, const std::string& commit_id) {
  return {std::move(files), {{"calve.commit-id", commit_id}}, commit_id};
}

Result<iceberg::TableMetadata> Apply(const iceberg::TableMetadata& base, const PreparedSnapshot& prepared) {
  ARROW_RETURN_NOT_OK(CheckRequirements(&base, prepared.requirements));
  return ApplyUpdates(base, prepared.updates, prepared.snapshot.timestamp_ms);
}

Result<iceberg::TableMetadata> AppendTo(storage::FileIO& file_io, const iceberg::TableMetadata& base,
                                        std::vector<iceberg::DataFile> files, const std::string& commit_id) {
  Append append(file_io, RequestOf(std::move(files), commit_id));
  ARROW_ASSIGN_OR_RAISE(const PreparedSnapshot prepared, append.Prepare(base, base.last_updated_ms + 1));
  return Apply(base, prepared);
}

}  // namespace calve::table
