#include "calve/doctor/doctor.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "calve/base/random.h"
#include "calve/cycle/atomic_cycle.h"
#include "calve/cycle/server_load.h"
#include "calve/cycle/table_request.h"
#include "calve/doctor/rights.h"
#include "calve/doctor/table_ttl.h"
#include "calve/offload/source_select.h"
#include "calve/postgres/postgres_uri.h"
#include "calve/schedule/cadence.h"
#include "calve/source/introspection.h"
#include "calve/source/shard_source.h"

namespace calve::doctor {
namespace {

constexpr int64_t kClockDifferenceMax = 30 * kMicrosPerSecond;
constexpr int64_t kCyclesBehindMax = 3;  // one is under way, one may have failed

// A dry run's notes are in its result.
class Silent : public offload::ProgressSink {
 public:
  void Update(const offload::Progress&) override {}
  void Note(const std::string&) override {}
};

std::string Seconds(int64_t micros) { return fmt::format("{:.1f} s", static_cast<double>(std::abs(micros)) / 1e6); }

Finding Clocks(TimestampMicros server, TimestampMicros here) {
  const int64_t ahead = server - here;
  const std::string message =
      fmt::format("its clock is {} {} this machine's", Seconds(ahead), ahead < 0 ? "behind" : "ahead of");
  if (std::abs(ahead) <= kClockDifferenceMax) return {Level::kOk, "source", message, ""};
  return {Level::kWarning, "source",
          message +
              ": windows end by the server's clock, cycles begin by this machine's, and leases in a journal file "
              "go by it",
          "Let both machines follow a time server (chrony, systemd-timesyncd)."};
}

std::string ToDo(const offload::OffloadResult& planned) {
  const std::string upto = FormatTimestamp(planned.window.to);
  if (planned.held_by)
    return fmt::format("another calve works on it (pid {} on {})", planned.held_by->pid, planned.held_by->host);
  if (planned.window.empty()) {
    return planned.watermark
               ? fmt::format("nothing to offload; its watermark is {}", FormatTimestamp(*planned.watermark))
               : "nothing to offload yet";
  }
  return fmt::format("{} rows to offload, up to {}{}", planned.rows_expected, upto,
                     planned.chunks > 1 ? fmt::format(", in {} chunks", planned.chunks) : "");
}

// nullopt: it keeps up, or was never offloaded.
std::optional<Finding> Behind(const std::string& about, const config::TableConfig& table, int64_t behind,
                              int64_t gap_micros) {
  const int64_t usual = table.buffer_micros + table.cursor.covers_micros;
  if (behind <= usual + kCyclesBehindMax * gap_micros) return std::nullopt;
  return Finding{
      Level::kWarning, about,
      fmt::format("its watermark is {} behind the server's clock, where {} are to be expected",
                  FormatDuration(behind / kMicrosPerSecond * kMicrosPerSecond), FormatDuration(usual + gap_micros)),
      "Is `calve serve` (or what calls `calve run`) running? `calve status` shows the last runs and errors."};
}

}  // namespace

const char* LevelName(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "error";
}

Finding Failed(std::string about, const Status& status) {
  return {Level::kError, std::move(about), MessageOf(status), RemedyOf(status)};
}

namespace {

// What is found on each server of a cluster; what is on all of them is said once.
std::vector<Finding> OnEachServer(source::Source& source, const source::ClusterShape& shape,
                                  const std::function<std::vector<Finding>(source::Source&)>& check) {
  std::vector<Finding> findings;
  std::vector<std::vector<std::string>> where;  // by finding
  size_t servers = 0;
  for (size_t shard = 0; shard < shape.shards.size(); ++shard) {
    for (const std::string& server : shape.shards[shard]) {
      ++servers;
      source::ShardSource one(source, static_cast<int>(shard), server);
      for (Finding& finding : check(one)) {
        const auto same = std::find_if(findings.begin(), findings.end(), [&](const Finding& other) {
          return other.message == finding.message && other.remedy == finding.remedy;
        });
        if (same == findings.end()) {
          findings.push_back(std::move(finding));
          where.push_back({server});
        } else {
          where[static_cast<size_t>(same - findings.begin())].push_back(server);
        }
      }
    }
  }
  for (size_t i = 0; i < findings.size(); ++i) {
    if (where[i].size() < servers) findings[i].message += fmt::format(" (at {})", fmt::join(where[i], ", "));
  }
  return findings;
}

// Version and clock of one server; its clock, where it answers.
std::optional<TimestampMicros> CheckOneServer(source::Source& source, const Clock& clock, Level when_it_does_not_answer,
                                              std::vector<Finding>& findings) {
  const TimestampMicros before = clock.Now();
  auto server = source::AskServer(source);
  if (!server.ok()) {
    findings.push_back(Failed("source", server.status()));
    findings.back().level = when_it_does_not_answer;
    return std::nullopt;
  }
  const TimestampMicros here = before + (clock.Now() - before) / 2;
  if (std::pair(server->major, server->minor) < std::pair(18, 16)) {
    findings.push_back(
        {Level::kWarning, "source",
         fmt::format("ClickHouse {} is older than 18.16, the oldest that calve is tested with", server->version),
         "Look at the first results with `calve verify`, or upgrade the server."});
  } else {
    findings.push_back(
        {Level::kOk, "source", fmt::format("ClickHouse {} answers at {}", server->version, source.name()), ""});
  }
  findings.push_back(Clocks(server->now, here));
  return server->now;
}

// Every server by itself; one that does not answer is a warning where another one of its shard does.
std::optional<TimestampMicros> CheckCluster(source::Source& source, const Clock& clock,
                                            std::vector<Finding>& findings) {
  auto shape = source.cluster()->Refresh();
  if (!shape.ok()) {
    findings.push_back(Failed("source", shape.status()));
    return std::nullopt;
  }
  std::optional<TimestampMicros> earliest;
  for (size_t shard = 0; shard < (*shape)->shards.size(); ++shard) {
    const auto& servers = (*shape)->shards[shard];
    bool answers = false;
    std::vector<Finding> of_shard;
    for (const std::string& server : servers) {
      source::ShardSource one(source, static_cast<int>(shard), server);
      const auto now = CheckOneServer(one, clock, Level::kWarning, of_shard);
      answers |= now.has_value();
      if (now) earliest = std::min(*now, earliest.value_or(*now));
    }
    for (Finding& finding : of_shard) {
      if (!answers) finding.level = Level::kError;
      findings.push_back(std::move(finding));
    }
    if (!answers) return std::nullopt;
  }
  return earliest;
}

}  // namespace

ServerFindings CheckServer(source::Source& source, const config::LimitsConfig& limits, const Clock& clock) {
  ServerFindings out;
  out.now = source.cluster() ? CheckCluster(source, clock, out.findings)
                             : CheckOneServer(source, clock, Level::kError, out.findings);
  if (!out.now) return out;
  if (limits.pause_when.running_queries || limits.pause_when.memory_percent) {
    auto busy = cycle::WhyBusy(source, limits.pause_when);
    if (!busy.ok()) {
      out.findings.push_back({Level::kWarning, "source",
                              fmt::format("how busy the server is cannot be asked, so that limits.pause_when does "
                                          "nothing: {}",
                                          MessageOf(busy.status())),
                              "Grant SELECT on system.processes, system.metrics and system.server_settings, or leave "
                              "limits.pause_when out."});
    } else if (!busy->empty()) {
      out.findings.push_back({Level::kWarning, "source", fmt::format("a cycle would wait now: {}", *busy), ""});
    }
  }
  return out;
}

Finding CheckStore(const std::string& about, storage::FileIO& file_io, const std::string& folder) {
  // Hidden: no engine takes it for a table's, and neither does the removal of orphans.
  const std::string probe = storage::JoinLocation(folder, ".calve-doctor-" + RandomUuid());
  const std::string bytes = "calve doctor looks whether files can be made here; this one can be deleted";
  auto check = [&]() -> Status {
    ARROW_RETURN_NOT_OK(file_io.WriteNew(probe, bytes));
    auto read = file_io.Read(probe);
    // Deleted whatever came of reading it.
    ARROW_RETURN_NOT_OK(file_io.Delete(probe));
    ARROW_RETURN_NOT_OK(read.status());
    if (*read == bytes) return Status::OK();
    return MakeError(ErrorKind::kCorrupt, fmt::format("{} does not read as it was written", probe),
                     "Look at the file system: another program may change files there.");
  };
  const Status checked = check();
  if (!checked.ok()) return Failed(about, checked);
  return {Level::kOk, about, fmt::format("files can be made, read and deleted in {}", folder), ""};
}

Finding CheckCatalog(catalog::Catalog& catalog) {
  auto namespaces = catalog.ListNamespaces();
  if (!namespaces.ok()) return Failed("catalog", namespaces.status());
  return {Level::kOk, "catalog",
          fmt::format("{}: {} namespace{}", catalog.name(), namespaces->size(), namespaces->size() == 1 ? "" : "s"),
          ""};
}

std::optional<Finding> CheckCommit(catalog::Catalog& catalog, config::CommitUnit unit) {
  if (unit == config::CommitUnit::kEachTable) return std::nullopt;
  const Status possible = cycle::CheckCommitsTogether(catalog);
  if (!possible.ok()) return Failed("commit", possible);
  return Finding{Level::kOk, "commit", "the catalog moves all tables of a cycle in one step", ""};
}

Finding CheckJournal(journal::Journal* journal, const Status& error) {
  if (!journal && error.ok()) return {Level::kOk, "journal", "there is none yet; the first cycle makes it", ""};
  const Status status = journal ? journal->LastRuns("", 1).status() : error;
  if (status.ok()) return {Level::kOk, "journal", fmt::format("{} can be read", journal->name()), ""};
  Finding finding = Failed("journal", status);
  // Cycles go on without: nothing but leases, the mirror and the log of runs depends on it.
  finding.level = Level::kWarning;
  return finding;
}

std::optional<Finding> CheckDatabaseUri(const std::string& about, const std::string& uri) {
  const std::string host = postgres::IsPostgresUri(uri) ? postgres::UnverifiedHostOf(uri) : "";
  if (host.empty()) return std::nullopt;
  return Finding{Level::kWarning, about,
                 fmt::format("whoever answers as {} is believed: the connection is not verified", host),
                 "Add sslmode=verify-full and sslrootcert=/path/ca.pem to the URI (docs/journal.md)."};
}

Finding CheckSchedule(const config::ScheduleConfig& schedule, TimestampMicros now, int64_t& gap_micros) {
  auto cadence = schedule.cron.empty() ? schedule::Cadence::Every(schedule.every_micros, schedule.offset_micros)
                                       : schedule::Cadence::Cron(schedule.cron, schedule.timezone);
  if (!cadence.ok()) return Failed("schedule", cadence.status());
  const TimestampMicros next = cadence->NextAfter(now);
  gap_micros = cadence->NextAfter(next) - next;
  return {Level::kOk, "schedule",
          fmt::format("{}; `calve serve` begins the next cycle at {}", cadence->ToString(), FormatTimestamp(next)), ""};
}

std::vector<Finding> CheckTable(const config::TableConfig& table, const cycle::CycleContext& context,
                                cycle::TableWork& work, const CheckOptions& options) {
  const std::string about = "table " + table.name;
  std::vector<Finding> findings;
  offload::OffloadRequest request = cycle::RequestOf(table);
  request.dry_run = true;
  Silent silent;
  auto planned = work.Offload(request, silent);
  if (planned.ok()) {
    findings.push_back({Level::kOk, about, ToDo(*planned), ""});
    for (const std::string& note : planned->notes) findings.push_back({Level::kWarning, about, note, ""});
  } else {
    findings.push_back(Failed(about, planned.status()));
  }
  auto target = context.catalog.LoadTable(table.target);
  if (target.ok()) {
    Finding store = CheckStore(about, context.file_io, storage::JoinLocation(target->metadata.location, "data"));
    if (store.level != Level::kOk) findings.push_back(std::move(store));
  } else if (KindOf(target.status()) != ErrorKind::kNotFound && planned.ok()) {
    findings.push_back(Failed(about, target.status()));
  }
  if (planned.ok() && planned->watermark && options.gap_micros > 0) {
    auto behind = Behind(about, table, options.server_now - *planned->watermark, options.gap_micros);
    if (behind) findings.push_back(std::move(*behind));
  }
  auto described = offload::DescribeRows(context.source, table.source, table.query, "");
  if (!described.ok()) return findings;  // said above
  auto add = [&](std::vector<Finding> more) { std::move(more.begin(), more.end(), std::back_inserter(findings)); };
  auto rights = RightsNeeded(*described, table, options.retires);
  if (context.source.cluster() && described->engine.starts_with("Replicated")) {
    for (const char* name : {"system.replicas", "system.replication_queue"}) {
      rights.push_back({fmt::format("SELECT ON {}", name),
                        "it is not known which replicas have all rows, and none of this server's are read"});
    }
  }
  const auto check = [&](source::Source& source) {
    std::vector<Finding> found;
    auto take = [&](std::vector<Finding> more) { std::move(more.begin(), more.end(), std::back_inserter(found)); };
    if (options.gap_micros > 0) take(CheckTtl(about, source, *described, table, options.gap_micros));
    take(CheckRights(about, source, rights));
    take(CheckRowPolicies(about, source, *described));
    return found;
  };
  if (!context.source.cluster()) {
    add(check(context.source));
    return findings;
  }
  auto shape = context.source.cluster()->Shape();
  if (shape.ok()) add(OnEachServer(context.source, **shape, check));
  return findings;
}

}  // namespace calve::doctor
