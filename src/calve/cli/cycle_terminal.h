// What a cycle over many tables shows on stderr: a bar for each table that is worked on, and a line for each that
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
  // Both must outlive it.
  CycleTerminal(Terminal& terminal, const config::Config& config, bool dry_run);

  offload::ProgressSink& SinkOf(size_t table) override { return sinks_[table]; }
  void OnStarted(size_t table) override;
  void OnEnded(size_t table, const cycle::TableReport& report) override;

 private:
  class Sink : public offload::ProgressSink {
   public:
    Sink(Terminal& terminal, std::string table) : terminal_(terminal), table_(std::move(table)) {}
    void Update(const offload::Progress& progress) override { terminal_.UpdateTable(table_, progress); }
    void Note(const std::string& text) override { terminal_.Note(table_ + ": " + text); }

   private:
    Terminal& terminal_;
    const std::string table_;
  };

  Terminal& terminal_;
  const bool dry_run_;
  std::deque<Sink> sinks_;  // by the table's number
};

// "done", "failed", "skipped", "stopped"
std::string_view StateName(schedule::TableState state);

// "2,300 rows up to 2024-08-09T00:15:00Z in 1.2 s, 3 files, 1.1 MB; 40 late rows"; of one that is done.
std::string DoneText(const offload::OffloadResult& result, bool dry_run);

Json CycleJson(const cycle::CycleReport& report, bool dry_run);

// 0 where all is done or needed nothing; 4 where some failed and others did not, 1 where all that was tried failed; 2
// where that is for the operator's configuration alone; 128 + the signal where a stop was asked for.
int CycleExitCode(const cycle::CycleReport& report, const StopToken& stop);

// "9 tables: 7 done, 1 failed, 1 skipped; 4,711 rows in 2.1 s"
std::string CycleSummary(const cycle::CycleReport& report);

}  // namespace calve::cli
