#include "calve/serve/status_document.h"

#include <algorithm>

namespace calve::serve {
namespace {

using schedule::TableState;

constexpr int64_t kWindowMicros = 60 * kMicrosPerSecond;
constexpr size_t kBucketsShown = 20;

Json OrNull(const std::optional<int64_t>& value) { return value ? Json(*value) : Json(nullptr); }
Json InstantOrNull(const std::optional<TimestampMicros>& time) {
  return time ? Json(FormatTimestamp(*time)) : Json(nullptr);
}
Json InstantOrNull(const std::string& time) { return time.empty() ? Json(nullptr) : Json(time); }
double SecondsBetween(TimestampMicros from, TimestampMicros to) { return static_cast<double>(to - from) / 1e6; }

const char* NameOf(VerifyJob::State state) {
  switch (state) {
    case VerifyJob::State::kQueued:
      return "queued";
    case VerifyJob::State::kRunning:
      return "running";
    case VerifyJob::State::kDone:
      return "done";
    case VerifyJob::State::kFailed:
      return "failed";
  }
  return "";
}

Json RunDocument(const TableRun& run) {
  Json json;
  json["state"] = schedule::TableStateName(run.state);
  json["reason"] = run.reason;
  json["error"] = run.error.ok() ? Json(nullptr) : ErrorDocument(run.error);
  json["started_at"] = InstantOrNull(run.started);
  json["finished_at"] = InstantOrNull(run.finished);
  json["seconds"] = run.started && run.finished ? Json(SecondsBetween(*run.started, *run.finished)) : Json(nullptr);
  json["rows"] = run.rows;
  json["late_rows"] = run.late_rows;
  json["files"] = run.files;
  json["bytes"] = run.bytes;
  json["window_to"] = InstantOrNull(run.window_to);
  json["backlog"] = run.backlog;
  return json;
}

// The share that is done and the time that is left are estimates, where there is something to estimate from.
Json ProgressOf(const offload::Progress& progress, double seconds) {
  Json json;
  json["phase"] = progress.phase.empty() ? "starting" : progress.phase;
  json["rows"] = progress.rows;
  json["rows_expected"] = progress.rows_expected;
  json["bytes_read"] = progress.bytes_read;
  json["bytes_written"] = progress.bytes_written;
  json["seconds"] = seconds;
  const double rate = seconds > 0 ? static_cast<double>(progress.rows) / seconds : 0;
  json["rows_per_second"] = rate;
  json["share"] = nullptr;
  json["seconds_left"] = nullptr;
  if (progress.rows_expected > 0) {
    const double share = static_cast<double>(progress.rows) / static_cast<double>(progress.rows_expected);
    json["share"] = std::min(share, 1.0);
    const int64_t left = progress.rows_expected - progress.rows;
    if (rate > 0 && left >= 0) json["seconds_left"] = static_cast<double>(left) / rate;
  }
  return json;
}

Json FindingsOf(const offload::VerifyResult& result, const std::string& table, const std::string& config_file) {
  int64_t missing = 0, extra = 0, extra_allowed = 0, changed = 0, duplicates = 0, different = 0;
  Json buckets = Json::array();
  for (const offload::BucketResult& bucket : result.differences) {
    missing += bucket.missing;
    (bucket.extra_allowed ? extra_allowed : extra) += bucket.extra;
    changed += bucket.changed;
    duplicates += bucket.duplicates;
    if (!bucket.different) continue;
    ++different;
    if (buckets.size() == kBucketsShown) continue;
    buckets.push_back({{"from", FormatTimestamp(bucket.start)},
                       {"missing", bucket.missing},
                       {"extra", bucket.extra},
                       {"changed", bucket.changed},
                       {"duplicates", bucket.duplicates}});
  }
  Json json;
  json["equal"] = result.equal();
  json["rows_hot"] = result.rows_hot;
  json["rows_cold"] = result.rows_cold;
  json["buckets"] = result.buckets;
  json["buckets_different"] = different;
  json["missing"] = missing;
  json["extra"] = extra;
  json["extra_allowed"] = extra_allowed;
  json["changed"] = changed;
  json["duplicates"] = duplicates;
  json["differences"] = std::move(buckets);
  json["up_to"] = InstantOrNull(result.up_to);
  json["seconds"] = result.seconds;
  json["remedy"] = result.equal() ? std::string()
                                  : fmt::format(
                                        "Look at the rows: calve verify --config {0} --table {1} --rows 3; with "
                                        "--repair it mends what differs.",
                                        config_file, table);
  return json;
}

Json VerifyDocument(const VerifyJob& job, const std::string& table, TimestampMicros now) {
  Json json;
  json["state"] = NameOf(job.state);
  json["from"] = InstantOrNull(job.from);
  json["to"] = InstantOrNull(job.to);
  json["asked_at"] = FormatTimestamp(job.asked);
  json["started_at"] = InstantOrNull(job.started);
  json["finished_at"] = InstantOrNull(job.finished);
  json["progress"] = nullptr;
  if (job.state == VerifyJob::State::kRunning) {
    json["progress"] = ProgressOf(job.progress, SecondsBetween(job.started.value_or(now), now));
  }
  json["error"] = job.error.ok() ? Json(nullptr) : ErrorDocument(job.error);
  json["result"] = job.result ? FindingsOf(*job.result, table, job.config_file) : Json(nullptr);
  return json;
}

Json RunningOf(const TableNow& table, TimestampMicros now) {
  if (!table.running_since) return nullptr;
  Json json = ProgressOf(table.progress.value_or(offload::Progress{}),
                         std::max(0.0, SecondsBetween(*table.running_since, now)));
  json["since"] = FormatTimestamp(*table.running_since);
  return json;
}

}  // namespace

std::string DumpJson(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json ErrorDocument(const Status& status) {
  return {{"kind", ErrorKindName(KindOf(status))}, {"message", MessageOf(status)}, {"remedy", RemedyOf(status)}};
}

LateAt LateAtOf(TimestampMicros watermark, int64_t delay_micros, int64_t interval_micros) {
  const TimestampMicros expected = watermark + delay_micros;
  return {expected + std::max<int64_t>(15 * kWindowMicros, interval_micros),
          expected + std::max<int64_t>(20 * kWindowMicros, interval_micros + interval_micros / 3)};
}

std::string_view ConditionOf(const TableNow& table, int64_t interval_micros, TimestampMicros now) {
  if (table.running_since) return "running";
  if (table.paused_since) return "paused";
  if (!table.aside.empty()) return "put-aside";
  if (table.last_failure) return "failed";
  if (table.last_run && table.last_run->state == TableState::kSkipped && table.last_run->blocks) return "held-up";
  if (!table.facts) return table.last_run ? "empty" : "unknown";
  if (!table.facts->watermark) return "empty";
  const LateAt at = LateAtOf(*table.facts->watermark, table.table.delay_micros, interval_micros);
  return now >= at.overdue ? "overdue" : now >= at.late ? "late" : "fresh";
}

Json TableDocument(const TableNow& table, int64_t interval_micros, TimestampMicros now) {
  const std::optional<TimestampMicros> watermark = table.facts ? table.facts->watermark : std::nullopt;
  const LateAt at = watermark ? LateAtOf(*watermark, table.table.delay_micros, interval_micros) : LateAt{};
  Json json;
  json["name"] = table.table.name;
  json["layer"] = table.table.layer;
  json["column"] = table.table.column;
  json["after"] = table.table.after;
  json["source"] = table.table.source;
  json["target"] = table.table.target;
  json["state"] = ConditionOf(table, interval_micros, now);
  json["watermark"] = InstantOrNull(watermark);
  json["lag_seconds"] = watermark ? Json(SecondsBetween(*watermark, now)) : Json(nullptr);
  json["delay_seconds"] = static_cast<double>(table.table.delay_micros) / 1e6;
  json["late_at"] = watermark ? Json(FormatTimestamp(at.late)) : Json(nullptr);
  json["overdue_at"] = watermark ? Json(FormatTimestamp(at.overdue)) : Json(nullptr);
  json["rows"] = OrNull(table.facts ? table.facts->rows : std::nullopt);
  json["files"] = OrNull(table.facts ? table.facts->files : std::nullopt);
  json["bytes"] = OrNull(table.facts ? table.facts->bytes : std::nullopt);
  json["snapshots"] = table.facts ? Json(table.facts->snapshot_count) : Json(nullptr);
  json["running"] = RunningOf(table, now);
  json["last_run"] = table.last_run ? RunDocument(*table.last_run) : Json(nullptr);
  json["last_failure"] = table.last_failure ? RunDocument(*table.last_failure) : Json(nullptr);
  json["failures"] = table.failures;
  json["put_aside"] = table.aside;
  json["paused_since"] = InstantOrNull(table.paused_since);
  json["verify"] = table.verify ? VerifyDocument(*table.verify, table.table.name, now) : Json(nullptr);
  return json;
}

Json SnapshotsDocument(const TableNow& table) {
  Json json;
  json["table"] = table.table.name;
  json["target"] = table.table.target;
  json["count"] = table.facts ? Json(table.facts->snapshot_count) : Json(nullptr);
  json["snapshots"] = Json::array();
  if (!table.facts) return json;
  for (const TableFacts::SnapshotFact& fact : table.facts->snapshots) {
    json["snapshots"].push_back({{"id", std::to_string(fact.id)},  // more than JavaScript's numbers hold
                                 {"committed_at", FormatTimestamp(fact.committed_at)},
                                 {"operation", fact.operation},
                                 {"kind", fact.kind},
                                 {"window_from", InstantOrNull(fact.window_from)},
                                 {"window_to", InstantOrNull(fact.window_to)},
                                 {"rows", OrNull(fact.rows)},
                                 {"files", OrNull(fact.files)},
                                 {"bytes", OrNull(fact.bytes)},
                                 {"total_rows", OrNull(fact.total_rows)}});
  }
  return json;
}

Json CycleDocument(const PastCycle& cycle) {
  Json json;
  json["started_at"] = FormatTimestamp(cycle.started);
  json["finished_at"] = FormatTimestamp(cycle.finished);
  json["seconds"] = SecondsBetween(cycle.started, cycle.finished);
  json["cause"] = cycle.cause;
  json["status"] = cycle.status;
  json["tables"] = {
      {"done", cycle.done}, {"failed", cycle.failed}, {"skipped", cycle.skipped}, {"stopped", cycle.stopped}};
  json["rows"] = cycle.rows;
  json["files"] = cycle.files;
  json["bytes"] = cycle.bytes;
  json["error"] = cycle.error.ok() ? Json(nullptr) : ErrorDocument(cycle.error);
  return json;
}

Json ServerDocument(const ServerNow& server, bool takes_actions, TimestampMicros now) {
  Json json;
  json["version"] = CALVE_VERSION;
  json["now"] = FormatTimestamp(now);
  json["started_at"] = FormatTimestamp(server.started_at);
  json["config_file"] = server.config_file;
  json["schedule"] = server.schedule;
  json["interval_seconds"] = static_cast<double>(server.interval_micros) / 1e6;
  json["takes_actions"] = takes_actions;
  json["stopping"] = server.is_stopping;
  json["run_requested"] = server.is_run_requested;
  json["problem"] = server.last_problem;
  json["cycle"] = nullptr;
  if (server.cycle) {
    json["cycle"] = {{"cause", server.cycle->cause},
                     {"started_at", FormatTimestamp(server.cycle->started)},
                     {"tables", server.cycle->tables},
                     {"ended", server.cycle->ended}};
  }
  json["next_cycle"] = nullptr;
  if (server.next && !server.cycle) {
    json["next_cycle"] = {{"at", FormatTimestamp(server.next->at)},
                          {"cause", schedule::CycleCauseName(server.next->cause)}};
  }
  return json;
}

Json StatusDocument(const ServerNow& server, bool takes_actions, TimestampMicros now) {
  Json json;
  json["server"] = ServerDocument(server, takes_actions, now);
  json["tables"] = Json::array();
  for (const TableNow& table : server.tables) {
    json["tables"].push_back(TableDocument(table, server.interval_micros, now));
  }
  json["cycles"] = Json::array();
  for (const PastCycle& cycle : server.cycles) json["cycles"].push_back(CycleDocument(cycle));
  return json;
}

Json ProgressDocument(const ServerNow& server, TimestampMicros now) {
  Json json;
  json["now"] = FormatTimestamp(now);
  json["running"] = Json::object();
  for (const TableNow& table : server.tables) {
    if (table.running_since) json["running"][table.table.name] = RunningOf(table, now);
  }
  return json;
}

std::vector<ServerEvent> EventsOf(const StateChanges& changes, const ServerNow& server, bool takes_actions,
                                  TimestampMicros now) {
  std::vector<ServerEvent> events;
  if (changes.everything) return {{"status", DumpJson(StatusDocument(server, takes_actions, now))}};
  for (const TableNow& table : server.tables) {
    if (!changes.tables.contains(table.table.name)) continue;
    events.push_back({"table", DumpJson(TableDocument(table, server.interval_micros, now))});
  }
  for (const PastCycle& cycle : changes.cycles) events.push_back({"cycle", DumpJson(CycleDocument(cycle))});
  if (changes.state) events.push_back({"server", DumpJson(ServerDocument(server, takes_actions, now))});
  if (changes.progress) events.push_back({"progress", DumpJson(ProgressDocument(server, now))});
  return events;
}

}  // namespace calve::serve
