// Commits of Java's HadoopTableOperations (Spark, Flink) that are on their way. Java writes
// metadata/<uuid>.metadata.json, sees that there is no vN, and renames the one to the other; on a local file system
// that rename overwrites a vN that came in between. Until then the file with the uuid is there; a writer that makes
// such a file after vN is there will see vN and give up. So: who looks for those files once vN is there, and waits
// until the ones that it saw have come to an end, knows that vN is never replaced from then on.
#pragma once

#include <span>

#include "calve/base/time.h"
#include "calve/catalog/hadoop_versions.h"

namespace calve::catalog {

// Between writing the file and renaming it Java does nothing else: one that is so old was left by a process that died,
// or belongs to one that stands still.
inline constexpr int64_t kRenameMaxMs = 10'000;

// Waits for the renames to one of these versions that are on their way. Java leaves the file behind where it lost the
// race: its commit's next try (the next manifest list of the same snapshot) or its end (no manifest list) tells then.
// True where there were any: what was read before may have been replaced. Only local disks are looked at.
Result<bool> AwaitRenames(storage::FileIO& file_io, const Clock& clock, const HadoopVersions& versions,
                          std::span<const int64_t> targets);

}  // namespace calve::catalog
