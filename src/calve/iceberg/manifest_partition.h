// Partition tuples of manifest entries: to and from Avro, and their summaries in manifest lists.
#pragma once

#include <string>
#include <vector>

#include "calve/iceberg/avro_decoder.h"
#include "calve/iceberg/data_file.h"

namespace calve::iceberg::manifest {

// Appends `values` as the record that EntrySchemaJson(partition) describes. kFailed where their number or kinds do not
// fit.
Status PutPartition(std::string& out, const Type& partition, const std::vector<Literal>& values);

// Stands for the type of a field whose values are read as their writer wrote them.
inline Type AsWritten() { return Type::Of(TypeId::kStruct); }

// Reads the record into the order of `partition`, by field id; a field that the writer did not have is null, one that
// `partition` does not have is skipped. A value of a narrower type (before a promotion) becomes the wider one.
std::vector<Literal> ReadPartition(AvroDecoder& in, const AvroType& type, const Type& partition);

// Builds the field summaries of a manifest.
class PartitionSummary {
 public:
  explicit PartitionSummary(const Type& partition);

  // The values must fit the partition type (PutPartition checks).
  void Add(const std::vector<Literal>& values);
  std::vector<FieldSummary> Finish() const;

 private:
  struct Field {
    bool contains_null = false;
    bool contains_nan = false;
    Literal lower, upper;  // null while there is no value
  };

  const Type& partition_;
  std::vector<Field> fields_;
};

}  // namespace calve::iceberg::manifest
