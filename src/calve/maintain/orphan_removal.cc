#include "calve/maintain/orphan_removal.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "calve/iceberg/statistics_json.h"
#include "calve/maintain/expire_snapshots.h"
#include "calve/maintain/work_meter.h"
#include "calve/table/plan_store.h"
#include "calve/table/snapshot_manifests.h"

namespace calve::maintain {
namespace {

using catalog::LoadedTable;
using iceberg::TableMetadata;
using storage::JoinLocation;

struct Folders {
  std::vector<std::string> roots;
  std::vector<std::string> notes;
};

Folders FoldersOf(const TableMetadata& metadata, const std::string& warehouse) {
  Folders folders;
  for (const auto& [property, name] : {std::pair("write.data.path", "data"), {"write.metadata.path", "metadata"}}) {
    const std::string root = metadata.Property(property, JoinLocation(metadata.location, name));
    // A folder above the table's holds more than the table; one outside the warehouse is not ours to judge.
    const bool own = IsWithin(root, metadata.location);
    const bool beside = !warehouse.empty() && IsWithin(root, warehouse) && !IsWithin(warehouse, root) &&
                        !IsWithin(metadata.location, root);
    if (own || beside) {
      folders.roots.push_back(root);
    } else {
      folders.notes.push_back(
          fmt::format("{} = {} is not below the table's location or the warehouse: not looked at", property, root));
    }
  }
  return folders;
}

bool Overlap(const std::string& a, const std::string& b) { return IsWithin(a, b) || IsWithin(b, a); }

// Files of a second table in the same folder would all be orphans to the first.
Status CheckNotShared(catalog::Catalog& catalog, const catalog::TableIdent& ident,
                      const std::vector<std::string>& roots) {
  ARROW_ASSIGN_OR_RAISE(const auto namespaces, catalog.ListNamespaces());
  for (const auto& levels : namespaces) {
    ARROW_ASSIGN_OR_RAISE(const auto tables, catalog.ListTables(levels));
    for (const catalog::TableIdent& other : tables) {
      if (other == ident) continue;
      const auto loaded = catalog.LoadTable(other);
      if (KindOf(loaded.status()) == ErrorKind::kNotFound) continue;  // dropped meanwhile
      if (!loaded.ok()) return WithContext(loaded.status(), "whether folders are shared with " + other.ToString());
      const TableMetadata& metadata = loaded->metadata;
      std::vector<std::string> theirs = {metadata.location};
      for (const char* property : {"write.data.path", "write.metadata.path"}) {
        if (metadata.properties.contains(property)) theirs.push_back(metadata.properties.at(property));
      }
      for (const std::string& root : roots) {
        if (std::none_of(theirs.begin(), theirs.end(), [&](const auto& their) { return Overlap(root, their); }))
          continue;
        return MakeError(ErrorKind::kConfig,
                         fmt::format("{} shares the folder {} with {}: whose files are whose cannot be told",
                                     ident.ToString(), root, other.ToString()),
                         "Give each table a folder of its own.");
      }
    }
  }
  return Status::OK();
}

// Plans that were neither committed nor given up for so long are told of: their files stay, and nobody may know.
constexpr int64_t kPlanAgeToldMs = 7 * 86'400'000LL;

// The open plans of the table into the rule, and what lies beside them into the files.
Status FindOpenPlans(storage::FileIO& file_io, const TableMetadata& metadata, OrphanRule& rule,
                     std::vector<storage::FileInfo>& files, std::vector<std::string>& notes) {
  ARROW_ASSIGN_OR_RAISE(const auto listed, file_io.List(table::PlansFolder(metadata.location)));
  for (const storage::FileInfo& file : listed) {
    files.push_back(file);
    const std::string id = table::PlanIdOf(file.location);
    if (id.empty()) continue;
    rule.open_plans.insert(id);
    const int64_t age = rule.now_ms - file.mtime_ms;
    if (file.mtime_ms <= 0 || age <= kPlanAgeToldMs) continue;
    notes.push_back(
        fmt::format("the plan {} is open since {}: what was written for it stays; commit it, or give it up "
                    "with calve plan --abandon",
                    file.location, FormatTimestamp(file.mtime_ms * 1000)));
  }
  return Status::OK();
}

Status DeleteAll(storage::FileIO& file_io, const StopToken& stop, ProgressSink* progress, OrphanReport& report) {
  WorkMeter meter(progress, "files");
  meter.Begin("deleting", static_cast<int64_t>(report.plan.orphans.size()));
  for (const storage::FileInfo& file : report.plan.orphans) {
    ARROW_RETURN_NOT_OK(stop.Check());
    const Status status = file_io.Delete(file.location);
    meter.Add(1);
    if (status.ok()) {
      ++report.files_deleted;
      report.bytes_deleted += file.size;
    } else if (report.first_failure.ok()) {
      report.first_failure = WithContext(status, file.location);
    }
  }
  return Status::OK();
}

}  // namespace

Result<References> CollectReferences(storage::FileIO& file_io, const TableMetadata& metadata,
                                     const std::string& metadata_location, ProgressSink* progress) {
  WorkMeter meter(progress, "snapshots");
  meter.Begin("looking", static_cast<int64_t>(metadata.snapshots.size()));
  References references;
  references.Add(metadata_location);
  for (const iceberg::MetadataLogEntry& entry : metadata.metadata_log) references.Add(entry.metadata_file);
  ARROW_ASSIGN_OR_RAISE(const auto statistics, iceberg::StatisticsFiles(metadata.extra_json));
  for (const std::string& file : statistics) references.Add(file);
  std::set<std::string> seen;  // snapshots share most of their manifests
  for (const iceberg::Snapshot& snapshot : metadata.snapshots) {
    meter.Add(1);
    if (!snapshot.manifest_list.empty()) references.Add(snapshot.manifest_list);
    ARROW_ASSIGN_OR_RAISE(const auto manifests, table::ReadManifests(file_io, metadata, snapshot));
    for (const iceberg::ManifestFile& manifest : manifests) {
      if (!seen.insert(manifest.manifest_path).second) continue;
      references.Add(manifest.manifest_path);
      ARROW_ASSIGN_OR_RAISE(const auto entries, table::ReadEntries(file_io, metadata, manifest));
      for (const iceberg::ManifestEntry& entry : entries) {
        if (entry.status != iceberg::EntryStatus::kDeleted) references.Add(entry.data_file.file_path);
      }
    }
  }
  return references;
}

Result<OrphanReport> RemoveOrphans(catalog::Catalog& catalog, storage::FileIO& file_io, const Clock& clock,
                                   const StopToken& stop, const OrphanRequest& request) {
  ARROW_ASSIGN_OR_RAISE(const LoadedTable before, catalog.LoadTable(request.ident));
  ARROW_RETURN_NOT_OK(CheckMayCollect(before.metadata));
  Folders folders = FoldersOf(before.metadata, request.warehouse);
  ARROW_RETURN_NOT_OK(CheckNotShared(catalog, request.ident, folders.roots));
  // The age is that of the moment of listing, whatever time reading the metadata takes.
  OrphanRule rule{clock.Now() / 1000, request.age_min_ms};
  std::vector<storage::FileInfo> files;
  ARROW_RETURN_NOT_OK(FindOpenPlans(file_io, before.metadata, rule, files, folders.notes));
  WorkMeter meter(request.progress, "files");
  meter.Begin("listing", 0);
  for (const std::string& root : folders.roots) {
    ARROW_ASSIGN_OR_RAISE(const auto listed, file_io.List(root));
    meter.Add(static_cast<int64_t>(listed.size()));
    files.insert(files.end(), listed.begin(), listed.end());
  }
  ARROW_RETURN_NOT_OK(stop.Check());

  ARROW_ASSIGN_OR_RAISE(const LoadedTable table, catalog.LoadTable(request.ident));
  ARROW_RETURN_NOT_OK(CheckMayCollect(table.metadata));
  if (table.metadata.table_uuid != before.metadata.table_uuid ||
      FoldersOf(table.metadata, request.warehouse).roots != folders.roots) {
    return MakeError(ErrorKind::kConflict, "the table was moved or made anew while its folders were listed",
                     "Run again.");
  }
  ARROW_ASSIGN_OR_RAISE(const References references,
                        CollectReferences(file_io, table.metadata, table.metadata_location, request.progress));
  OrphanReport report;
  std::vector<std::string> roots = folders.roots;
  roots.push_back(table::PlansFolder(table.metadata.location));
  report.plan = FindOrphans(files, roots, references, rule);
  report.folders = std::move(folders.roots);
  report.notes = std::move(folders.notes);
  if (!request.dry_run) ARROW_RETURN_NOT_OK(DeleteAll(file_io, stop, request.progress, report));
  for (const std::string& root : report.folders) {
    const auto removed = file_io.RemoveUnfinished(root, rule.now_ms - rule.age_min_ms, request.dry_run);
    if (KindOf(removed.status()) == ErrorKind::kStopped) return removed.status();
    // A right of its own, which few have.
    if (!removed.ok()) report.notes.push_back(fmt::format("unfinished uploads: {}", MessageOf(removed.status())));
    report.uploads += removed.ValueOr(0);
  }
  return report;
}

}  // namespace calve::maintain
