#include "calve/cycle/served_tables.h"

#include <algorithm>

namespace calve::cycle {

using schedule::CycleCause;
using schedule::TableState;

void ServedTables::Forget(const config::RetryConfig& retry) {
  tables_.clear();
  policy_.retry = {.attempts_max = static_cast<int>(retry.put_aside_after),
                   .wait_min_ms = retry.wait_min_micros / 1000,
                   .wait_max_ms = retry.wait_max_micros / 1000};
  policy_.aside = {.wait_min_ms = retry.aside_min_micros / 1000, .wait_max_ms = retry.aside_max_micros / 1000};
}

std::vector<size_t> ServedTables::WithDependents(const config::Config& config,
                                                 const std::function<bool(const Known&)>& wanted) const {
  std::vector<schedule::TableNode> nodes;
  for (const config::TableConfig& table : config.tables) nodes.push_back({table.name, table.after});
  const auto graph = schedule::TableGraph::Make(nodes).ValueOrDie();
  std::set<size_t> chosen;
  for (size_t i = 0; i < config.tables.size(); ++i) {
    const auto known = tables_.find(config.tables[i].name);
    if (known == tables_.end() || paused_.contains(known->first) || !wanted(known->second)) continue;
    chosen.insert(i);
    const auto after = graph.Dependents(i);
    chosen.insert(after.begin(), after.end());
  }
  return {chosen.begin(), chosen.end()};
}

CycleOptions ServedTables::OptionsFor(const config::Config& config, CycleCause cause, TimestampMicros now) {
  // Nothing would ever be learnt of them again, and what they want would be wanted for ever.
  std::erase_if(tables_, [&](const auto& known) {
    return std::ranges::find(config.tables, known.first, &config::TableConfig::name) == config.tables.end();
  });
  CycleOptions options;
  if (cause == CycleCause::kBacklog) {
    options.tables = WithDependents(config, [](const Known& known) { return known.backlog; });
  } else if (cause == CycleCause::kRetry) {
    options.tables = WithDependents(config, [&](const Known& known) {
      const auto retry_at = known.RetryAt();
      return retry_at && *retry_at <= now;
    });
  }
  // What the cycle was for may be gone from the configuration.
  if (options.tables.empty()) options.tables = ChooseTables(config, {}).ValueOrDie();
  std::erase_if(options.tables, [&](size_t i) { return paused_.contains(config.tables[i].name); });
  options.skip.resize(config.tables.size());
  for (size_t i = 0; i < config.tables.size(); ++i) {
    const auto known = tables_.find(config.tables[i].name);
    if (known == tables_.end() || known->second.health.DueAt(now)) continue;
    options.skip[i] = known->second.health.Describe();
  }
  return options;
}

const schedule::TableHealth* ServedTables::HealthOf(const std::string& name) const {
  const auto known = tables_.find(name);
  return known == tables_.end() ? nullptr : &known->second.health;
}

schedule::CycleReport ServedTables::Learn(const CycleReport& report, TimestampMicros now,
                                          const std::function<double()>& random) {
  for (const TableReport& table : report.tables) {
    if (!table.outcome.started) continue;  // it was not called: nothing is known that was not known before
    Known& known = tables_.try_emplace(table.name, Known{schedule::TableHealth(policy_)}).first->second;
    known.backlog = table.offload && table.offload->backlog;
    known.waits = table.outcome.state == TableState::kSkipped;
    if (table.outcome.state == TableState::kFailed) known.health.OnFailure(now, table.outcome.status, random());
    if (table.outcome.state == TableState::kDone) known.health.OnSuccess();
  }
  schedule::CycleReport out;
  out.progressed = report.progressed();
  for (const auto& [name, known] : tables_) {
    if (paused_.contains(name)) continue;
    out.backlog |= known.backlog;
    const auto retry_at = known.RetryAt();
    if (retry_at && (!out.retry_at || *retry_at < *out.retry_at)) out.retry_at = retry_at;
  }
  return out;
}

}  // namespace calve::cycle
