// Ends snapshots whose time is over, and deletes what only they refer to, as Iceberg's expire_snapshots does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/base/progress.h"
#include "calve/base/stop.h"
#include "calve/base/time.h"
#include "calve/catalog/catalog.h"
#include "calve/maintain/expired_files.h"
#include "calve/maintain/snapshot_expiry.h"
#include "calve/table/commit_retry.h"

namespace calve::maintain {

struct ExpiryRequest {
  catalog::TableIdent ident;
  std::optional<int64_t> snapshot_age_max_ms = std::nullopt;  // as in ExpiryRule
  std::optional<int64_t> snapshots_min = std::nullopt;
  bool dry_run = false;
  ProgressSink* progress = nullptr;  // null: nobody looks
};

struct ExpiryReport {
  ExpiryPlan plan;
  int64_t snapshots_before = 0;
  std::vector<ExpiredFile> files;  // that only the expired snapshots referred to
  std::vector<std::string> notes;
  int64_t files_deleted = 0;
  int64_t bytes_deleted = 0;
  Status first_failure;  // of a file that could not be deleted; the others were
};

// kConfig where the table's files may be those of other tables as well (gc.enabled=false).
Status CheckMayCollect(const iceberg::TableMetadata& metadata);

// Plans, reads what the files are told by, commits (a compare-and-set on every ref as it was planned on), and deletes
// when the commit is proven: whatever stands in the table by then stays. After a conflict all is planned anew, within
// commit.retry.*. kUnknownOutcome: nothing was deleted. kConfig as CheckMayCollect; kUnsupported for v3 tables.
Result<ExpiryReport> ExpireSnapshots(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                     const StopToken& stop, const ExpiryRequest& request,
                                     const table::Sleep& sleep = table::SleepFor);

}  // namespace calve::maintain
