// Rows of a batch by partition: transforms over columns, and batches cut along them.
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "calve/datafile/partition_values.h"
#include "calve/iceberg/partition_spec.h"

namespace calve::datafile {

// Numbers partitions in the order in which they come; the numbers hold for its lifetime. Not thread-safe.
class PartitionSplitter {
 public:
  struct Part {
    uint32_t partition = 0;
    std::vector<std::shared_ptr<arrow::RecordBatch>> slices;  // rows in the order of the batch
  };

  // kUnsupported, naming the field, for a transform that is unknown or does not apply.
  static Result<std::unique_ptr<PartitionSplitter>> Make(const iceberg::Schema& schema,
                                                         const iceberg::PartitionSpec& spec);

  // One part for each partition among the rows. A batch that lies in one partition is passed on as it is.
  Result<std::vector<Part>> Split(const std::shared_ptr<arrow::RecordBatch>& batch);
  // In the order of the spec's fields.
  std::vector<iceberg::Literal> ValuesOf(uint32_t partition) const;

 private:
  // Tuples are folded field by field: a node is a tuple's beginning and the id of its next value.
  struct Node {
    uint32_t prefix = 0;
    uint32_t value = 0;
  };
  struct Level {
    std::unordered_map<uint64_t, uint32_t> numbers;  // prefix << 32 | value
    std::vector<Node> nodes;
    uint32_t NumberOf(uint32_t prefix, uint32_t value);
  };

  void Fold(const PartitionIds& ids, Level& level, PartitionIds& partitions);

  std::vector<std::unique_ptr<PartitionValues>> fields_;
  std::vector<Level> levels_;  // of each field
};

}  // namespace calve::datafile
