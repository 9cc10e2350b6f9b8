// A reporter that stands before another one: it passes everything on, and a subclass hears what it likes.
#pragma once

#include <deque>
#include <optional>

#include "calve/cycle/cycle.h"

namespace calve::cycle {

class PassingReporter : public CycleReporter {
 public:
  // `inner` must outlive it; `tables`: of the configuration.
  PassingReporter(CycleReporter& inner, size_t tables) : inner_(inner), sinks_(tables) {}

  ProgressSink& SinkOf(size_t table) override {
    if (!sinks_[table]) sinks_[table].emplace(inner_.SinkOf(table), *this, table);
    return *sinks_[table];
  }
  void OnStarted(size_t table) override { inner_.OnStarted(table); }
  void OnEnded(size_t table, const TableReport& report) override { inner_.OnEnded(table, report); }

 protected:
  // Called by the table's thread, before it is passed on.
  virtual void OnProgress(size_t table, const Progress& progress) {}

 private:
  class Sink : public ProgressSink {
   public:
    Sink(ProgressSink& inner, PassingReporter& owner, size_t table) : inner_(inner), owner_(owner), table_(table) {}
    void Update(const Progress& progress) override {
      owner_.OnProgress(table_, progress);
      inner_.Update(progress);
    }
    void Note(const std::string& text) override { inner_.Note(text); }
    void Tell(const Event& event) override { inner_.Tell(event); }

   private:
    ProgressSink& inner_;
    PassingReporter& owner_;
    const size_t table_;
  };

  CycleReporter& inner_;
  std::deque<std::optional<Sink>> sinks_;  // by the table's number; of each by the thread that works on it
};

}  // namespace calve::cycle
