// Field ids, names and Avro schemas of manifests and manifest lists. Spec: "Manifests", "Manifest Lists", appendix A.
#pragma once

#include <string>
#include <string_view>

#include "calve/iceberg/avro_schema.h"
#include "calve/iceberg/partition_spec.h"

namespace calve::iceberg::manifest {

enum FieldId : int {
  // manifest_entry
  kStatus = 0,
  kSnapshotId = 1,
  kDataFile = 2,
  kSequenceNumber = 3,
  kFileSequenceNumber = 4,
  // data_file
  kFilePath = 100,
  kFileFormat = 101,
  kPartition = 102,
  kRecordCount = 103,
  kFileSize = 104,
  kColumnSizes = 108,
  kValueCounts = 109,
  kNullValueCounts = 110,
  kLowerBounds = 125,
  kUpperBounds = 128,
  kKeyMetadata = 131,
  kSplitOffsets = 132,
  kContent = 134,
  kEqualityIds = 135,
  kNanValueCounts = 137,
  kSortOrderId = 140,
  kFirstRowId = 142,
  kReferencedDataFile = 143,
  kContentOffset = 144,
  kContentSize = 145,
  // manifest_file
  kManifestPath = 500,
  kManifestLength = 501,
  kPartitionSpecId = 502,
  kAddedSnapshotId = 503,
  kAddedFilesCount = 504,
  kExistingFilesCount = 505,
  kDeletedFilesCount = 506,
  kPartitions = 507,
  kContainsNull = 509,
  kLowerBound = 510,
  kUpperBound = 511,
  kAddedRowsCount = 512,
  kExistingRowsCount = 513,
  kDeletedRowsCount = 514,
  kListSequenceNumber = 515,
  kMinSequenceNumber = 516,
  kManifestContent = 517,
  kContainsNan = 518,
  kListKeyMetadata = 519,
  kListFirstRowId = 520,
};

// Which record a field stands in: some names mean different fields in each.
enum class Record { kEntry, kDataFile, kList, kSummary };

// The field's id; by its name where the writer gave no ids; -1 for what the spec does not know.
int IdOf(const AvroField& field, Record record);

// A name that Avro allows, made as Java's AvroSchemaUtil.makeCompatibleName makes it ("a b" -> "a_x20b", "1a" ->
// "_1a"), but with the letters that Avro's specification allows: letters beyond ASCII are written as _x and their
// UTF-16 units.
std::string AvroName(std::string_view name);

// Bytes of the fixed that holds a decimal of this precision.
int DecimalBytes(int precision);

// The Avro schema (JSON) of v2 manifest entries for a spec whose partition type is `partition`.
std::string EntrySchemaJson(const Type& partition);
// The Avro schema (JSON) of a v2 manifest list's rows.
const std::string& ListSchemaJson();

}  // namespace calve::iceberg::manifest
