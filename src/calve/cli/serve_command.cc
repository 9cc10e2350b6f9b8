#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "calve/base/random.h"
#include "calve/cli/command.h"
#include "calve/cli/cycle_terminal.h"
#include "calve/cli/exit_code.h"
#include "calve/cli/session.h"
#include "calve/config/load_config.h"
#include "calve/cycle/served_tables.h"
#include "calve/schedule/serve_loop.h"

namespace calve::cli {
namespace {

constexpr const char* kServeFooter = R"(Examples:
  calve serve                             cycles by the schedule of calve.yaml, until it is told to stop
  calve serve --config /etc/calve.yaml --log-format json
  calve serve --once                      one cycle now, and what it needs to catch up
  kill -HUP PID                           reads the configuration again; one that is wrong leaves the old one in force

Cycles never overlap. Times that were missed (a long cycle, downtime) are one cycle, which begins at once. A table that fails is
tried again after growing waits, and put aside after five failures in a row, so that the others are not held up. SIGTERM and
SIGINT finish or undo the step at hand. docs/schedule.md tells it all.)";

constexpr const char* kServeExitCodes =
    "Exit codes: 130/143 stopped by a signal; with --once those of `calve run`; 2 bad usage or configuration at the "
    "start, 1 failed.";

struct ServeFlags {
  OutputFlags output;
  std::string config = "calve.yaml", stop_limit = "25s";
  bool once = false;
};

Result<schedule::Cadence> CadenceOf(const config::ScheduleConfig& schedule) {
  if (!schedule.cron.empty()) return schedule::Cadence::Cron(schedule.cron, schedule.timezone);
  return schedule::Cadence::Every(schedule.every_micros, schedule.offset_micros);
}

// A table goes on for so long at least before others have their turn.
constexpr int64_t kLongestMin = 60 * kMicrosPerSecond;

class Server : public schedule::ServeObserver {
 public:
  Server(const ServeFlags& flags, config::Config config, schedule::Cadence cadence, StopToken& stop, Terminal& terminal)
      : flags_(flags),
        config_(std::move(config)),
        cadence_(std::move(cadence)),
        tables_(config_.schedule.retry),
        stop_(stop),
        terminal_(terminal) {}

  int Serve(int64_t stop_limit_micros) {
    schedule::ServeOptions options;
    options.once = flags_.once;
    options.stop_limit_micros = stop_limit_micros;
    schedule::SystemWaiter waiter;
    schedule::ServeLoop loop(
        cadence_, options, [this](const schedule::DueCycle& due) { return Cycle(due); }, [this] { return Reload(); },
        stop_, clock_, waiter, *this);
    terminal_.Note(
        fmt::format("serving {} of {}: {}", Count(config_.tables.size(), "table"), config_.file, cadence_.ToString()));
    const schedule::ServeOutcome outcome = loop.Run();
    terminal_.EndProgress();
    if (outcome.end == schedule::ServeEnd::kDidNotStop) {
      terminal_.Warn("the cycle did not end in time and is given up; the next one finds out what was committed");
      std::fflush(nullptr);
      _exit(128 + stop_.signal());
    }
    if (outcome.end == schedule::ServeEnd::kStopped) return ExitCodeOf(stop_.Check(), stop_);
    return outcome.last_cycle.ok() ? exit_code_ : ExitCodeOf(outcome.last_cycle, stop_);
  }

  void OnWaiting(const schedule::DueCycle& next) override {
    terminal_.Note(fmt::format("next cycle at {} ({})", FormatTimestamp(next.at), CycleCauseName(next.cause)));
  }
  void OnCycleStarted(const schedule::DueCycle& cycle) override {
    const std::string more = cycle.stands_for > 1 ? fmt::format(", for {} times that passed", cycle.stands_for) : "";
    terminal_.Note(fmt::format("cycle begins ({}{})", CycleCauseName(cycle.cause), more));
  }
  void OnCycleFinished(const schedule::DueCycle&, const Result<schedule::CycleReport>& report) override {
    terminal_.EndProgress();
    if (!report.ok()) terminal_.Error(WithContext(report.status(), "the cycle failed as a whole"));
  }
  void OnReloaded(const schedule::Cadence& cadence) override {
    terminal_.Note(
        fmt::format("read {} again: {}, {}", config_.file, Count(config_.tables.size(), "table"), cadence.ToString()));
  }
  void OnReloadFailed(const Status& status) override {
    terminal_.Error(WithContext(status, "the configuration was not read again, the old one stays in force"));
  }
  void OnStopping(std::optional<TimestampMicros> limit) override {
    terminal_.Note(limit ? fmt::format("stopping; the cycle that runs has until {}", FormatTimestamp(*limit))
                         : std::string("stopping"));
  }

 private:
  static std::string Count(size_t number, const char* noun) {
    return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
  }

  // Everything is opened for the cycle: a journal that is back is used again, a password that changed is read.
  Result<schedule::CycleReport> Cycle(const schedule::DueCycle& due) {
    const TimestampMicros now = clock_.Now();
    cycle::CycleOptions options = tables_.OptionsFor(config_, due.cause, now);
    options.longest_micros = std::max(kLongestMin, cadence_.NextAfter(now) - now);
    ARROW_ASSIGN_OR_RAISE(TargetSide side, OpenTargetSide(config_, clock_, stop_, /*read_only=*/false));
    if (!side.journal) {
      terminal_.Warn(
          fmt::format("the journal could not be opened, going on without: {}", MessageOf(side.journal_error)));
    }
    ARROW_ASSIGN_OR_RAISE(auto source, OpenSourceOf(config_.source, stop_));
    CycleTerminal reporter(terminal_, config_, /*dry_run=*/false);
    ARROW_ASSIGN_OR_RAISE(
        const cycle::CycleReport report,
        cycle::RunConfiguredCycle(
            config_, options, {*source, *side.catalog, *side.file_io, side.journal.get(), clock_, stop_}, reporter));
    exit_code_ = CycleExitCode(report, stop_);
    terminal_.EndProgress();
    terminal_.Note("cycle ended: " + CycleSummary(report));
    if (flags_.output.json) {
      PrintJson(CycleJson(report, /*dry_run=*/false));
      std::fflush(stdout);
    }
    return tables_.Learn(report, clock_.Now(), RandomUnit);
  }

  // All or nothing.
  Result<schedule::Cadence> Reload() {
    ARROW_ASSIGN_OR_RAISE(config::Config config, config::LoadConfig(flags_.config, config::ProcessEnvironment()));
    ARROW_ASSIGN_OR_RAISE(schedule::Cadence cadence, CadenceOf(config.schedule));
    config_ = std::move(config);
    cadence_ = cadence;
    tables_.Forget(config_.schedule.retry);
    return cadence;
  }

  const ServeFlags& flags_;
  // Of the cycle's thread while one runs, else of Serve's.
  config::Config config_;
  schedule::Cadence cadence_;
  cycle::ServedTables tables_;
  int exit_code_ = kExitDone;

  StopToken& stop_;
  Terminal& terminal_;
  const SystemClock clock_;
};

int Serve(const ServeFlags& flags, StopToken& stop) {
  TerminalOptions options = TerminalOptionsOf(flags.output);
  options.show_time = true;
  Terminal terminal(options);
  auto served = [&]() -> Result<int> {
    ARROW_ASSIGN_OR_RAISE(const int64_t stop_limit, ParseDuration(flags.stop_limit));
    ARROW_ASSIGN_OR_RAISE(config::Config config, config::LoadConfig(flags.config, config::ProcessEnvironment()));
    ARROW_ASSIGN_OR_RAISE(schedule::Cadence cadence, CadenceOf(config.schedule));
    return Server(flags, std::move(config), std::move(cadence), stop, terminal).Serve(stop_limit);
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
  AddOutputFlags(*command, flags->output);
  command->get_option("--json")->description("one JSON object on stdout for each cycle, a line each");
  command->footer(fmt::format("{}\n{}", kServeFooter, kServeExitCodes));
  command->callback([flags, &run] { run = [flags](StopToken& stop) { return Serve(*flags, stop); }; });
}

}  // namespace calve::cli
