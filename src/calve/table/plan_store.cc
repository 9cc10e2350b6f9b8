#include "calve/table/plan_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "calve/base/random.h"

namespace calve::table {
namespace {

constexpr std::string_view kPlanFolder = "calve-plans";
constexpr std::string_view kPlanEnding = ".json";
constexpr std::string_view kLinesEnding = ".slices.jsonl";

// "<folder>/<id>"
std::string Stem(std::string_view plan_location) {
  return std::string(plan_location.substr(0, plan_location.size() - kPlanEnding.size()));
}

std::string_view BelowFolder(std::string_view location) { return location.substr(location.rfind('/') + 1); }

Status IsOver(const std::string& plan_location) {
  return MakeError(ErrorKind::kConflict,
                   fmt::format("the plan {} is over: it was committed or given up", plan_location),
                   "Plan anew: calve plan tells what is still to be done.");
}

// Of all commits that were begun and have not ended, also those that died.
Result<std::vector<std::string>> ListMarks(storage::FileIO& file_io, const std::string& plan_location) {
  const std::string stem = Stem(plan_location);
  const std::string prefix = PlanIdOf(plan_location) + ".commit-";
  ARROW_ASSIGN_OR_RAISE(const auto files, file_io.List(stem.substr(0, stem.rfind('/'))));
  std::vector<std::string> marks;
  for (const storage::FileInfo& file : files) {
    if (BelowFolder(file.location).starts_with(prefix)) marks.push_back(file.location);
  }
  return marks;
}

}  // namespace

std::string PlansFolder(const std::string& table_location) {
  return storage::JoinLocation(table_location, kPlanFolder);
}

std::string PlanLocation(const std::string& table_location, const std::string& plan_id) {
  return storage::JoinLocation(table_location, fmt::format("{}/{}{}", kPlanFolder, plan_id, kPlanEnding));
}

std::string PlanIdOf(std::string_view plan_location) {
  const size_t slash = plan_location.rfind('/');
  if (slash == std::string_view::npos || !plan_location.ends_with(kPlanEnding)) return "";
  if (!plan_location.substr(0, slash).ends_with(fmt::format("/{}", kPlanFolder))) return "";
  const std::string_view name = plan_location.substr(slash + 1);
  return std::string(name.substr(0, name.size() - kPlanEnding.size()));
}

std::string PlanDataLocation(const std::string& data_location, const std::string& plan_id) {
  return storage::JoinLocation(data_location, plan_id);
}

Status StorePlan(storage::FileIO& file_io, const std::string& plan_location, std::string_view plan,
                 std::string_view lines) {
  ARROW_RETURN_NOT_OK(file_io.WriteNew(Stem(plan_location) + std::string(kLinesEnding), lines));
  const Status stored = file_io.WriteNew(plan_location, plan);
  // It may stand there all the same: nobody was told of it, and the next plan finds it.
  if (!stored.ok()) (void)file_io.Delete(plan_location);
  if (!stored.ok()) (void)file_io.Delete(Stem(plan_location) + std::string(kLinesEnding));
  return stored;
}

Result<std::string> ReadPlan(storage::FileIO& file_io, const std::string& plan_location) {
  if (PlanIdOf(plan_location).empty()) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("'{}' is no plan's location", plan_location),
                     "Give the lines as calve plan and calve write-slice printed them.");
  }
  auto text = file_io.Read(plan_location);
  if (KindOf(text.status()) == ErrorKind::kNotFound) return IsOver(plan_location);
  return text;
}

Status CheckPlanIsOpen(storage::FileIO& file_io, const std::string& plan_location) {
  ARROW_ASSIGN_OR_RAISE(const bool is_open, file_io.Exists(plan_location));
  return is_open ? Status::OK() : IsOver(plan_location);
}

Result<std::string> ReadPlanLines(storage::FileIO& file_io, const std::string& plan_location) {
  auto lines = file_io.Read(Stem(plan_location) + std::string(kLinesEnding));
  if (KindOf(lines.status()) == ErrorKind::kNotFound) return IsOver(plan_location);
  return lines;
}

Result<std::vector<std::string>> ListPlans(storage::FileIO& file_io, const std::string& table_location) {
  ARROW_ASSIGN_OR_RAISE(const auto files, file_io.List(PlansFolder(table_location)));
  std::vector<std::string> plans;
  for (const storage::FileInfo& file : files) {
    const std::string id = PlanIdOf(file.location);
    if (!id.empty()) plans.push_back(PlanLocation(table_location, id));
  }
  std::sort(plans.begin(), plans.end());
  return plans;
}

std::string BelowPlan(std::string_view path, const std::string& plan_id) {
  const std::string folder = fmt::format("/{}/", plan_id);
  const size_t at = path.find(folder);
  return at == std::string_view::npos ? "" : std::string(path.substr(at + folder.size()));
}

Result<std::map<std::string, int64_t>> ListPlanFiles(storage::FileIO& file_io, const std::string& data_location,
                                                     const std::string& plan_id) {
  ARROW_ASSIGN_OR_RAISE(const auto files, file_io.List(PlanDataLocation(data_location, plan_id)));
  std::map<std::string, int64_t> sizes;
  for (const storage::FileInfo& file : files) sizes.emplace(BelowPlan(file.location, plan_id), file.size);
  return sizes;
}

Result<std::string> MarkCommit(storage::FileIO& file_io, const std::string& plan_location) {
  const std::string mark = fmt::format("{}.commit-{}", Stem(plan_location), RandomUuid());
  ARROW_RETURN_NOT_OK(file_io.WriteNew(mark, "{}"));
  const Status open = CheckPlanIsOpen(file_io, plan_location);
  if (!open.ok()) {
    (void)file_io.Delete(mark);
    return open;
  }
  return mark;
}

Result<EndedPlan> EndPlan(storage::FileIO& file_io, const std::string& plan_location, const std::string& data_location,
                          const HeldFiles& held, const std::string& own_mark) {
  EndedPlan ended;
  const std::string id = PlanIdOf(plan_location);
  ARROW_RETURN_NOT_OK(file_io.Delete(plan_location));
  ARROW_RETURN_NOT_OK(file_io.Delete(Stem(plan_location) + std::string(kLinesEnding)));
  if (!own_mark.empty()) ARROW_RETURN_NOT_OK(file_io.Delete(own_mark));
  // In this order: a commit whose mark is gone by now has ended, and the table shows it.
  ARROW_ASSIGN_OR_RAISE(const auto marks, ListMarks(file_io, plan_location));
  ARROW_ASSIGN_OR_RAISE(const auto keep, held());
  ended.is_held = !keep && !marks.empty();
  if (ended.is_held) return ended;
  for (const std::string& mark : marks) ARROW_RETURN_NOT_OK(file_io.Delete(mark));
  ARROW_ASSIGN_OR_RAISE(const auto files, file_io.List(PlanDataLocation(data_location, id)));
  for (const storage::FileInfo& file : files) {
    if (keep && keep->contains(BelowPlan(file.location, id))) continue;
    ARROW_RETURN_NOT_OK(file_io.Delete(file.location));
    ++ended.deleted;
  }
  return ended;
}

}  // namespace calve::table
