// The leaf columns of a schema's Parquet files.
#pragma once

#include <parquet/schema.h>

#include <string>
#include <vector>

#include "calve/iceberg/type.h"

namespace calve::datafile {

struct Leaf {
  int field_id = 0;
  std::string path;          // of Iceberg's names: "vendor_data.value"
  std::string parquet_path;  // of the file's: "vendor_data.key_value.value"
  iceberg::Type type;        // primitive
  parquet::Type::type physical = parquet::Type::BOOLEAN;
  bool is_repeated = false;  // inside a list or a map
};

// In column order. `columns` is what `schema` became; its fields carry their ids.
Result<std::vector<Leaf>> LeavesOf(const iceberg::Schema& schema, const parquet::SchemaDescriptor& columns);

}  // namespace calve::datafile
