// Joins a table's small manifests, as Iceberg's rewrite_manifests does.
#pragma once

#include <optional>

#include "calve/base/progress.h"
#include "calve/base/stop.h"
#include "calve/maintain/replace_commit.h"

namespace calve::maintain {

struct ManifestReport {
  int64_t manifests_before = 0;  // of data files, in the current snapshot
  int64_t rewritten = 0;
  int64_t written = 0;  // by a dry run: that would be
  int64_t bytes_rewritten = 0;
  std::optional<int64_t> snapshot_id;  // absent where nothing was worth it, or of a dry run
};

// kUnsupported for v3 tables. Manifests of delete files, and of partitions that calve cannot write, stay as they are.
Result<ManifestReport> RewriteManifests(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                        const StopToken& stop, const catalog::TableIdent& ident, bool dry_run,
                                        const table::Sleep& sleep = table::SleepFor, ProgressSink* progress = nullptr);

}  // namespace calve::maintain
