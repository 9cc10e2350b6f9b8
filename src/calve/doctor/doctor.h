// Does everything that a cycle needs work, and what is to be done where it does not: `calve doctor`. Nothing is changed
// but for files that are written and deleted again, to see that it can be done.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/cycle/cycle.h"

namespace calve::doctor {

enum class Level {
  kOk,
  kWarning,  // a cycle works, but not as it should
  kError,    // a cycle fails, as a whole or for a table
};
const char* LevelName(Level level);  // "ok", "warning", "error"

struct Finding {
  Level level = Level::kOk;
  std::string about;            // "source", "warehouse", "catalog", "journal", "schedule", "table trades"
  std::string message, remedy;  // remedy: empty where there is nothing to do
};

// What an error means for a cycle: its message and its remedy.
Finding Failed(std::string about, const Status& status);

// Version, clock and, where limits.pause_when says that it matters, whether the server tells how busy it is. The server
// can be asked for more where `now` is set.
struct ServerFindings {
  std::vector<Finding> findings;
  std::optional<TimestampMicros> now;  // the server's
};
ServerFindings CheckServer(source::Source& source, const config::LimitsConfig& limits, const Clock& clock);

// Files can be made in the folder, read and deleted there.
Finding CheckStore(const std::string& about, storage::FileIO& file_io, const std::string& folder);

Finding CheckCatalog(catalog::Catalog& catalog);

// Whether the catalog can commit as the configuration wants it; nullopt: every catalog can.
std::optional<Finding> CheckCommit(catalog::Catalog& catalog, config::CommitUnit unit);

// `journal` null: it could not be opened, and `error` says why; OK: there is none yet.
Finding CheckJournal(journal::Journal* journal, const Status& error);

// A database on another machine that would be believed without a certificate; nullopt: nothing to say.
std::optional<Finding> CheckDatabaseUri(const std::string& about, const std::string& uri);

// When the next cycle is due; `gap_micros` becomes the time between two.
Finding CheckSchedule(const config::ScheduleConfig& schedule, TimestampMicros now, int64_t& gap_micros);

struct CheckOptions {
  TimestampMicros server_now = 0;  // the server's clock
  int64_t gap_micros = 0;          // the time between two cycles; 0: not known
  bool retires = false;            // `calve retire` is to drop parts of the tables
};

// What the table's next cycle would do, planned as it would be; how far behind it is; that its folder can be written;
// what its TTL, the user's rights and row policies take away.
std::vector<Finding> CheckTable(const config::TableConfig& table, const cycle::CycleContext& context,
                                cycle::TableWork& work, const CheckOptions& options);

}  // namespace calve::doctor
