// Which manifests and data files cannot hold rows of a range. Spec: "Scan Planning"; the projection of a predicate
// through a partition transform.
#pragma once

#include <cstdint>
#include <optional>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/row_range.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::table {

// Says "no" only where it is certain: unknown transforms, absent summaries and bounds, and values that do not decode
// keep the file. `metadata` must outlive it.
class RangePruner {
 public:
  RangePruner(const iceberg::TableMetadata& metadata, const iceberg::RowRange& range);

  // By the summaries of its partition fields. `manifest` is one of data files.
  bool MayMatch(const iceberg::ManifestFile& manifest) const;
  // By its partition values and its bounds of the range's column. `file` is a data file: a delete file's bounds are not
  // those of the rows that it deletes.
  bool MayMatch(const iceberg::DataFile& file) const;

 private:
  // What values of the range, in the column's own unit or transformed, lie between. Absent: unbounded.
  struct Interval {
    std::optional<int64_t> lowest;
    std::optional<int64_t> highest;

    bool Overlaps(std::optional<int64_t> lower, std::optional<int64_t> upper) const {
      return !(lowest && upper && *upper < *lowest) && !(highest && lower && *lower > *highest);
    }
  };

  // Of the field's partition values; nullopt where they say nothing about the range.
  std::optional<Interval> Project(const iceberg::PartitionField& field) const;

  const iceberg::TableMetadata& metadata_;
  const iceberg::RowRange range_;
  std::optional<iceberg::Type> column_;  // absent where the table has no such timestamp or date: nothing is pruned
  Interval values_;
};

}  // namespace calve::table
