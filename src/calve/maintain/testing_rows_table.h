// A maintained table with real rows in real files.
#pragma once

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "calve/datafile/arrow_schema.h"
#include "calve/datafile/data_file_reader.h"
#include "calve/datafile/data_file_writer.h"
#include "calve/maintain/testing_maintained_table.h"

namespace calve::maintain {

// Its rows are instants, of which each is a number of seconds in a day.
struct RowsTable : MaintainedTable {
  // A file of `count` rows, from second `first` of the day on, in a snapshot of its own.
  iceberg::DataFile Append(int day, int first, int count) {
    const iceberg::DataFile file = Write(day, first, count);
    Commit({file});
    return file;
  }
  iceberg::DataFile Write(int day, int first, int count) {
    const iceberg::TableMetadata metadata = Metadata();
    const auto schema = datafile::ToArrowSchema(metadata.schema()).ValueOrDie();
    arrow::TimestampBuilder builder(schema->field(0)->type(), arrow::default_memory_pool());
    for (int i = 0; i < count; ++i) EXPECT_TRUE(builder.Append(day * kMicrosPerDay + (first + i) * 1'000'000LL).ok());
    const auto batch = arrow::RecordBatch::Make(schema, count, {builder.Finish().ValueOrDie()});
    auto writer = datafile::DataFileWriter::Make(*file_io,
                                                 {metadata.schema(), metadata.spec(), metadata.location + "/data",
                                                  "rows-" + std::to_string(++files)},
                                                 {}, schema)
                      .ValueOrDie();
    EXPECT_TRUE(writer->Write(batch).ok());
    return writer->Finish().ValueOrDie().at(0);
  }
  std::vector<int64_t> Rows() {
    std::vector<int64_t> rows;
    const iceberg::TableMetadata metadata = Metadata();
    for (const auto& task :
         table::PlanScan(*file_io, metadata, *metadata.current_snapshot_id, std::nullopt).ValueOrDie()) {
      datafile::ReadRequest request;
      request.schema = request.table_schema = metadata.schema();
      request.deletes = task.deletes;
      auto reader = datafile::DataFileReader::Open(*file_io, task.file, std::move(request)).ValueOrDie();
      for (auto batch = reader->Next().ValueOrDie(); batch; batch = reader->Next().ValueOrDie()) {
        const auto& column = static_cast<const arrow::TimestampArray&>(*batch->column(0));
        for (int64_t i = 0; i < column.length(); ++i) rows.push_back(column.Value(i));
      }
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  // Days 0 to 2 with six, five and two files.
  void FillDays() {
    int first = 0;
    for (const auto& [day, count] : {std::pair(0, 6), {1, 5}, {2, 2}}) {
      for (int i = 0; i < count; ++i, first += 10) Append(day, first, 10);
    }
  }
  int files = 0;
};

}  // namespace calve::maintain
