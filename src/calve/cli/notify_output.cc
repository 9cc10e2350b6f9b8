#include "calve/cli/notify_output.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "calve/sqlite/sqlite_uri.h"
#include "calve/storage/location.h"

namespace calve::cli {
namespace {

using notify::Observation;
using notify::ProblemKind;

constexpr int64_t kTickMicros = 60 * kMicrosPerSecond;
constexpr int64_t kCommandWaitsMs = 10'000;
constexpr const char* kProblemFileName = "calve-notify.json";

notify::EndpointOptions EndpointOf(const std::string& name, notify::EndpointKind kind,
                                   const config::EndpointConfig& endpoint) {
  notify::EndpointOptions options;
  options.name = name;
  options.kind = kind;
  options.url = endpoint.url;
  options.url_file = endpoint.url_file;
  for (const auto& [header, value] : endpoint.headers) options.headers.push_back(header + ": " + value);
  options.headers_file = endpoint.headers_file;
  options.ca_file = endpoint.ca_file;
  options.timeout_ms = endpoint.timeout_micros / 1000;
  options.hold_micros = endpoint.hold_micros;
  return options;
}

// Empty where nothing local is at hand.
std::string ProblemFileOf(const config::Config& config) {
  if (!config.notify.state_file.empty()) return config.notify.state_file;
  if (sqlite::IsSqliteUri(config.state.url)) {
    const auto journal = sqlite::PathFromUri(config.state.url);
    if (journal.ok()) return (std::filesystem::path(*journal).parent_path() / kProblemFileName).string();
  }
  if (config.catalog.is_rest() && config.catalog.warehouse.find(':') == std::string::npos) return "";
  const std::string warehouse = storage::LocalPath(config.catalog.warehouse);
  std::error_code error;
  if (warehouse.empty() || !std::filesystem::is_directory(warehouse, error)) return "";
  return (std::filesystem::path(warehouse) / kProblemFileName).string();
}

std::string HostName() {
  char host[256] = {};
  return gethostname(host, sizeof host - 1) == 0 ? host : "";
}

Observation ObservationOf(ProblemKind kind, const std::string& table, const std::string& layer, bool holds) {
  Observation observation;
  observation.kind = kind;
  observation.table = table;
  observation.layer = layer;
  observation.holds = holds;
  return observation;
}

void PutError(const Status& error, Observation& observation) {
  observation.error_kind = ErrorKindName(KindOf(error));
  observation.message = MessageOf(error);
  observation.remedy = RemedyOf(error);
}

std::string LayerOf(const config::Config& config, const std::string& name) {
  const auto found = std::ranges::find(config.tables, name, &config::TableConfig::name);
  return found == config.tables.end() ? "" : found->layer;
}

}  // namespace

std::unique_ptr<notify::Notifier> MakeNotifier(const config::Config& config, bool is_served, const Clock& clock,
                                               Terminal& terminal) {
  if (config.notify.targets.empty()) return nullptr;
  notify::NotifierOptions options;
  for (const auto& [name, target] : config.notify.targets) {
    if (target.webhook) {
      options.endpoints.push_back(EndpointOf(name, notify::EndpointKind::kWebhook, *target.webhook));
    }
    if (target.alertmanager) {
      options.endpoints.push_back(EndpointOf(name, notify::EndpointKind::kAlertmanager, *target.alertmanager));
    }
  }
  options.policy.after = config.notify.after;
  options.policy.repeat_micros = config.notify.repeat_micros;
  options.sender = {HostName(), config.file};
  options.problem_file = ProblemFileOf(config);
  if (is_served) options.tick_micros = kTickMicros;
  auto notifier = std::make_unique<notify::Notifier>(std::move(options), clock,
                                                     [&terminal](const Event& event) { terminal.Tell(event); });
  std::vector<std::string> tables;
  for (const config::TableConfig& table : config.tables) tables.push_back(table.name);
  notifier->Keep(std::move(tables));
  return notifier;
}

std::vector<Observation> ObservationsOf(const config::Config& config, const Result<cycle::CycleReport>& report,
                                        const std::string& cycle_id) {
  if (!report.ok() && KindOf(report.status()) == ErrorKind::kStopped) return {};
  std::vector<Observation> observations = {ObservationOf(ProblemKind::kCycleFailed, "", "", !report.ok())};
  if (!report.ok()) PutError(report.status(), observations.back());
  if (report.ok()) {
    for (const cycle::TableReport& table : report->tables) {
      const bool failed = table.outcome.state == schedule::TableState::kFailed;
      if (!failed && table.outcome.state != schedule::TableState::kDone) continue;
      observations.push_back(ObservationOf(ProblemKind::kTableFailed, table.name, LayerOf(config, table.name), failed));
      if (failed) PutError(table.outcome.status, observations.back());
    }
  }
  for (Observation& observation : observations) observation.cycle = cycle_id;
  return observations;
}

std::vector<Observation> ObservationsOf(const config::TableConfig& table, const offload::VerifyResult& result,
                                        bool is_whole, const std::string& run_id) {
  int64_t duplicates = 0, missing = 0, changed = 0, extra = 0;
  for (const offload::BucketResult& bucket : result.differences) {
    duplicates += bucket.duplicates;
    missing += bucket.missing;
    changed += bucket.changed;
    if (!bucket.extra_allowed) extra += bucket.extra;
  }
  std::vector<Observation> observations;
  const auto add = [&](ProblemKind kind, int64_t rows, const std::string& message, const std::string& remedy) {
    if (rows == 0 && !is_whole) return;
    observations.push_back(ObservationOf(kind, table.name, table.layer, rows > 0));
    if (rows == 0) return;
    observations.back().message = message;
    observations.back().remedy = remedy;
    observations.back().run = run_id;
  };
  const std::string repair = fmt::format("calve verify --config FILE --table {} --repair", table.name);
  add(ProblemKind::kRowsMissing, missing, fmt::format("{} rows of {} are not in cold", missing, table.name),
      repair + " puts them in, as long as ClickHouse has them.");
  add(ProblemKind::kRowsDoubled, duplicates,
      fmt::format("{} rows are more than once in the cold table of {}", duplicates, table.name),
      "Look for another writer first; " + repair + " takes them out.");
  add(ProblemKind::kRowsDiffer, changed + extra,
      fmt::format("{}: {} rows have other values in cold, {} are only there", table.name, changed, extra),
      repair + " replaces changed rows; what only cold has is left alone.");
  return observations;
}

std::vector<Observation> ObservationsOf(const config::TableConfig& table, const Result<offload::RetireResult>& result,
                                        const std::string& run_id) {
  if (result.ok() && result->held_by) return {};
  const Status error = result.ok() ? result->ended_early : result.status();
  if (KindOf(error) == ErrorKind::kStopped && !error.ok()) return {};
  const bool blocked = !error.ok() || result->different();
  Observation observation = ObservationOf(ProblemKind::kRetirementBlocked, table.name, table.layer, blocked);
  observation.run = run_id;
  if (!error.ok()) {
    PutError(error, observation);
  } else if (blocked) {
    observation.message = fmt::format("parts of {} stay: cold does not hold all of their rows", table.name);
    observation.remedy = fmt::format("calve verify --config FILE --table {} shows what differs.", table.name);
  }
  return {observation};
}

void CommandNotices::Add(std::vector<Observation> observations) {
  if (!config_ || config_->notify.targets.empty()) return;
  for (Observation& observation : observations) observations_.push_back(std::move(observation));
}

CommandNotices::~CommandNotices() {
  if (observations_.empty()) return;
  const SystemClock clock;
  const auto notifier = MakeNotifier(*config_, /*is_served=*/false, clock, terminal_);
  if (!notifier) return;
  notifier->Observe(std::move(observations_));
  notifier->Finish(kCommandWaitsMs);
}

void NotifyOfCycle(const config::Config& config, const Result<cycle::CycleReport>& report, const std::string& cycle_id,
                   Terminal& terminal) {
  CommandNotices notices(&config, terminal);
  notices.Add(ObservationsOf(config, report, cycle_id));
}

}  // namespace calve::cli
