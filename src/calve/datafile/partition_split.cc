#include "calve/datafile/partition_split.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>

#include <numeric>

namespace calve::datafile {
namespace {

// Runs of equal partitions are cut out as slices (no copy) where they are at least this long on average; else the rows
// are gathered by partition.
constexpr int64_t kRunRows = 1024;

struct Run {
  uint32_t partition = 0;
  int64_t offset = 0;
  int64_t length = 0;
};

std::vector<Run> RunsOf(const std::vector<uint32_t>& rows) {
  std::vector<Run> runs;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (runs.empty() || runs.back().partition != rows[i]) runs.push_back({rows[i], static_cast<int64_t>(i), 0});
    ++runs.back().length;
  }
  return runs;
}

// Rows sorted by partition, stable: a counting sort.
std::vector<Run> Gather(const std::vector<uint32_t>& rows, size_t partitions, std::vector<int64_t>& order) {
  std::vector<int64_t> counts(partitions, 0);
  for (const uint32_t partition : rows) ++counts[partition];
  std::vector<Run> runs;
  std::vector<int64_t> next(partitions, 0);
  int64_t offset = 0;
  for (size_t partition = 0; partition < partitions; ++partition) {
    next[partition] = offset;
    if (counts[partition] > 0) runs.push_back({static_cast<uint32_t>(partition), offset, counts[partition]});
    offset += counts[partition];
  }
  order.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) order[next[rows[i]]++] = static_cast<int64_t>(i);
  return runs;
}

}  // namespace

Result<std::unique_ptr<PartitionSplitter>> PartitionSplitter::Make(const iceberg::Schema& schema,
                                                                   const iceberg::PartitionSpec& spec) {
  auto splitter = std::make_unique<PartitionSplitter>();
  for (const iceberg::PartitionField& field : spec.fields) {
    ARROW_ASSIGN_OR_RAISE(auto values, PartitionValues::Make(schema, field));
    splitter->fields_.push_back(std::move(values));
  }
  splitter->levels_.resize(spec.fields.size());
  return splitter;
}

uint32_t PartitionSplitter::Level::NumberOf(uint32_t prefix, uint32_t value) {
  const uint64_t key = static_cast<uint64_t>(prefix) << 32 | value;
  const auto [found, is_new] = numbers.try_emplace(key, static_cast<uint32_t>(nodes.size()));
  if (is_new) nodes.push_back({prefix, value});
  return found->second;
}

void PartitionSplitter::Fold(const PartitionIds& ids, Level& level, PartitionIds& partitions) {
  if (ids.constant && partitions.constant) {
    partitions.constant = level.NumberOf(*partitions.constant, *ids.constant);
    return;
  }
  const size_t rows = ids.constant ? partitions.rows.size() : ids.rows.size();
  partitions.rows.resize(rows);
  uint64_t last_key = UINT64_MAX;
  uint32_t last = 0;
  for (size_t i = 0; i < rows; ++i) {
    const uint32_t prefix = partitions.constant ? *partitions.constant : partitions.rows[i];
    const uint32_t value = ids.constant ? *ids.constant : ids.rows[i];
    const uint64_t key = static_cast<uint64_t>(prefix) << 32 | value;
    if (key != last_key) {
      last_key = key;
      last = level.NumberOf(prefix, value);
    }
    partitions.rows[i] = last;
  }
  partitions.constant.reset();
}

Result<std::vector<PartitionSplitter::Part>> PartitionSplitter::Split(
    const std::shared_ptr<arrow::RecordBatch>& batch) {
  std::vector<Part> parts;
  if (batch->num_rows() == 0) return parts;
  PartitionIds partitions;
  partitions.constant = 0;
  for (size_t i = 0; i < fields_.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(PartitionIds ids, fields_[i]->IdsOf(*batch));
    Fold(ids, levels_[i], partitions);
  }
  if (partitions.constant) {
    parts.push_back({*partitions.constant, {batch}});
    return parts;
  }
  std::shared_ptr<arrow::RecordBatch> rows = batch;
  std::vector<Run> runs = RunsOf(partitions.rows);
  if (static_cast<int64_t>(runs.size()) * kRunRows > batch->num_rows()) {
    std::vector<int64_t> order;
    std::vector<Run> gathered = Gather(partitions.rows, levels_.back().nodes.size(), order);
    if (gathered.size() < runs.size()) {
      arrow::Int64Array indices(static_cast<int64_t>(order.size()), arrow::Buffer::Wrap(order));
      ARROW_ASSIGN_OR_RAISE(arrow::Datum taken, arrow::compute::Take(arrow::Datum(batch), arrow::Datum(indices.data()),
                                                                     arrow::compute::TakeOptions::NoBoundsCheck()));
      rows = taken.record_batch();
      runs = std::move(gathered);
    }
  }
  std::unordered_map<uint32_t, size_t> part_of;
  for (const Run& run : runs) {
    const auto [found, is_new] = part_of.try_emplace(run.partition, parts.size());
    if (is_new) parts.push_back({run.partition, {}});
    parts[found->second].slices.push_back(rows->Slice(run.offset, run.length));
  }
  return parts;
}

std::vector<iceberg::Literal> PartitionSplitter::ValuesOf(uint32_t partition) const {
  std::vector<iceberg::Literal> values(fields_.size());
  for (size_t i = fields_.size(); i-- > 0;) {
    const Node& node = levels_[i].nodes[partition];
    values[i] = fields_[i]->At(node.value);
    partition = node.prefix;
  }
  return values;
}

}  // namespace calve::datafile
