// Which metrics of which columns a data file carries, taken from its Parquet footer. Spec: "Data File Fields"; modes as
// Java's MetricsModes names them (write.metadata.metrics.*).
#pragma once

#include <parquet/metadata.h>

#include <map>
#include <string>
#include <vector>

#include "calve/datafile/leaf_columns.h"
#include "calve/iceberg/data_file.h"

namespace calve::datafile {

struct MetricsMode {
  enum class Kind { kNone, kCounts, kTruncate, kFull };
  Kind kind = Kind::kTruncate;
  int length = 16;  // kTruncate
};

// "none", "counts", "truncate(16)", "full"; kConfig otherwise.
Result<MetricsMode> ParseMetricsMode(const std::string& text);

// The mode of each leaf. `modes`: by dotted path, "" the default; where that is absent, truncate(16) for the first
// `inferred_columns_max` top-level columns and none for the others.
Result<std::vector<MetricsMode>> ModesOf(const iceberg::Schema& schema, const std::vector<Leaf>& leaves,
                                         const std::map<std::string, std::string>& modes, int inferred_columns_max);

// Sizes, counts, bounds and split offsets. `nan_counts`: by field id (a footer has none). Leaves inside lists and maps
// get no bounds, as in Java. May throw what Parquet throws.
void AddFooterMetrics(const std::vector<Leaf>& leaves, const std::vector<MetricsMode>& modes,
                      const parquet::FileMetaData& footer, const std::map<int, int64_t>& nan_counts,
                      iceberg::DataFile& file);

}  // namespace calve::datafile
