// How the target is partitioned. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/survey/facts.h"

namespace calve::survey {

struct PartitionChoice {
  std::vector<std::string> terms;  // as partition_by takes them; each a valid Iceberg transform of the table's columns
  std::vector<std::string> why;    // a sentence each
};

// Days of the cursor, or months where ClickHouse partitions so or the table is small or made of aggregates; then the
// plain columns of ClickHouse's partition key that have few values, but more than one. `unlike` are columns that go
// into the target in another form, or not at all.
PartitionChoice ChoosePartitions(const TableFacts& facts, const std::string& cursor,
                                 const std::vector<std::string>& unlike);

// How many values element `index` of the partition key has in the live parts; none where that does not show. The
// partitions are as in TableFacts.
std::optional<size_t> ValuesOfElement(const std::vector<std::string>& partitions, size_t elements, size_t index);

}  // namespace calve::survey
