// Spec: "Partition Specs", "Sorting".
#pragma once

#include <string>
#include <vector>

#include "calve/iceberg/transform.h"

namespace calve::iceberg {

inline constexpr int kFirstPartitionFieldId = 1000;

struct PartitionField {
  int source_id = 0;
  int field_id = 0;
  std::string name;
  Transform transform;
  friend bool operator==(const PartitionField&, const PartitionField&) = default;
};

struct PartitionSpec {
  int spec_id = 0;
  std::vector<PartitionField> fields;

  bool is_unpartitioned() const;  // no field other than void
  friend bool operator==(const PartitionSpec&, const PartitionSpec&) = default;
};

// The struct type of a spec's partition values: field ids and names of the spec, all optional.
Result<Type> PartitionType(const PartitionSpec& spec, const Schema& schema);

// "exchange_timestamp_day=2024-08-09/exchange=kraken": Java's PartitionSpec.partitionToPath (values URL-encoded; names
// too).
std::string PartitionPath(const PartitionSpec& spec, const Schema& schema, const std::vector<Literal>& values);

// One term of --partition-by: "days(ts)", "day(ts)", "bucket(16, id)", "truncate(4, name)", "exchange", "void(x)",
// also Spark's order bucket(16, id) and Iceberg's bucket(id, 16). Fields are named as Spark names them:
// ts_day, id_bucket, name_trunc, exchange. Errors: kConfig with the column or transform named, the known ones listed.
Result<PartitionField> ParsePartitionTerm(std::string_view term, const Schema& schema);

struct SortField {
  int source_id = 0;
  Transform transform;
  bool ascending = true;
  bool nulls_first = true;
  friend bool operator==(const SortField&, const SortField&) = default;
};

struct SortOrder {
  int order_id = 0;  // 0 is unsorted
  std::vector<SortField> fields;
  friend bool operator==(const SortOrder&, const SortOrder&) = default;
};

}  // namespace calve::iceberg
