#include "calve/cli/maintain_output.h"

#include <fmt/format.h>

#include "calve/cli/terminal.h"

namespace calve::cli {
namespace {

struct RoleCount {
  int64_t files = 0;
  int64_t bytes = 0;
};

RoleCount CountRole(const maintain::ExpiryReport& report, maintain::FileRole role) {
  RoleCount count;
  for (const maintain::ExpiredFile& file : report.files) {
    if (file.role != role) continue;
    ++count.files;
    count.bytes += file.bytes;
  }
  return count;
}

int64_t BytesOf(const std::vector<storage::FileInfo>& files) {
  int64_t bytes = 0;
  for (const storage::FileInfo& file : files) bytes += file.size;
  return bytes;
}

Json StateJson(const maintain::TableState& state) {
  return {{"snapshots", state.snapshots},
          {"manifests", state.manifests},
          {"data_files", state.data_files},
          {"delete_files", state.delete_files},
          {"bytes", state.bytes ? Json(*state.bytes) : Json(nullptr)}};
}

std::string StateText(const maintain::TableState& state) {
  const std::string deletes =
      state.delete_files == 0 ? "" : fmt::format(", {} delete files", HumanCount(state.delete_files));
  return fmt::format("{} snapshots, {} manifests, {} data files{}{}", HumanCount(state.snapshots),
                     HumanCount(state.manifests), HumanCount(state.data_files), deletes,
                     state.bytes ? ", " + HumanBytes(*state.bytes) : "");
}

void PutOrphans(const maintain::OrphanReport& report, Json& json) {
  const maintain::OrphanPlan& plan = report.plan;
  Json locations = Json::array();
  for (const storage::FileInfo& file : plan.orphans) locations.push_back(file.location);
  json["orphans"] = {{"files", plan.orphans.size()},
                     {"bytes", BytesOf(plan.orphans)},
                     {"files_deleted", report.files_deleted},
                     {"bytes_deleted", report.bytes_deleted},
                     {"locations", locations}};
  json["kept"] = {{"referenced", plan.referenced},
                  {"young", plan.young},
                  {"in_doubt", plan.in_doubt},
                  {"of_open_plans", plan.of_open_plans},
                  {"left_alone", plan.left_alone}};
  json["listed"] = plan.listed;
  json["uploads"] = report.uploads;
  json["folders"] = report.folders;
  json["notes"] = report.notes;
}

Lines OrphansText(const maintain::OrphanReport& report, const MaintainOutputOptions& options) {
  const maintain::OrphanPlan& plan = report.plan;
  Lines lines;
  for (size_t i = 0; options.list_files && i < plan.orphans.size(); ++i) {
    lines.push_back("  " + plan.orphans[i].location);
  }
  const std::string head =
      options.dry_run
          ? fmt::format("would remove {} orphans, {}", HumanCount(static_cast<int64_t>(plan.orphans.size())),
                        HumanBytes(BytesOf(plan.orphans)))
          : fmt::format("removed {} orphans, {}", HumanCount(report.files_deleted), HumanBytes(report.bytes_deleted));
  const std::string uploads = report.uploads == 0 ? "" : fmt::format(", {} unfinished uploads", report.uploads);
  const std::string plans =
      plan.of_open_plans == 0 ? "" : fmt::format(", {} of open plans", HumanCount(plan.of_open_plans));
  lines.push_back(fmt::format("{}{}; kept {} referenced, {} younger than {}, {} in doubt, {} left alone{}", head,
                              uploads, HumanCount(plan.referenced), HumanCount(plan.young), options.orphan_age,
                              HumanCount(plan.in_doubt), HumanCount(plan.left_alone), plans));
  return lines;
}

Json CompactionJson(const maintain::CompactionReport& report) {
  return {{"small_files", report.plan.small_files},
          {"other_specs", report.plan.other_specs},
          {"not_rewritable", report.plan.not_rewritable},
          {"groups", report.groups},
          {"groups_done", report.groups_done},
          {"groups_lost", report.groups_lost},
          {"files_removed", report.files_removed},
          {"bytes_removed", report.bytes_removed},
          {"files_added", report.files_added},
          {"bytes_added", report.bytes_added},
          {"rows", report.rows},
          {"rows_deleted", report.rows_deleted},
          {"snapshot_ids", report.snapshot_ids},
          {"notes", report.notes}};
}

std::string CompactionText(const maintain::CompactionReport& report, const MaintainOutputOptions& options) {
  const std::string small = HumanCount(report.plan.small_files);
  if (report.groups == 0) return fmt::format("{} small data files: none worth compacting", small);
  if (options.dry_run) {
    return fmt::format("would compact {} of {} small data files, {}, into {}", HumanCount(report.files_removed), small,
                       HumanBytes(report.bytes_removed), HumanCount(report.files_added));
  }
  return fmt::format("compacted {} of {} small data files, {}, into {}, {}; {} rows, the same before and after",
                     HumanCount(report.files_removed), small, HumanBytes(report.bytes_removed),
                     HumanCount(report.files_added), HumanBytes(report.bytes_added), HumanCount(report.rows));
}

Json ManifestsJson(const maintain::ManifestReport& report) {
  return {{"before", report.manifests_before},
          {"rewritten", report.rewritten},
          {"written", report.written},
          {"bytes_rewritten", report.bytes_rewritten},
          {"snapshot_id", report.snapshot_id ? Json(*report.snapshot_id) : Json(nullptr)}};
}

std::string ManifestsText(const maintain::ManifestReport& report, const MaintainOutputOptions& options) {
  if (report.written == 0) {
    return fmt::format("{} manifests: none worth rewriting", HumanCount(report.manifests_before));
  }
  return fmt::format("{} {} of {} manifests, {}, as {}", options.dry_run ? "would rewrite" : "rewrote",
                     HumanCount(report.rewritten), HumanCount(report.manifests_before),
                     HumanBytes(report.bytes_rewritten), HumanCount(report.written));
}

Json ExpiryJson(const maintain::ExpiryReport& report) {
  Json json;
  json["snapshots"] = report.plan.expired.size();
  json["snapshot_ids"] = Json::array();
  for (const int64_t id : report.plan.expired) json["snapshot_ids"].push_back(id);
  json["refs"] = report.plan.refs;
  json["kept_for_watermark"] = report.plan.kept_for_watermark;
  int64_t bytes = 0;
  for (const auto& [name, role] : {std::pair("data_files", maintain::FileRole::kData),
                                   {"delete_files", maintain::FileRole::kDeletes},
                                   {"statistics_files", maintain::FileRole::kStatistics},
                                   {"manifests", maintain::FileRole::kManifest},
                                   {"manifest_lists", maintain::FileRole::kManifestList}}) {
    const RoleCount count = CountRole(report, role);
    json[name] = count.files;
    bytes += count.bytes;
  }
  json["bytes"] = bytes;
  json["files_deleted"] = report.files_deleted;
  json["bytes_deleted"] = report.bytes_deleted;
  json["locations"] = Json::array();
  for (const maintain::ExpiredFile& file : report.files) json["locations"].push_back(file.location);
  json["notes"] = report.notes;
  return json;
}

Lines ExpiryText(const maintain::ExpiryReport& report, const MaintainOutputOptions& options) {
  Lines lines;
  for (size_t i = 0; options.list_files && i < report.files.size(); ++i) {
    lines.push_back("  " + report.files[i].location);
  }
  const RoleCount data = CountRole(report, maintain::FileRole::kData);
  const auto expired = static_cast<int64_t>(report.plan.expired.size());
  std::string line = fmt::format(
      "{} {} of {} snapshots; {} {} files, {} of them data files with {}", options.dry_run ? "would expire" : "expired",
      HumanCount(expired), HumanCount(report.snapshots_before), options.dry_run ? "would delete" : "deleted",
      HumanCount(options.dry_run ? static_cast<int64_t>(report.files.size()) : report.files_deleted),
      HumanCount(data.files), HumanBytes(data.bytes));
  if (!report.plan.refs.empty()) line += fmt::format("; refs ended: {}", fmt::join(report.plan.refs, ", "));
  if (report.plan.kept_for_watermark > 0) {
    line += fmt::format("; {} kept for the watermark", HumanCount(report.plan.kept_for_watermark));
  }
  lines.push_back(std::move(line));
  return lines;
}

Json StatisticsJson(const maintain::StatisticsReport& report) {
  Json distinct = Json::object();
  for (const maintain::ColumnStatistics& column : report.columns) distinct[column.name] = column.distinct;
  return {{"snapshot_id", report.snapshot_id ? Json(*report.snapshot_id) : Json(nullptr)},
          {"present", report.present},
          {"rows", report.rows},
          {"distinct", distinct},
          {"location", report.location},
          {"bytes", report.bytes}};
}

std::string StatisticsText(const maintain::StatisticsReport& report) {
  if (!report.snapshot_id) return "no snapshot, no statistics";
  if (report.present) return "the snapshot has statistics already";
  std::string text = fmt::format("distinct values in {} rows:", HumanCount(report.rows));
  for (const maintain::ColumnStatistics& column : report.columns) {
    text += fmt::format("{} {} {}", text.back() == ':' ? "" : ",", column.name, HumanCount(column.distinct));
  }
  return text;
}

}  // namespace

Json MaintenanceJson(const maintain::MaintenanceReport& report) {
  Json json = Json::object();
  if (report.absent) json["absent"] = true;
  if (report.before) json["before"] = StateJson(*report.before);
  if (report.compact) json["compact"] = CompactionJson(*report.compact);
  if (report.manifests) json["manifests"] = ManifestsJson(*report.manifests);
  if (report.expire) json["expire"] = ExpiryJson(*report.expire);
  if (report.statistics) json["statistics"] = StatisticsJson(*report.statistics);
  if (report.after) json["after"] = StateJson(*report.after);
  if (report.orphans) PutOrphans(*report.orphans, json);
  if (!report.status.ok()) json["error"] = ErrorJson(report.status);
  return json;
}

Lines MaintenanceText(const maintain::MaintenanceReport& report, const MaintainOutputOptions& options) {
  Lines lines;
  const auto add = [&lines](Lines more) { lines.insert(lines.end(), more.begin(), more.end()); };
  if (report.absent) add({"not there yet: nothing was offloaded into it"});
  if (report.before) add({fmt::format("before: {}", StateText(*report.before))});
  if (report.compact) add({CompactionText(*report.compact, options)});
  if (report.manifests) add({ManifestsText(*report.manifests, options)});
  if (report.expire) add(ExpiryText(*report.expire, options));
  if (report.statistics) add({StatisticsText(*report.statistics)});
  if (report.after) add({fmt::format("after: {}", StateText(*report.after))});
  if (report.orphans) add(OrphansText(*report.orphans, options));
  return lines;
}

std::vector<std::string> NotesOf(const maintain::MaintenanceReport& report) {
  std::vector<std::string> notes;
  const auto add = [&notes](const auto& part) {
    if (part) notes.insert(notes.end(), part->notes.begin(), part->notes.end());
  };
  add(report.compact);
  add(report.expire);
  add(report.orphans);
  return notes;
}

std::string MaintenanceSummary(const maintain::MaintenanceReport& report) {
  Lines parts;
  if (report.compact && report.compact->groups_done > 0) parts.push_back(CompactionText(*report.compact, {}));
  if (report.manifests && report.manifests->snapshot_id) parts.push_back(ManifestsText(*report.manifests, {}));
  if (report.expire && !report.expire->plan.empty()) parts.push_back(ExpiryText(*report.expire, {}).back());
  if (report.orphans && report.orphans->files_deleted > 0) {
    parts.push_back(fmt::format("removed {} orphans, {}", HumanCount(report.orphans->files_deleted),
                                HumanBytes(report.orphans->bytes_deleted)));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

Event MaintainedEvent(const std::string& table, const maintain::MaintenanceReport& report, double seconds) {
  const std::string summary = MaintenanceSummary(report);
  Event event(EventKind::kTableMaintained,
              fmt::format("{}: {} ({})", table, summary.empty() ? "nothing to do" : summary, HumanSeconds(seconds)));
  return event.Set(EventField::kTable, table).Set(EventField::kDurationSeconds, seconds);
}

}  // namespace calve::cli
