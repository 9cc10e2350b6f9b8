#include "calve/cli/status_server.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "calve/cli/session.h"
#include "calve/cycle/table_request.h"
#include "calve/offload/verify.h"
#include "calve/schedule/serve_loop.h"

namespace calve::cli {
namespace {

constexpr size_t kJobsWaitingMax = 16;
constexpr int kRunsReadMin = 500, kRunsReadMax = 4000, kRunsForATable = 20;

std::string OwnHostName() {
  char name[256] = "";
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

// The names by which it may be asked: what it listens at, the machine's, and those of the configuration.
std::vector<std::string> HostNamesOf(const config::ServeConfig& serve, const http::ListenAddress& address) {
  std::vector<std::string> names = serve.host_names;
  if (!address.IsLoopback()) names.push_back(OwnHostName());
  names.push_back(address.host);
  for (std::string& name : names) {
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  }
  std::erase(names, "");
  return names;
}

class JobProgress : public offload::ProgressSink {
 public:
  JobProgress(serve::ServerState& state, std::string table) : state_(state), table_(std::move(table)) {}
  void Update(const offload::Progress& progress) override {
    state_.OnVerify(table_, [&](serve::VerifyJob& job) { job.progress = progress; });
  }
  void Note(const std::string&) override {}

 private:
  serve::ServerState& state_;
  const std::string table_;
};

}  // namespace

StatusServer::StatusServer(serve::Endpoints& endpoints, StopToken& stop, Terminal& terminal, const Clock& clock)
    : endpoints_(endpoints), stop_(stop), terminal_(terminal), clock_(clock), state_(clock) {}

StatusServer::~StatusServer() {
  http_.reset();  // nobody asks for more
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  if (worker_.joinable()) worker_.join();
}

void StatusServer::Configure(const config::Config& config, const std::string& schedule, int64_t interval_micros) {
  state_.Configure(config, schedule, interval_micros);
  std::lock_guard lock(mutex_);
  config_ = config;
}

config::Config StatusServer::ConfigNow() const {
  std::lock_guard lock(mutex_);
  return config_;
}

void StatusServer::SetLoop(schedule::ServeLoop* loop) {
  std::lock_guard lock(mutex_);
  loop_ = loop;
}

Status StatusServer::Listen(const std::string& where) {
  const config::ServeConfig serve = ConfigNow().serve;
  ARROW_ASSIGN_OR_RAISE(const http::ListenAddress address,
                        http::ParseListenAddress(where.empty() ? serve.listen : where));
  const char* value = std::getenv("CALVE_SERVE_TOKEN");
  token_.emplace(serve.token_file, value ? value : "");
  ARROW_RETURN_NOT_OK(token_->Read().status());  // what is wrong with it is said at the start
  serve::StatusApiOptions options;
  options.access.needs_token_to_read = !address.IsLoopback() && !serve.public_read;
  options.access.host_names = HostNamesOf(serve, address);
  api_.emplace(state_, endpoints_, *token_, *this, clock_, std::move(options));
  serve::HttpOptions http;
  if (!serve.tls.cert_file.empty()) http.tls = serve::TlsFiles{serve.tls.cert_file, serve.tls.key_file};
  const bool takes_actions = token_->is_given();
  http.events.whole = [this, takes_actions] {
    return serve::ServerEvent{"status",
                              serve::DumpJson(serve::StatusDocument(state_.Look(), takes_actions, clock_.Now()))};
  };
  http.events.changes = [this, takes_actions]() -> std::vector<serve::ServerEvent> {
    const serve::StateChanges changes = state_.TakeChanges();
    if (changes.empty()) return {};
    return serve::EventsOf(changes, state_.Look(), takes_actions, clock_.Now());
  };
  ARROW_ASSIGN_OR_RAISE(http_, serve::HttpServer::Start(
                                   address, [this](const serve::HttpRequest& request) { return api_->Answer(request); },
                                   std::move(http)));
  const std::string at = http_->address().ToString();
  terminal_.Note(fmt::format("listening at {}://{}: the status page, /api/v1, /metrics, /healthz, /readyz",
                             serve.tls.cert_file.empty() ? "http" : "https", at));
  if (address.IsLoopback()) return Status::OK();
  if (serve.tls.cert_file.empty()) {
    terminal_.Warn(
        fmt::format("what goes to and from {} can be read on its way, the token with it: set serve.tls, or "
                    "have a proxy in front that speaks TLS",
                    at));
  }
  terminal_.Warn(fmt::format("whoever can reach {} can read the names of the tables and their numbers{}", at,
                             serve.public_read ? ", errors and snapshots" : " (/metrics)"));
  return Status::OK();
}

void StatusServer::ReadJournal(journal::Journal* journal, const Status& error) {
  if (!journal) {
    state_.SetJournalProblem(fmt::format("the journal could not be opened: {}", MessageOf(error)));
    return;  // who was paused still is
  }
  const auto pauses = journal->ReadPauses();
  state_.SetJournalProblem(pauses.ok() ? "" : fmt::format("the journal: {}", MessageOf(pauses.status())));
  if (pauses.ok()) state_.SetPauses(*pauses);
  if (state_.is_history_known()) return;
  const auto tables = static_cast<int>(std::min<size_t>(ConfigNow().tables.size(), kRunsReadMax));
  const auto runs = journal->LastRuns("", std::clamp(tables * kRunsForATable, kRunsReadMin, kRunsReadMax));
  if (runs.ok()) state_.SetHistory(serve::CyclesOfRuns(*runs, OwnHostName(), getpid()));
}

void StatusServer::Learn(const cycle::ServedTables& tables, TimestampMicros now) {
  for (const config::TableConfig& table : ConfigNow().tables) {
    const schedule::TableHealth* health = tables.HealthOf(table.name);
    if (!health) continue;
    const bool is_aside = health->put_aside() && !health->DueAt(now);
    state_.SetAside(table.name, health->failures(), is_aside ? health->Describe() : "");
  }
}

Status StatusServer::RunNow() {
  ARROW_RETURN_NOT_OK(stop_.Check());
  std::lock_guard lock(mutex_);
  if (!loop_) return MakeError(ErrorKind::kStopped, "calve serve is not running cycles");
  state_.OnRunRequested();  // before the cycle can begin, which ends it
  loop_->RequestRun();
  terminal_.Note("a cycle was asked for over HTTP");
  return Status::OK();
}

Status StatusServer::WithJournal(const std::function<Status(journal::Journal&)>& change) {
  const config::Config config = ConfigNow();
  ARROW_ASSIGN_OR_RAISE(const std::unique_ptr<journal::Journal> journal, OpenJournalOf(config, /*read_only=*/false));
  if (!journal) {
    return MakeError(ErrorKind::kConfig, "there is no journal to keep a pause in", "Name one as state.url.");
  }
  return change(*journal);
}

Status StatusServer::Pause(const std::string& table) {
  const TimestampMicros now = clock_.Now();
  const auto target = state_.TargetOf(table);
  if (!target) return MakeError(ErrorKind::kNotFound, fmt::format("there is no table '{}'", table));
  ARROW_RETURN_NOT_OK(WithJournal([&](journal::Journal& journal) { return journal.WritePause(*target, now); }));
  state_.SetPaused(table, now);
  terminal_.Note(fmt::format("{}: paused over HTTP", table));
  return Status::OK();
}

Status StatusServer::Resume(const std::string& table) {
  const auto target = state_.TargetOf(table);
  if (!target) return MakeError(ErrorKind::kNotFound, fmt::format("there is no table '{}'", table));
  ARROW_RETURN_NOT_OK(WithJournal([&](journal::Journal& journal) { return journal.RemovePause(*target); }));
  state_.SetPaused(table, std::nullopt);
  terminal_.Note(fmt::format("{}: resumed over HTTP", table));
  return Status::OK();
}

Status StatusServer::Verify(const std::string& table, const serve::VerifyJob& job) {
  ARROW_RETURN_NOT_OK(stop_.Check());
  std::lock_guard lock(mutex_);
  if (waiting_.size() >= kJobsWaitingMax) {
    return MakeError(ErrorKind::kRetry, fmt::format("{} comparisons wait already", waiting_.size()),
                     "Try again when some are done.");
  }
  serve::VerifyJob queued = job;
  queued.config_file = config_.file;
  if (!state_.QueueVerify(table, queued)) {
    return MakeError(ErrorKind::kAlreadyExists, fmt::format("{} is being compared already", table),
                     "Its outcome is shown when it is done.");
  }
  waiting_.push_back({table, std::move(queued)});
  if (!worker_.joinable()) worker_ = std::jthread([this] { Work(); });
  changed_.notify_all();
  terminal_.Note(fmt::format("{}: verify was asked for over HTTP", table));
  return Status::OK();
}

// One comparison at a time, whatever a cycle does meanwhile: it only reads.
void StatusServer::Work() {
  for (;;) {
    WaitingJob job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
      if (ended_) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
    }
    state_.OnVerify(job.table, [&](serve::VerifyJob& now) {
      now.state = serve::VerifyJob::State::kRunning;
      now.started = clock_.Now();
    });
    auto result = Compare(job);
    const TimestampMicros now = clock_.Now();
    if (result.ok()) {
      const Status kept = endpoints_.AddVerify(job.table, *result, now);
      if (!kept.ok()) terminal_.Warn(fmt::format("the metrics were not written: {}", MessageOf(kept)));
      terminal_.Note(fmt::format("{}: verify found {}", job.table, result->equal() ? "no difference" : "DIFFERENCES"));
    } else if (KindOf(result.status()) != ErrorKind::kStopped) {
      terminal_.Error(WithContext(result.status(), "verify " + job.table));
    }
    state_.OnVerify(job.table, [&](serve::VerifyJob& ended) {
      ended.finished = now;
      ended.state = result.ok() ? serve::VerifyJob::State::kDone : serve::VerifyJob::State::kFailed;
      ended.error = result.status();
      if (result.ok()) ended.result = std::move(*result);
    });
  }
}

Result<offload::VerifyResult> StatusServer::Compare(const WaitingJob& job) {
  const config::Config config = ConfigNow();
  const auto table = std::ranges::find(config.tables, job.table, &config::TableConfig::name);
  if (table == config.tables.end()) {
    return MakeError(ErrorKind::kNotFound, "the configuration has no such table any more");
  }
  offload::VerifyRequest request;
  request.from = job.job.from;
  request.to = job.job.to;
  // Beside what a cycle may use.
  request.memory_bytes = std::max<int64_t>(config.limits.memory_bytes / 4, 16 << 20);
  ARROW_ASSIGN_OR_RAISE(TargetSide side, OpenTargetSide(config, clock_, stop_, /*read_only=*/true));
  ARROW_ASSIGN_OR_RAISE(auto source, OpenSourceOf(config.source, stop_));
  JobProgress progress(state_, job.table);
  offload::VerifyContext context{source.get(), *side.catalog, *side.file_io,     clock_,
                                 stop_,        progress,      side.journal.get()};
  return offload::VerifyTable(context, cycle::VerifyRequestOf(*table, request));
}

}  // namespace calve::cli
