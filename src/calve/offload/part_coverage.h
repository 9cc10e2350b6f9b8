// Which inserts have been looked at: ClickHouse numbers them by blocks, and a part's name says which blocks it holds.
// So a part tells whether it may hold rows that were not there at the last look, without being read. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/error.h"
#include "calve/source/introspection.h"

namespace calve::offload {

// A part as system.parts shows it.
struct PartBlocks {
  std::string partition_id;
  int64_t block_min = 0, block_max = 0;  // inclusive
};

// Disjoint, ascending, inclusive ranges of block numbers that do not touch each other.
using BlockRanges = std::vector<std::pair<int64_t, int64_t>>;

// Blocks seen so far. It only grows: what was merged, dropped or has expired has been seen. Numbers that were given but
// never seen stay gaps, for an insert may be under way with a number lower than others that are there already.
class PartCoverage {
 public:
  // Replicated tables number the blocks of each partition; others those of the whole table, so that a part merged from
  // blocks 1 and 3 of one partition holds nothing unseen if block 2 was seen in another partition.
  static bool NumbersByPartition(const std::string& engine) {
    return engine.starts_with("Replicated") || engine.starts_with("Shared");
  }
  explicit PartCoverage(bool by_partition = false) : by_partition_(by_partition) {}

  void Add(const PartBlocks& part);
  // True where the part may hold blocks that were never seen.
  bool IsNew(const PartBlocks& part) const;
  // The same as a condition on the virtual columns _part and _partition_id of a query's rows, decided on the parts that
  // the query itself reads.
  std::string NewRowsPredicate() const;
  bool empty() const { return ranges_.empty(); }

  // For the journal. kCorrupt where the text does not parse.
  std::string ToJson() const;
  static Result<PartCoverage> FromJson(std::string_view json);

  friend bool operator==(const PartCoverage&, const PartCoverage&) = default;

 private:
  const std::string& KeyOf(const PartBlocks& part) const;

  bool by_partition_ = false;
  std::map<std::string, BlockRanges> ranges_;  // by partition id; one entry "" where the table counts as a whole
};

// The question that ListParts asks, and what the answer says.
std::string PartsQuery(const source::SourceTable& table);
Result<std::vector<PartBlocks>> PartsOf(const std::vector<std::vector<std::string>>& rows);

// The active parts of a table, as they are now. kUnsupported where the engine keeps none (it is no MergeTree).
Result<std::vector<PartBlocks>> ListParts(source::Source& source, const source::SourceTable& table);

}  // namespace calve::offload
