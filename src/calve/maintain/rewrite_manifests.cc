#include "calve/maintain/rewrite_manifests.h"

#include <utility>

#include "calve/base/random.h"
#include "calve/maintain/work_meter.h"
#include "calve/table/snapshot_manifests.h"

namespace calve::maintain {
namespace {

Result<ManifestReport> PlanRewrite(storage::FileIO& file_io, const iceberg::TableMetadata& metadata) {
  ManifestReport report;
  if (metadata.CurrentSnapshot() == nullptr) return report;
  ARROW_ASSIGN_OR_RAISE(const auto all, table::ReadManifests(file_io, metadata, *metadata.CurrentSnapshot()));
  ARROW_ASSIGN_OR_RAISE(const table::MergeOptions options, table::MergeOptionsOf(metadata));
  std::vector<iceberg::ManifestFile> data;
  for (const iceberg::ManifestFile& manifest : all) {
    if (manifest.content == iceberg::ManifestContent::kData && table::HasLiveFiles(manifest)) data.push_back(manifest);
  }
  report.manifests_before = static_cast<int64_t>(data.size());
  for (const table::MergeBin& bin : table::PlanManifestRewrite(metadata, data, options)) {
    if (bin.size() == 1) continue;
    ++report.written;
    report.rewritten += static_cast<int64_t>(bin.size());
    for (const iceberg::ManifestFile& manifest : bin) report.bytes_rewritten += manifest.manifest_length;
  }
  return report;
}

}  // namespace

Result<ManifestReport> RewriteManifests(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                        const StopToken& stop, const catalog::TableIdent& ident, bool dry_run,
                                        const table::Sleep& sleep, ProgressSink* progress) {
  ReplaceCommit commit;
  commit.ident = ident;
  ARROW_ASSIGN_OR_RAISE(commit.planned_on, catalog.LoadTable(ident));
  ARROW_ASSIGN_OR_RAISE(ManifestReport report, PlanRewrite(file_io, commit.planned_on.metadata));
  if (report.written == 0 || dry_run) return report;
  WorkMeter meter(progress, "manifests");
  meter.Begin("joining", 0);
  meter.Add(report.rewritten);
  ARROW_RETURN_NOT_OK(stop.Check());
  commit.kind = "rewrite-manifests";
  commit.commit_id = RandomUuid();
  commit.request.rewrite_manifests = true;
  commit.still_wanted = [&](const iceberg::TableMetadata& metadata) -> Result<bool> {
    ARROW_RETURN_NOT_OK(stop.Check());
    ARROW_ASSIGN_OR_RAISE(report, PlanRewrite(file_io, metadata));
    return report.written > 0;
  };
  ARROW_ASSIGN_OR_RAISE(report.snapshot_id, CommitReplacement(catalog, file_io, clock, commit, sleep));
  return report;
}

}  // namespace calve::maintain
