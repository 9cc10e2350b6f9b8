// Commits of Java's HadoopTableOperations (Spark, Flink, Trino's loader) that are on their way. Java writes
// metadata/<uuid>.metadata.json, sees that there is no vN, and renames the one to the other; on a local file system
// that rename overwrites a vN that came in between. As long as its file with the uuid is there, a rename may still
// come; a writer that makes such a file after vN is there will see vN and give up. So: who looks for those files after
// vN is there, and waits until the ones that it saw are gone, knows that vN is never overwritten from then on.
#pragma once

#include "calve/base/time.h"
#include "calve/catalog/hadoop_versions.h"

namespace calve::catalog {

// Between writing the file and renaming it Java does nothing else: one that has been there for so long was left by a
// process that died, or by one that was stopped.
inline constexpr int64_t kRenameMaxMs = 30'000;

// Waits for the renames that are on their way. Whether there were any: then what was read before may have been
// replaced. Other stores than local disks are not looked at.
Result<bool> AwaitRenames(storage::FileIO& file_io, const Clock& clock, const HadoopVersions& versions);

}  // namespace calve::catalog
