// All that maintenance does to one table, in the order in which each makes the next one's work less: compaction,
// manifests, snapshots, statistics, orphans.
#pragma once

#include <optional>

#include "calve/maintain/compact_files.h"
#include "calve/maintain/expire_snapshots.h"
#include "calve/maintain/orphan_removal.h"
#include "calve/maintain/rewrite_manifests.h"
#include "calve/maintain/table_state.h"
#include "calve/maintain/table_statistics.h"

namespace calve::maintain {

// What is asked for; the table's name is put into the requests.
struct MaintenancePlan {
  std::optional<CompactionRequest> compact;
  bool manifests = false;
  std::optional<ExpiryRequest> expire;
  bool statistics = false;
  std::optional<OrphanRequest> orphans;
  bool dry_run = false;
  bool may_be_absent = false;        // a table that is not there yet is nothing to do, and no error
  ProgressSink* progress = nullptr;  // null: nobody looks
};

// What was done, each as far as it was begun.
struct MaintenanceReport {
  bool absent = false;  // there is no such table yet
  // Of the table; where nothing but orphans is asked for, which changes nothing of what these tell, absent.
  std::optional<TableState> before, after;
  std::optional<CompactionReport> compact;
  std::optional<ManifestReport> manifests;
  std::optional<ExpiryReport> expire;
  std::optional<StatisticsReport> statistics;
  std::optional<OrphanReport> orphans;
  Status status;  // the first that was not OK; what stands behind it in the order was not begun
};

MaintenanceReport MaintainTable(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                const StopToken& stop, const catalog::TableIdent& ident, const MaintenancePlan& plan,
                                const table::Sleep& sleep = table::SleepFor);

}  // namespace calve::maintain
