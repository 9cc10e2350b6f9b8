#include "calve/cycle/server_load.h"

#include <chrono>
#include <thread>

#include "calve/source/cluster_query.h"

namespace calve::cycle {
namespace {

using Steady = std::chrono::steady_clock;

// The largest of all servers that answer.
Result<int64_t> AskNumber(source::Source& source, const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(const auto shards, source::QueryServers(source, sql));
  std::optional<int64_t> most;
  Status failed;
  for (const auto& shard : shards) {
    for (const source::ServerAnswer& answer : shard) {
      if (!answer.rows.ok()) {
        failed = answer.rows.status();
        continue;
      }
      const std::string text = answer.rows->empty() || answer.rows->front().empty() ? "" : answer.rows->front()[0];
      int64_t number = 0;
      if (std::sscanf(text.c_str(), "%ld", &number) != 1) {
        return MakeError(ErrorKind::kCorrupt, fmt::format("'{}' is no number", text));
      }
      most = std::max(number, most.value_or(number));
    }
  }
  if (!most) return failed;
  return *most;
}

// Of the memory that the server may use, in percent.
constexpr const char* kMemoryQuery =
    "SELECT toString(toInt64(100 * (SELECT value FROM system.metrics WHERE metric = 'MemoryTracking') / "
    "(SELECT toUInt64(value) FROM system.server_settings WHERE name = 'max_server_memory_usage')))";

// False where a stop came.
bool Sleep(int64_t micros, const StopToken& stop) {
  const auto end = Steady::now() + std::chrono::microseconds(micros);
  while (!stop.stopped()) {
    const auto left = end - Steady::now();
    if (left <= Steady::duration::zero()) return true;
    std::this_thread::sleep_for(std::min<Steady::duration>(left, std::chrono::milliseconds(50)));
  }
  return false;
}

}  // namespace

Result<std::string> WhyBusy(source::Source& source, const config::PauseConfig& pause) {
  if (pause.running_queries) {
    ARROW_ASSIGN_OR_RAISE(
        int64_t running,
        AskNumber(source, "SELECT toString(count()) FROM system.processes WHERE NOT startsWith(query_id, 'calve-')"));
    if (running > *pause.running_queries) {
      return fmt::format("{} queries of others run on the server (limits.pause_when.running_queries: {})", running,
                         *pause.running_queries);
    }
  }
  if (pause.memory_percent) {
    ARROW_ASSIGN_OR_RAISE(int64_t percent, AskNumber(source, kMemoryQuery));
    if (percent > *pause.memory_percent) {
      return fmt::format("the server uses {}% of its memory (limits.pause_when.memory: {}%)", percent,
                         *pause.memory_percent);
    }
  }
  return std::string();
}

Status WaitWhileBusy(source::Source& source, const config::PauseConfig& pause, const StopToken& stop,
                     offload::ProgressSink& progress, int64_t poll_micros) {
  if (!pause.running_queries && !pause.memory_percent) return Status::OK();
  const auto end = Steady::now() + std::chrono::microseconds(pause.longest_micros);
  bool told = false;
  for (;;) {
    auto why = WhyBusy(source, pause);
    if (KindOf(why.status()) == ErrorKind::kStopped) return why.status();
    if (!why.ok()) {
      progress.Note(fmt::format("how busy the server is cannot be asked, going on: {}", MessageOf(why.status())));
      return Status::OK();
    }
    if (why->empty()) return Status::OK();
    if (Steady::now() >= end) {
      progress.Note(fmt::format("still {}; going on after {}", *why, FormatDuration(pause.longest_micros)));
      return Status::OK();
    }
    if (!told) progress.Note(fmt::format("waiting: {}", *why));
    told = true;
    if (!Sleep(poll_micros, stop)) return stop.Check();
  }
}

}  // namespace calve::cycle
