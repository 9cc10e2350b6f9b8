// Data files as JSON, for lines of text between programs: the members of Iceberg's ContentFile (REST catalog,
// "ContentFile"; Java's ContentFileParser), of which all values of columns are in the binary form of appendix D, in
// hex.
#pragma once

#include <map>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/json_reader.h"
#include "calve/iceberg/json_writer.h"

namespace calve::iceberg {

// The struct types of partition values, by spec id (PartitionType).
using PartitionTypes = std::map<int, Type>;

// {"content": "DATA", "spec-id": 0, "file-path": …, "partition": {"1000": "b54d0000"}, "record-count": 3,
//  "column-sizes": {"keys": [1], "values": [52]}, "lower-bounds": {"keys": [1], "values": ["0100000000000000"]}, …}
// kFailed where the file's spec is not among `types`, or its partition values are not of that type.
Status WriteDataFile(const DataFile& file, const PartitionTypes& types, JsonWriter& writer);

// kCorrupt with the path of the offending member.
Result<DataFile> ReadDataFile(const JsonNode& node, const PartitionTypes& types);

}  // namespace calve::iceberg
