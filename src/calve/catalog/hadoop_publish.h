// Making metadata a hadoop table's next version, and finding out what became of the attempt.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calve/catalog/hadoop_versions.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::catalog {

struct NextVersion {
  HadoopVersion base;                          // number 0: the table is new
  const iceberg::TableMetadata& metadata;      // what becomes version base.number + 1
  std::vector<int64_t> identifying_snapshots;  // added by this commit; none where nothing in the metadata is random
  bool new_uuid = false;                       // the table's uuid was made by this very call
};

// Writes the version file and the hint, and returns the version that it has become. kConflict: another came first, ours
// is not in. kUnknownOutcome: it may be in; nothing was deleted. Anything else: it is not in.
Result<HadoopVersion> PublishVersion(storage::FileIO& file_io, HadoopVersions& versions, const NextVersion& next,
                                     std::string_view extension, std::string_view bytes);

}  // namespace calve::catalog
