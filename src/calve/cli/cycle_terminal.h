// What a cycle over many tables shows on stderr: a bar for each table that is worked on, and an event for each that
// ended.
#pragma once

#include <deque>
#include <string>

#include "calve/cli/json_output.h"
#include "calve/cli/terminal.h"
#include "calve/cycle/cycle.h"

namespace calve::cli {

class CycleTerminal : public cycle::CycleReporter {
 public:
  // All must outlive it. `cycle_id`: what its events have in common.
  CycleTerminal(Terminal& terminal, const config::Config& config, bool dry_run, const std::string& cycle_id);

  offload::ProgressSink& SinkOf(size_t table) override { return sinks_[table]; }
  void OnStarted(size_t table) override;
  void OnEnded(size_t table, const cycle::TableReport& report) override;

 private:
  class Sink : public offload::ProgressSink {
   public:
    Sink(const CycleTerminal& owner, const config::TableConfig& table, bool commits_later)
        : owner_(owner), table_(table), commits_later_(commits_later) {}
    void Update(const offload::Progress& progress) override { owner_.terminal_.UpdateTable(table_.name, progress); }
    void Note(const std::string& text) override { Tell(Event(EventKind::kNote, table_.name + ": " + text)); }
    void Tell(const Event& event) override;

   private:
    const CycleTerminal& owner_;
    const config::TableConfig& table_;
    const bool commits_later_;
  };

  Event EventOf(const cycle::TableReport& report) const;

  Terminal& terminal_;
  const config::Config& config_;
  const bool dry_run_;
  const std::string& cycle_id_;
  std::deque<Sink> sinks_;  // by the table's number
};

// "2,300 rows up to 2024-08-09T00:15:00Z in 1.2 s, 3 files, 1.1 MB; 40 late rows"; of one that is done.
std::string DoneText(const offload::OffloadResult& result, bool dry_run);

Json CycleJson(const cycle::CycleReport& report, bool dry_run);

// 0 where all is done or needed nothing; 4 where some failed and others did not, 1 where all that was tried failed; 2
// where that is for the operator's configuration alone; 128 + the signal where a stop was asked for.
int CycleExitCode(const cycle::CycleReport& report, const StopToken& stop);

// The same as an event's message, with its numbers.
Event CycleEndedEvent(const cycle::CycleReport& report, const std::string& cycle_id);

// A table's turn that is done: debug where it moved nothing but the watermark.
Event TableDoneEvent(const offload::OffloadResult& result, const std::string& name, bool dry_run);

// "9 tables: 7 done, 1 failed, 1 skipped; 4,711 rows in 2.1 s"
std::string CycleSummary(const cycle::CycleReport& report);

}  // namespace calve::cli
