#include "calve/notify/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

namespace calve::notify {
namespace {

using BookJson = nlohmann::ordered_json;

auto Tied(const Observation& o) {
  return std::tie(o.kind, o.table, o.layer, o.holds, o.error_kind, o.message, o.remedy, o.run, o.cycle);
}

bool WaitsForCount(ProblemKind kind) { return kind == ProblemKind::kTableFailed || kind == ProblemKind::kCycleFailed; }

Result<Problem> ProblemOf(const BookJson& json) {
  Problem problem;
  const std::string name = json.at("problem");
  const auto& kinds = KindDescriptions();
  const auto found = std::ranges::find(kinds, name, &KindDescription::name);
  if (found == kinds.end())
    return MakeError(ErrorKind::kCorrupt, fmt::format("'{}' is no problem that calve knows", name));
  problem.last.kind = found->kind;
  problem.last.holds = true;
  for (const auto& [key, member] : {std::pair("table", &Observation::table),
                                    {"layer", &Observation::layer},
                                    {"error_kind", &Observation::error_kind},
                                    {"message", &Observation::message},
                                    {"remedy", &Observation::remedy},
                                    {"run", &Observation::run},
                                    {"cycle", &Observation::cycle}}) {
    problem.last.*member = json.value(key, "");
  }
  problem.count = json.at("count");
  ARROW_ASSIGN_OR_RAISE(problem.first_at, ParseTimestamp(json.at("first_at").get<std::string>()));
  ARROW_ASSIGN_OR_RAISE(problem.last_at, ParseTimestamp(json.at("last_at").get<std::string>()));
  if (json.contains("told_at")) {
    ARROW_ASSIGN_OR_RAISE(problem.told_at, ParseTimestamp(json.at("told_at").get<std::string>()));
  }
  return problem;
}

}  // namespace

bool operator==(const Problem& a, const Problem& b) {
  return Tied(a.last) == Tied(b.last) && a.count == b.count && a.first_at == b.first_at && a.last_at == b.last_at &&
         a.told_at == b.told_at;
}

const std::vector<KindDescription>& KindDescriptions() {
  static const std::vector<KindDescription> kAll = {
      {ProblemKind::kTableFailed, "table_failed", "CalveTableFailed", "warning", "docs/runbooks/failures-in-a-row.md"},
      {ProblemKind::kCycleFailed, "cycle_failed", "CalveCycleFailed", "critical", "docs/runbooks/failures-in-a-row.md"},
      {ProblemKind::kRowsMissing, "rows_missing", "CalveMissingRows", "critical", "docs/runbooks/missing-rows.md"},
      {ProblemKind::kRowsDoubled, "rows_doubled", "CalveDuplicates", "critical", "docs/runbooks/duplicates.md"},
      {ProblemKind::kRowsDiffer, "rows_differ", "CalveRowsDiffer", "warning", "docs/runbooks/missing-rows.md"},
      {ProblemKind::kRetirementBlocked, "retirement_blocked", "CalveRetirementBlocked", "warning",
       "docs/runbooks/retirement-blocked.md"},
  };
  return kAll;
}

const KindDescription& DescriptionOf(ProblemKind kind) { return KindDescriptions()[static_cast<size_t>(kind)]; }

std::string_view NoticeReasonName(NoticeReason reason) {
  switch (reason) {
    case NoticeReason::kNew:
      return "new";
    case NoticeReason::kReminder:
      return "reminder";
    case NoticeReason::kResolved:
      break;
  }
  return "resolved";
}

std::optional<Notice> ProblemBook::Observe(const Observation& observation, const NoticePolicy& policy,
                                           TimestampMicros now) {
  const ProblemKey key{observation.kind, observation.table};
  const auto found = problems_.find(key);
  if (!observation.holds) {
    if (found == problems_.end()) return std::nullopt;
    Notice over{NoticeReason::kResolved, std::move(found->second), now};
    problems_.erase(found);
    return over.problem.told_at ? std::optional(std::move(over)) : std::nullopt;
  }
  Problem& problem = problems_[key];
  if (problem.count == 0) problem.first_at = now;
  ++problem.count;
  problem.last = observation;
  problem.last_at = now;
  if (!problem.told_at) {
    if (WaitsForCount(observation.kind) && problem.count < policy.after) return std::nullopt;
    problem.told_at = now;
    return Notice{NoticeReason::kNew, problem, now};
  }
  if (policy.repeat_micros <= 0 || now - *problem.told_at < policy.repeat_micros) return std::nullopt;
  problem.told_at = now;
  return Notice{NoticeReason::kReminder, problem, now};
}

std::vector<Notice> ProblemBook::Remind(const NoticePolicy& policy, TimestampMicros now) {
  std::vector<Notice> notices;
  for (auto& [key, problem] : problems_) {
    if (!problem.told_at || policy.repeat_micros <= 0 || now - *problem.told_at < policy.repeat_micros) continue;
    problem.told_at = now;
    notices.push_back({NoticeReason::kReminder, problem, now});
  }
  return notices;
}

std::vector<Notice> ProblemBook::Keep(const std::vector<std::string>& tables, TimestampMicros now) {
  std::vector<Notice> notices;
  for (auto it = problems_.begin(); it != problems_.end();) {
    const std::string& table = it->first.second;
    if (table.empty() || std::ranges::find(tables, table) != tables.end()) {
      ++it;
      continue;
    }
    if (it->second.told_at) notices.push_back({NoticeReason::kResolved, it->second, now});
    it = problems_.erase(it);
  }
  return notices;
}

void ProblemBook::Untell(const ProblemKey& key) {
  if (const auto found = problems_.find(key); found != problems_.end()) found->second.told_at.reset();
}

std::vector<Problem> ProblemBook::Told() const {
  std::vector<Problem> told;
  for (const auto& [key, problem] : problems_) {
    if (problem.told_at) told.push_back(problem);
  }
  return told;
}

std::string ProblemBook::ToText() const {
  BookJson json = {{"calve_problems", 1}, {"problems", BookJson::array()}};
  for (const auto& [key, problem] : problems_) {
    const Observation& last = problem.last;
    BookJson each = {{"problem", DescriptionOf(last.kind).name},
                     {"table", last.table},
                     {"layer", last.layer},
                     {"count", problem.count},
                     {"first_at", FormatTimestamp(problem.first_at)},
                     {"last_at", FormatTimestamp(problem.last_at)},
                     {"error_kind", last.error_kind},
                     {"message", last.message},
                     {"remedy", last.remedy},
                     {"run", last.run},
                     {"cycle", last.cycle}};
    if (problem.told_at) each["told_at"] = FormatTimestamp(*problem.told_at);
    json["problems"].push_back(std::move(each));
  }
  return json.dump(1, ' ', false, BookJson::error_handler_t::replace) + "\n";
}

Result<ProblemBook> ProblemBook::FromText(const std::string& text) {
  ProblemBook book;
  try {
    const BookJson json = BookJson::parse(text);
    if (json.at("calve_problems") != 1) return MakeError(ErrorKind::kCorrupt, "it is of another version of calve");
    for (const BookJson& each : json.at("problems")) {
      ARROW_ASSIGN_OR_RAISE(Problem problem, ProblemOf(each));
      book.problems_[{problem.last.kind, problem.last.table}] = std::move(problem);
    }
  } catch (const nlohmann::json::exception& error) {
    return MakeError(ErrorKind::kCorrupt, error.what());
  }
  return book;
}

std::string SummaryOf(const Notice& notice) {
  const Observation& last = notice.problem.last;
  const std::string table = last.table.empty() ? "the cycle" : last.table;
  const std::string times = notice.problem.count == 1 ? "" : fmt::format(" {} times in a row", notice.problem.count);
  std::string what;
  switch (last.kind) {
    case ProblemKind::kTableFailed:
      what = fmt::format("{} has failed{}", table, times);
      break;
    case ProblemKind::kCycleFailed:
      what = fmt::format("the cycle has failed as a whole{}", times);
      break;
    case ProblemKind::kRowsMissing:
      what = fmt::format("rows are missing in the cold table of {}", table);
      break;
    case ProblemKind::kRowsDoubled:
      what = fmt::format("rows are more than once in the cold table of {}", table);
      break;
    case ProblemKind::kRowsDiffer:
      what = fmt::format("rows of {} differ between hot and cold", table);
      break;
    case ProblemKind::kRetirementBlocked:
      what = fmt::format("old parts of {} cannot be dropped", table);
      break;
  }
  return notice.reason == NoticeReason::kResolved   ? "over: " + what
         : notice.reason == NoticeReason::kReminder ? "still: " + what
                                                    : what;
}

}  // namespace calve::notify
