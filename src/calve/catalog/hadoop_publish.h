// Making metadata a hadoop table's next version, and finding out what became of the attempt.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calve/base/time.h"
#include "calve/catalog/hadoop_versions.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::catalog {

struct NextVersion {
  HadoopVersion base;                          // number 0: the table is new
  const iceberg::TableMetadata& metadata;      // what becomes version base.number + 1
  std::vector<int64_t> identifying_snapshots;  // added by this commit; none where nothing in the metadata is random
  bool new_uuid = false;                       // the table's uuid was made by this very call
};

// A version's file is deleted at this age at the earliest (write.metadata.delete-after-commit.enabled), so that its
// name becomes free again only long after a writer of that version must have finished: whoever publishes within
// kPublishMax of looking for the current version wins a name that nobody had before. Whoever takes longer (a stopped
// process, a suspended machine) looks closer. The rest of the hour is for clocks that differ.
inline constexpr int64_t kVersionAgeMinMs = 60 * 60 * 1000;
inline constexpr int64_t kPublishMaxMs = 10 * 60 * 1000;

// Writes the version file and the hint, and returns the version that it has become. kConflict: another came first, ours
// is not in. kUnknownOutcome: it may be in; nothing was deleted. Anything else: it is not in.
Result<HadoopVersion> PublishVersion(storage::FileIO& file_io, const Clock& clock, HadoopVersions& versions,
                                     const NextVersion& next, std::string_view extension, std::string_view bytes);

}  // namespace calve::catalog
