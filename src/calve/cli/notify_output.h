// Notifications by what a configuration says of them: what commands and cycles saw becomes observations.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "calve/cli/terminal.h"
#include "calve/config/config.h"
#include "calve/cycle/cycle.h"
#include "calve/notify/notifier.h"
#include "calve/offload/retire.h"
#include "calve/offload/verify.h"

namespace calve::cli {

// Null where nobody is to be told. `is_served`: the process stays, and sends again what lasts. `terminal` and `clock`
// must outlive it.
std::unique_ptr<notify::Notifier> MakeNotifier(const config::Config& config, bool is_served, const Clock& clock,
                                               Terminal& terminal);

// Of a cycle, or of its failure as a whole.
std::vector<notify::Observation> ObservationsOf(const config::Config& config, const Result<cycle::CycleReport>& report,
                                                const std::string& cycle_id);
// `is_whole`: the look was at all of the table; only then something is known to be over.
std::vector<notify::Observation> ObservationsOf(const config::TableConfig& table, const offload::VerifyResult& result,
                                                bool is_whole, const std::string& run_id);
std::vector<notify::Observation> ObservationsOf(const config::TableConfig& table,
                                                const Result<offload::RetireResult>& result, const std::string& run_id);

// What a command that ends has to tell; sent when it goes, for at most ten seconds.
class CommandNotices {
 public:
  // `config` may be null: then nobody is told.
  CommandNotices(const config::Config* config, Terminal& terminal) : config_(config), terminal_(terminal) {}
  ~CommandNotices();
  CommandNotices(const CommandNotices&) = delete;
  CommandNotices& operator=(const CommandNotices&) = delete;

  void Add(std::vector<notify::Observation> observations);

 private:
  const config::Config* config_;
  Terminal& terminal_;
  std::vector<notify::Observation> observations_;
};

// Of `calve run`.
void NotifyOfCycle(const config::Config& config, const Result<cycle::CycleReport>& report, const std::string& cycle_id,
                   Terminal& terminal);

}  // namespace calve::cli
