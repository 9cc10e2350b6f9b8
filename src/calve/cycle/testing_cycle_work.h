// Configurations in a line, tables that only remember how they were called, and a reporter that keeps what it is told.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "calve/config/load_config.h"
#include "calve/cycle/cycle.h"

namespace calve::cycle {

struct TableLine {
  std::string name;              // of the source as well; the target is cold.NAME
  std::string after = {};        // "a, b"
  std::string more = {};         // further keys: "memory: 300MiB, buffer: 1m"
  std::string cursor_more = {};  // of `cursor`: "covers: 1h"
};

inline config::Config ConfigOf(const std::vector<TableLine>& tables, const std::string& limits = "") {
  std::string text =
      "source: {url: \"http://default@127.0.0.1:8123/k2\"}\ncatalog: {warehouse: \"file:///srv/cold\"}\n";
  if (!limits.empty()) text += "limits: {" + limits + "}\n";
  text += "tables:\n";
  for (const TableLine& table : tables) {
    text += fmt::format("  - {{source: {0}, target: cold.{0}, cursor: {{timestamp: ts{1}}}, after: [{2}]{3}}}\n",
                        table.name, table.cursor_more.empty() ? "" : ", " + table.cursor_more, table.after,
                        table.more.empty() ? "" : ", " + table.more);
  }
  return config::ParseConfig(text, "calve.yaml", [](const std::string&) { return std::nullopt; }).ValueOrDie();
}

// A cold side of watermarks alone: a call moves its table's to `now`, or to what the request says if that is earlier,
// unless an answer is set for it. Thread-safe but for the settings.
class FakeWork : public TableWork {
 public:
  using Answer = std::function<Result<offload::OffloadResult>(const offload::OffloadRequest&)>;
  using Mark = Result<std::optional<TimestampMicros>>;

  // Settings.
  TimestampMicros now = 1000;
  std::map<std::string, Answer> answers;  // by source table
  size_t gather = 0;                      // calls wait until so many are under way at once (or for long enough)
  std::function<void(const offload::OffloadRequest&)> on_call;  // with the lock held

  void SetWatermark(const std::string& table, Mark mark) { marks_.insert_or_assign("cold." + table, std::move(mark)); }
  void Fail(const std::string& table, ErrorKind kind = ErrorKind::kFailed) {
    answers[table] = [kind](const auto&) { return MakeError(kind, "broken"); };
  }

  Mark Watermark(const catalog::TableIdent& target) override {
    std::lock_guard lock(mutex_);
    return MarkOf(target.ToString());
  }

  Result<offload::OffloadResult> Offload(const offload::OffloadRequest& request,
                                         offload::ProgressSink& progress) override {
    {
      std::unique_lock lock(mutex_);
      calls_.push_back(request);
      if (on_call) on_call(request);
      memory_ += request.memory_bytes;
      memory_most_ = std::max(memory_most_, memory_);
      most_ = std::max(most_, ++inside_);
      changed_.notify_all();
      if (gather > 0) {
        changed_.wait_for(lock, std::chrono::seconds(2), [&] { return most_ >= gather; });
        lock.unlock();
        std::this_thread::sleep_for(std::chrono::milliseconds(10));  // for those that should not be let in
      }
    }
    progress.Note("called");
    std::this_thread::yield();
    std::lock_guard lock(mutex_);
    --inside_;
    memory_ -= request.memory_bytes;
    if (const auto found = answers.find(request.source_table); found != answers.end()) return found->second(request);
    return Move(request);
  }

  // What a call does unless told otherwise; for answers, which are called with the lock held.
  Result<offload::OffloadResult> Move(const offload::OffloadRequest& request) {
    const std::string target = request.target.ToString();
    offload::OffloadResult result;
    result.table = request.source_table;
    result.target = target;
    ARROW_ASSIGN_OR_RAISE(result.window.from, MarkOf(target));
    result.window.to = std::min(now, request.until.value_or(now));
    if (result.window.from) result.window.to = std::max(result.window.to, *result.window.from);
    result.watermark = result.window.from;
    if (result.window.empty() || request.dry_run) return result;
    result.snapshot_id = static_cast<int64_t>(calls_.size());
    result.watermark = result.window.to;
    marks_.insert_or_assign(target, Mark(result.window.to));
    return result;
  }
  Mark MarkOf(const std::string& target) const {
    const auto found = marks_.find(target);
    return found == marks_.end() ? Mark(std::nullopt) : found->second;
  }

  std::vector<std::string> called() const {
    std::vector<std::string> names;
    for (const auto& request : calls_) names.push_back(request.source_table);
    return names;
  }
  // Of the last call; a request of nothing where there was none.
  offload::OffloadRequest RequestTo(const std::string& table) const {
    const auto found =
        std::find_if(calls_.rbegin(), calls_.rend(), [&](const auto& r) { return r.source_table == table; });
    EXPECT_NE(found, calls_.rend()) << table << " was not called";
    return found == calls_.rend() ? offload::OffloadRequest() : *found;
  }
  std::optional<TimestampMicros> UntilOf(const std::string& table) const { return RequestTo(table).until; }
  size_t most() const { return most_; }
  int64_t memory_most() const { return memory_most_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  // Protected by mutex_ while a cycle runs.
  std::map<std::string, Mark> marks_;  // by target
  std::vector<offload::OffloadRequest> calls_;
  size_t inside_ = 0, most_ = 0;
  int64_t memory_ = 0, memory_most_ = 0;
};

class FakeReporter : public CycleReporter {
 public:
  explicit FakeReporter(const config::Config& config) : sinks_(config.tables.size()) {}

  offload::ProgressSink& SinkOf(size_t table) override { return sinks_[table]; }
  // Without a lock: that they come one at a time is the promise (ThreadSanitizer sees where it is broken).
  void OnStarted(size_t table) override { started.push_back(table); }
  void OnEnded(size_t table, const TableReport& report) override { ended.emplace_back(table, report); }
  const std::vector<std::string>& NotesOf(size_t table) const { return sinks_[table].notes; }

  std::vector<size_t> started;
  std::vector<std::pair<size_t, TableReport>> ended;

 private:
  struct Sink : offload::ProgressSink {
    void Update(const offload::Progress&) override {}
    void Note(const std::string& text) override { notes.push_back(text); }
    std::vector<std::string> notes;
  };
  std::vector<Sink> sinks_;
};

}  // namespace calve::cycle
