#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "calve/base/random.h"
#include "calve/cli/command.h"
#include "calve/cli/cycle_terminal.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/notify_output.h"
#include "calve/cli/served_maintenance.h"
#include "calve/cli/service_notify.h"
#include "calve/cli/service_observer.h"
#include "calve/cli/session.h"
#include "calve/cli/status_server.h"
#include "calve/config/cadence.h"
#include "calve/config/load_config.h"
#include "calve/cycle/served_tables.h"
#include "calve/schedule/serve_loop.h"
#include "calve/serve/endpoints.h"
#include "calve/serve/offload_metrics.h"

namespace calve::cli {
namespace {

constexpr const char* kServeFooter = R"(Examples:
  calve serve                             cycles by the schedule of calve.yaml, until it is told to stop
  calve serve --config /etc/calve.yaml --log-format json
  calve serve --once                      one cycle now, and what it needs to catch up
  xdg-open http://127.0.0.1:9765/         the status page: tables, what runs, cycles, errors (docs/status-page.md)
  curl http://127.0.0.1:9765/metrics      what Prometheus reads (docs/metrics.md)
  kill -HUP PID                           reads the configuration again; one that is wrong leaves the old one in force

Cycles never overlap. Times that were missed (a long cycle, downtime) are one cycle, which begins at once. A table that fails is
tried again after growing waits, and put aside after five failures in a row, so that the others are not held up. SIGTERM and
SIGINT finish or undo the step at hand. docs/schedule.md tells it all.)";

constexpr const char* kServeExitCodes =
    "Exit codes: 130/143 stopped by a signal; with --once those of `calve run`; 2 bad usage or configuration at the "
    "start, 1 failed.";

struct ServeFlags {
  OutputFlags output;
  std::string config = "calve.yaml", stop_limit = "25s", listen;
  bool once = false;
};

// What is still to be told at the end has so long.
constexpr int64_t kNotifyEndMs = 3'000;

// A table goes on for so long at least before others have their turn.
constexpr int64_t kLongestMin = 60 * kMicrosPerSecond;

class Server : public schedule::ServeObserver {
 public:
  Server(const ServeFlags& flags, config::Config config, schedule::Cadence cadence, StopToken& stop, Terminal& terminal,
         ServiceEnvironment service)
      : flags_(flags),
        config_(std::move(config)),
        cadence_(std::move(cadence)),
        tables_(config_.schedule.retry),
        stop_(stop),
        terminal_(terminal),
        service_(std::move(service)),
        metrics_(clock_),
        maintenance_(clock_, terminal),
        endpoints_(metrics_, maintenance_.metrics()),
        status_(endpoints_, stop, terminal, clock_) {
    Measure();
    notifier_ = MakeNotifier(config_, /*is_served=*/!flags_.once, clock_, terminal_);
  }

  Result<int> Serve(int64_t stop_limit_micros) {
    ARROW_RETURN_NOT_OK(Listen());
    schedule::ServeOptions options;
    options.once = flags_.once;
    options.stop_limit_micros = stop_limit_micros;
    options.idle = &maintenance_;
    ServiceObserver observer(*this, service_, clock_, terminal_);
    AliveWaiter waiter(service_, [this] { terminal_.EndTable(""); });  // waits for who writes to stderr
    schedule::ServeLoop loop(
        cadence_, options, [this](const schedule::DueCycle& due) { return Cycle(due); },
        [this] {
          service_.Reloading();
          return Reload();
        },
        stop_, clock_, waiter, observer);
    TellTables(EventKind::kServeStarted, fmt::format("serving {} of {}: {}", Count(config_.tables.size(), "table"),
                                                     config_.file, cadence_.ToString()));
    status_.SetLoop(&loop);
    const schedule::ServeOutcome outcome = loop.Run();
    status_.SetLoop(nullptr);
    terminal_.EndProgress();
    if (notifier_) notifier_->Finish(kNotifyEndMs);
    if (outcome.end == schedule::ServeEnd::kDidNotStop) {
      terminal_.Tell(
          Event(EventKind::kCycleGivenUp,
                "what runs did not end in time and is given up; the next cycle finds out what was committed"));
      std::fflush(nullptr);
      _exit(128 + stop_.signal());
    }
    if (outcome.end == schedule::ServeEnd::kStopped) return ExitCodeOf(stop_.Check(), stop_);
    return outcome.last_cycle.ok() ? exit_code_ : ExitCodeOf(outcome.last_cycle, stop_);
  }

  void OnWaiting(const schedule::DueCycle& next) override {
    status_.state().OnWaiting(next);
    Event event(EventKind::kNextCycle,
                fmt::format("next cycle at {} ({})", FormatTimestamp(next.at), CycleCauseName(next.cause)));
    event.SetTime(EventField::kAt, next.at);
    terminal_.Tell(event.Set(EventField::kCause, std::string(CycleCauseName(next.cause))));
  }
  void OnCycleStarted(const schedule::DueCycle& cycle) override {
    status_.state().OnCycleStarted(cycle);
    const std::string more = cycle.stands_for > 1 ? fmt::format(", for {} times that passed", cycle.stands_for) : "";
    Event event(EventKind::kCycleStarted, fmt::format("cycle begins ({}{})", CycleCauseName(cycle.cause), more));
    terminal_.Tell(event.Set(EventField::kCause, std::string(CycleCauseName(cycle.cause))));
  }
  void OnCycleFinished(const schedule::DueCycle&, const Result<schedule::CycleReport>& report) override {
    terminal_.EndProgress();
    if (report.ok()) return;
    if (notifier_) notifier_->Observe(ObservationsOf(config_, report.status(), cycle_id_));
    metrics_.OnCycleFailed(report.status());
    status_.state().OnCycleFailed(report.status());
    endpoints_.SetNotReady(fmt::format("the last cycle failed as a whole: {}", ErrorKindName(KindOf(report.status()))));
    const Status error = WithContext(report.status(), "the cycle failed as a whole");
    terminal_.Tell(Event::Of(EventKind::kCycleFailed, error).Set(EventField::kCycle, cycle_id_));
  }
  void OnReloaded(const schedule::Cadence& cadence) override {
    TellTables(EventKind::kConfigReloaded, fmt::format("read {} again: {}, {}", config_.file,
                                                       Count(config_.tables.size(), "table"), cadence.ToString()));
  }
  void OnReloadFailed(const Status& status) override {
    status_.state().OnReloadFailed(status);
    terminal_.Tell(Event::Of(EventKind::kConfigNotReloaded,
                             WithContext(status, "the configuration was not read again, the old one stays in force")));
  }
  void OnStopping(std::optional<TimestampMicros> limit) override {
    endpoints_.SetNotReady("stopping");
    status_.state().OnStopping();
    terminal_.Tell(Event(EventKind::kStopping,
                         limit ? fmt::format("stopping; the cycle that runs has until {}", FormatTimestamp(*limit))
                               : std::string("stopping")));
  }

 private:
  static std::string Count(size_t number, const char* noun) {
    return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
  }

  void TellTables(EventKind kind, std::string message) {
    terminal_.Tell(
        Event(kind, std::move(message)).Set(EventField::kTables, static_cast<int64_t>(config_.tables.size())));
  }

  Status Listen() {
    if (flags_.once && flags_.listen.empty()) return Status::OK();  // over before anybody asks
    if ((flags_.listen.empty() ? config_.serve.listen : flags_.listen) == "off") return Status::OK();
    return status_.Listen(flags_.listen);
  }

  // Metrics and page are of this configuration from now on.
  void Measure() {
    const int64_t interval = config::LongestIntervalMicros(cadence_, clock_.Now());
    metrics_.Configure(serve::MeasuredTablesOf(config_), interval);
    status_.Configure(config_, cadence_.ToString(), interval);
    std::vector<std::string> names;
    for (const config::TableConfig& table : config_.tables) names.push_back(table.name);
    endpoints_.SetFindings(config_.metrics.directory, std::move(names));
    maintenance_.Configure(config_);
  }

  // A table's lag is told also where this process never moved its watermark: it fails, it is put aside, others work on
  // it. What cannot be read is not worth a word here: the cycle says it.
  void ReadTables(catalog::Catalog& catalog, const std::function<bool(const std::string& table)>& wanted) {
    for (const config::TableConfig& table : config_.tables) {
      if (!wanted(table.name) || stop_.stopped()) continue;
      auto loaded = catalog.LoadTable(table.target);
      // A catalog that is away is not asked for every table: each answer takes its time-outs.
      if (!loaded.ok() && KindOf(loaded.status()) != ErrorKind::kNotFound) return;
      serve::TableFacts facts = loaded.ok() ? serve::FactsOf(loaded->metadata) : serve::TableFacts{};
      if (facts.watermark) metrics_.OnWatermark(table.name, *facts.watermark);
      status_.state().OnTableRead(table.name, std::move(facts));
    }
  }

  // Everything is opened for the cycle: a journal that is back is used again, a password that changed is read.
  Result<schedule::CycleReport> Cycle(const schedule::DueCycle& due) {
    metrics_.OnCycleStarted();
    cycle_id_ = RandomUuid();
    const TimestampMicros now = clock_.Now();
    ARROW_ASSIGN_OR_RAISE(TargetSide side, OpenTargetSide(config_, clock_, stop_, /*read_only=*/false));
    if (!side.journal) {
      terminal_.Tell(JournalUnavailable(side.journal_error).Set(EventField::kCycle, cycle_id_));
    }
    ARROW_ASSIGN_OR_RAISE(auto source, OpenSourceOf(config_.source, stop_));
    endpoints_.SetNotReady("");
    status_.ReadJournal(side.journal.get(), side.journal_error);
    tables_.SetPaused(status_.state().paused());
    cycle::CycleOptions options = tables_.OptionsFor(config_, due.cause, now);
    options.longest_micros = std::max(kLongestMin, cadence_.NextAfter(now) - now);
    status_.state().OnTablesChosen(options.tables.size());
    ReadTables(*side.catalog, [this](const std::string& table) { return !status_.state().KnowsTable(table); });
    CycleTerminal told(terminal_, config_, /*dry_run=*/false, cycle_id_);
    ServiceReporter told_service(told, config_, service_);
    serve::MeasuringReporter measuring(told_service, config_, metrics_);
    serve::StateReporter reporter(measuring, config_, status_.state());
    ARROW_ASSIGN_OR_RAISE(
        const cycle::CycleReport report,
        cycle::RunConfiguredCycle(
            config_, options, {*source, *side.catalog, *side.file_io, side.journal.get(), clock_, stop_}, reporter));
    metrics_.OnCycleEnded(report);
    if (notifier_) notifier_->Observe(ObservationsOf(config_, report, cycle_id_));
    ReadTables(*side.catalog, [&](const std::string& table) {
      const auto found = std::ranges::find(report.tables, table, &cycle::TableReport::name);
      if (found == report.tables.end() || found->outcome.state != schedule::TableState::kDone) return true;
      const auto& offload = found->offload;
      return status_.is_listening() && offload && (offload->snapshot_id || offload->late.snapshot_id);
    });
    status_.state().OnCycleEnded(report);
    exit_code_ = CycleExitCode(report, stop_);
    terminal_.EndProgress();
    terminal_.Tell(CycleEndedEvent(report, cycle_id_));
    if (flags_.output.json) {
      PrintJson(CycleJson(report, /*dry_run=*/false));
      std::fflush(stdout);
    }
    schedule::CycleReport learnt = tables_.Learn(report, clock_.Now(), RandomUnit);
    status_.Learn(tables_, clock_.Now());
    return learnt;
  }

  // All or nothing.
  Result<schedule::Cadence> Reload() {
    ARROW_ASSIGN_OR_RAISE(config::Config config, config::LoadConfig(flags_.config, config::ProcessEnvironment()));
    ARROW_ASSIGN_OR_RAISE(schedule::Cadence cadence, config::CadenceOf(config.schedule));
    if (config.serve != config_.serve) terminal_.Warn("`serve` is taken over at the next start");
    config_ = std::move(config);
    cadence_ = cadence;
    Measure();
    notifier_ = MakeNotifier(config_, /*is_served=*/!flags_.once, clock_, terminal_);
    tables_.Forget(config_.schedule.retry);
    return cadence;
  }

  const ServeFlags& flags_;
  // Of the cycle's thread while one runs, else of Serve's.
  config::Config config_;
  schedule::Cadence cadence_;
  cycle::ServedTables tables_;
  std::string cycle_id_;  // of the cycle that runs or ran last
  int exit_code_ = kExitDone;

  StopToken& stop_;
  Terminal& terminal_;
  ServiceNotifier service_;
  const SystemClock clock_;
  serve::OffloadMetrics metrics_;
  ServedMaintenance maintenance_;
  serve::Endpoints endpoints_;
  StatusServer status_;  // it is asked for all of the above
  std::unique_ptr<notify::Notifier> notifier_;  // null: nobody is to be told. Last, for it uses what stands above
};

int Serve(const ServeFlags& flags, StopToken& stop) {
  TerminalOptions options = TerminalOptionsOf(flags.output);
  options.show_time = true;
  Terminal terminal(options);
  auto served = [&]() -> Result<int> {
    ARROW_ASSIGN_OR_RAISE(const int64_t stop_limit, ParseDuration(flags.stop_limit));
    ARROW_ASSIGN_OR_RAISE(config::Config config, config::LoadConfig(flags.config, config::ProcessEnvironment()));
    ARROW_ASSIGN_OR_RAISE(schedule::Cadence cadence, config::CadenceOf(config.schedule));
    ARROW_ASSIGN_OR_RAISE(ServiceEnvironment service, ReadServiceEnvironment(std::getenv, getpid()));
    return Server(flags, std::move(config), std::move(cadence), stop, terminal, std::move(service)).Serve(stop_limit);
  }();
  if (served.ok()) return *served;
  terminal.Error(served.status());
  return ExitCodeOf(served.status(), stop);
}

}  // namespace

void AddServeCommand(CLI::App& app, RunCommand& run) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* command = app.add_subcommand("serve", "Cycles on the configuration's schedule, until it is told to stop");
  AddConfigFlag(*command, flags->config);
  command->add_flag("--once", flags->once, "one cycle now and what it needs to catch up, then the end");
  command->add_option("--stop-limit", flags->stop_limit, "how long a cycle may take to end once a stop is asked for")
      ->capture_default_str();
  command
      ->add_option(
          "--listen", flags->listen,
          "HOST:PORT of the status page, the API and /metrics, in place of the configuration's serve.listen; port 0 is "
          "any that is free, `off` is none")
      ->envname("CALVE_LISTEN");
  AddOutputFlags(*command, flags->output);
  command->get_option("--json")->description("one JSON object on stdout for each cycle, a line each");
  command->footer(fmt::format("{}\n{}", kServeFooter, kServeExitCodes));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return Serve(*flags, stop); }; });
}

}  // namespace calve::cli
