// A table in memory for tests: two columns, partitioned by day, and commits applied without a catalog.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calve/storage/testing_memory_file_io.h"
#include "calve/table/append.h"

namespace calve::table {

// At mem://t, partitioned by days(ts); spec 0, schema 0.
iceberg::TableMetadata EmptyTable(const std::map<std::string, std::string>& properties = {});

iceberg::DataFile FileOfDay(const std::string& name, int day, int64_t records = 10, int64_t bytes = 1000);

AppendRequest RequestOf(std::vector<iceberg::DataFile> files, const std::string& commit_id);

// Checks the requirements and applies the updates, as a catalog does.
Result<iceberg::TableMetadata> Apply(const iceberg::TableMetadata& base, const PreparedSnapshot& prepared);
// One append, committed.
Result<iceberg::TableMetadata> AppendTo(storage::FileIO& file_io, const iceberg::TableMetadata& base,
                                        std::vector<iceberg::DataFile> files, const std::string& commit_id);

}  // namespace calve::table
