#include "calve/datafile/column_metrics.h"

#include <parquet/statistics.h>

#include <charconv>
#include <cstring>
#include <set>

#include "calve/base/text.h"

namespace calve::datafile {
namespace {

using iceberg::CompareLiterals;
using iceberg::Literal;
using iceberg::TypeId;

void AddLeafIds(const iceberg::NestedField& field, std::set<int>& ids) {
  if (field.type.is_primitive()) ids.insert(field.id);
  for (const auto& inner : field.type.fields) AddLeafIds(inner, ids);
}

template <typename T>
T FromBytes(const std::string& bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof(T)));
  return value;
}

// A bound as Parquet's statistics hold it: PLAIN, decimals by their physical type.
Literal FromStatistics(const Leaf& leaf, const std::string& bytes) {
  switch (leaf.physical) {
    case parquet::Type::BOOLEAN:
      return !bytes.empty() && bytes[0] != 0;
    case parquet::Type::INT32: {
      const auto value = FromBytes<int32_t>(bytes);
      if (leaf.type.id == TypeId::kDecimal) return arrow::Decimal128(value);
      return value;
    }
    case parquet::Type::INT64: {
      const auto value = FromBytes<int64_t>(bytes);
      if (leaf.type.id == TypeId::kDecimal) return arrow::Decimal128(value);
      return value;
    }
    case parquet::Type::FLOAT:
      return FromBytes<float>(bytes);
    case parquet::Type::DOUBLE:
      return FromBytes<double>(bytes);
    default:
      break;
  }
  if (leaf.type.id != TypeId::kDecimal) return bytes;
  auto value = arrow::Decimal128::FromBigEndian(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                static_cast<int32_t>(bytes.size()));
  return value.ok() ? Literal(*value) : Literal();
}

// One leaf over all row groups.
struct LeafTotals {
  int64_t bytes = 0;
  int64_t values = 0;  // nulls and empty lists are counted, as Parquet does
  int64_t nulls = 0;
  bool nulls_known = true;
  bool bounds_known = true;
  Literal lower, upper;

  void Add(const Leaf& leaf, const parquet::ColumnChunkMetaData& chunk) {
    bytes += chunk.total_compressed_size();
    values += chunk.num_values();
    const auto statistics = chunk.encoded_statistics();
    if (!statistics || !statistics->has_null_count) {
      nulls_known = bounds_known = false;
      return;
    }
    nulls += statistics->null_count;
    if (!statistics->has_min || !statistics->has_max) {
      // Nulls alone, or NaN alone; else values too long for the footer: then nothing is known of the column.
      const bool is_floating = leaf.type.id == TypeId::kFloat || leaf.type.id == TypeId::kDouble;
      bounds_known &= is_floating || statistics->null_count == chunk.num_values();
      return;
    }
    const Literal low = FromStatistics(leaf, statistics->min());
    const Literal high = FromStatistics(leaf, statistics->max());
    if (iceberg::IsNull(lower) || CompareLiterals(low, lower) < 0) lower = low;
    if (iceberg::IsNull(upper) || CompareLiterals(high, upper) > 0) upper = high;
  }
};

void AddBounds(const Leaf& leaf, const MetricsMode& mode, const LeafTotals& totals, iceberg::DataFile& file) {
  if (mode.kind == MetricsMode::Kind::kCounts || leaf.is_repeated || !totals.bounds_known ||
      iceberg::IsNull(totals.lower)) {
    return;
  }
  std::string lower = ToBytes(leaf.type, totals.lower);
  std::string upper = ToBytes(leaf.type, totals.upper);
  const int id = leaf.field_id;
  const bool can_truncate = leaf.type.id == TypeId::kString || leaf.type.id == TypeId::kBinary;
  if (mode.kind == MetricsMode::Kind::kFull || !can_truncate) {
    file.lower_bounds[id] = std::move(lower);
    file.upper_bounds[id] = std::move(upper);
    return;
  }
  file.lower_bounds[id] = TruncateLower(leaf.type, lower, mode.length);
  // Without an upper bound of that length the column has none: readers then keep the file.
  if (auto cut = TruncateUpper(leaf.type, upper, mode.length)) file.upper_bounds[id] = *std::move(cut);
}

}  // namespace

Result<MetricsMode> ParseMetricsMode(const std::string& text) {
  const std::string lower = Lower(text);
  if (lower == "none") return MetricsMode{MetricsMode::Kind::kNone, 0};
  if (lower == "counts") return MetricsMode{MetricsMode::Kind::kCounts, 0};
  if (lower == "full") return MetricsMode{MetricsMode::Kind::kFull, 0};
  constexpr std::string_view kPrefix = "truncate(";
  if (lower.starts_with(kPrefix) && lower.ends_with(")")) {
    int length = 0;
    const char* end = lower.data() + lower.size() - 1;
    auto [parsed, error] = std::from_chars(lower.data() + kPrefix.size(), end, length);
    if (error == std::errc() && parsed == end && length > 0) return MetricsMode{MetricsMode::Kind::kTruncate, length};
  }
  return MakeError(ErrorKind::kConfig, fmt::format("'{}' is not a metrics mode", text),
                   "Use none, counts, truncate(N) or full.");
}

Result<std::vector<MetricsMode>> ModesOf(const iceberg::Schema& schema, const std::vector<Leaf>& leaves,
                                         const std::map<std::string, std::string>& modes, int inferred_columns_max) {
  std::set<int> inferred;
  for (size_t i = 0; i < schema.fields.size() && i < static_cast<size_t>(std::max(inferred_columns_max, 0)); ++i) {
    AddLeafIds(schema.fields[i], inferred);
  }
  const auto default_mode = modes.find("");
  std::vector<MetricsMode> result;
  for (const Leaf& leaf : leaves) {
    auto own = modes.find(leaf.path);
    if (own == modes.end()) own = default_mode;
    if (own != modes.end()) {
      ARROW_ASSIGN_OR_RAISE(MetricsMode mode, ParseMetricsMode(own->second));
      result.push_back(mode);
    } else {
      result.push_back(inferred.contains(leaf.field_id) ? MetricsMode{} : MetricsMode{MetricsMode::Kind::kNone, 0});
    }
  }
  return result;
}

void AddFooterMetrics(const std::vector<Leaf>& leaves, const std::vector<MetricsMode>& modes,
                      const parquet::FileMetaData& footer, const std::map<int, int64_t>& nan_counts,
                      iceberg::DataFile& file) {
  std::vector<LeafTotals> totals(leaves.size());
  for (int group = 0; group < footer.num_row_groups(); ++group) {
    const auto row_group = footer.RowGroup(group);
    for (size_t i = 0; i < leaves.size(); ++i) {
      const auto chunk = row_group->ColumnChunk(static_cast<int>(i));
      if (i == 0) {
        file.split_offsets.push_back(chunk->has_dictionary_page() ? chunk->dictionary_page_offset()
                                                                  : chunk->data_page_offset());
      }
      totals[i].Add(leaves[i], *chunk);
    }
  }
  for (size_t i = 0; i < leaves.size(); ++i) {
    const Leaf& leaf = leaves[i];
    if (modes[i].kind == MetricsMode::Kind::kNone) continue;
    file.column_sizes[leaf.field_id] = totals[i].bytes;
    file.value_counts[leaf.field_id] = totals[i].values;
    if (totals[i].nulls_known) file.null_value_counts[leaf.field_id] = totals[i].nulls;
    if (const auto nan = nan_counts.find(leaf.field_id); nan != nan_counts.end()) {
      file.nan_value_counts[leaf.field_id] = nan->second;
    }
    AddBounds(leaf, modes[i], totals[i], file);
  }
}

}  // namespace calve::datafile
