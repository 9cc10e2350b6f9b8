// What a cycle did, as its function and its observer saw it, and limits that are watched while it runs.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "calve/schedule/cycle_run.h"

namespace calve::schedule {

class CycleRecord : public CycleObserver {
 public:
  struct Event {
    enum Kind { kStarted, kFinished, kSkipped } kind;
    size_t table;
  };

  CycleRecord(const TableGraph& graph, std::vector<CycleTable> tables, CycleLimits limits)
      : graph_(graph), tables_(std::move(tables)), limits_(limits) {
    tables_.resize(graph.size());
  }

  // What the function makes first, whatever way it ends.
  struct Visit {
    Visit(CycleRecord& to, size_t of) : record(to), table(of) { record.Enter(table); }
    ~Visit() { record.Leave(table); }
    CycleRecord& record;
    size_t table;
  };

  // For the function: checks what must hold while `table` runs, and makes others run meanwhile.
  void Enter(size_t table) {
    {
      std::lock_guard lock(mutex_);
      EXPECT_TRUE(inside_.insert(table).second) << "called twice at once";
      EXPECT_TRUE(called_.insert(table).second) << "called twice";
      for (size_t parent : graph_.parents(table)) EXPECT_FALSE(inside_.contains(parent));
      most_ = std::max(most_, inside_.size());
      EXPECT_LE(inside_.size(), std::max<size_t>(limits_.parallel, 1));
      int64_t memory = 0;
      for (size_t other : inside_) memory += tables_[other].memory_bytes;
      if (limits_.memory_bytes > 0 && inside_.size() > 1) {
        EXPECT_LE(memory, limits_.memory_bytes);
      }
    }
    for (int i = 0; i < 5; ++i) std::this_thread::yield();
  }
  void Leave(size_t table) {
    std::lock_guard lock(mutex_);
    inside_.erase(table);
  }

  // Without a lock: that they come one at a time is the promise (ThreadSanitizer sees where it is broken).
  void OnTableStarted(size_t table) override { events.push_back({Event::kStarted, table}); }
  void OnTableFinished(size_t table, const TableResult&) override { events.push_back({Event::kFinished, table}); }
  void OnTableSkipped(size_t table, const TableResult&) override { events.push_back({Event::kSkipped, table}); }

  // Tables by the order of these events.
  std::vector<size_t> Of(Event::Kind kind) const {
    std::vector<size_t> found;
    for (const Event& event : events) {
      if (event.kind == kind) found.push_back(event.table);
    }
    return found;
  }
  size_t most() const { return most_; }
  const std::set<size_t>& called() const { return called_; }

  std::vector<Event> events;

 private:
  const TableGraph& graph_;
  std::vector<CycleTable> tables_;
  const CycleLimits limits_;
  std::mutex mutex_;
  std::set<size_t> inside_, called_;  // protected by mutex_ while the cycle runs
  size_t most_ = 0;
};

}  // namespace calve::schedule
