// The state database: runs and the watermark mirror. A cache and a log, never the truth (DESIGN: journal): it can be
// deleted at any time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calve/base/time.h"

namespace calve::journal {

struct RunRecord {
  std::string run_id;
  std::string table;   // the target's name
  std::string source;  // "db.table"
  std::string layer;
  std::string status;  // running, success, failed
  TimestampMicros started_at = 0;
  std::optional<TimestampMicros> finished_at;
  std::optional<TimestampMicros> window_from, window_to;
  int64_t rows = 0, files = 0, bytes = 0;
  std::optional<int64_t> snapshot_id;
  std::string commit_id;
  std::string error;  // message and remedy of a failed run; no secrets
  std::string host;
  int64_t pid = 0;
};

// The row of `offload_watermarks` that dashboards and people moving from the Spark job know.
struct WatermarkRow {
  std::string table_name;  // the source table's name, as the Spark job wrote it
  TimestampMicros last_offload_timestamp = 0;
  std::optional<int64_t> last_offload_max_sequence = 0;  // written as nullopt: as it was (the window had no rows)
  int64_t last_offload_row_count = 0;
  std::string status = "initialized";  // initialized, running, success, failed
  std::optional<TimestampMicros> last_successful_run;
  int last_run_duration_seconds = 0;
  int failure_count = 0;
  std::string last_error_message;
};

// Who works on a table, and until when others keep away from it. A courtesy that saves work: correctness never depends
// on it, so it may be lost with the journal at any time.
struct Lease {
  std::string table;   // the target's name and its catalog's
  std::string holder;  // a UUID of the run
  std::string host;
  int64_t pid = 0;
  int64_t process_start = 0;  // ticks since the host's boot: tells a process from a later one with its pid
  // By the clock of whoever judges whether it ended: the caller's where the journal is a file, the server's where it
  // is a server, which takes from the caller only how long.
  TimestampMicros since = 0;
  TimestampMicros until = 0;
};

// A table that `calve serve` passes over until somebody resumes it. Lost with the journal: then it has its turn again.
struct PausedTable {
  std::string table;  // the target's name
  TimestampMicros since = 0;
};

// Thread-safe; several processes may use one journal. Every call is one transaction.
class Journal {
 public:
  virtual ~Journal() = default;
  virtual std::string name() const = 0;  // for messages, without secrets
  virtual Status StartRun(const RunRecord& run) = 0;
  // Updates the run with that run_id (inserts it where the journal was deleted meanwhile).
  virtual Status FinishRun(const RunRecord& run) = 0;
  // Newest first. Empty `table`: all.
  virtual Result<std::vector<RunRecord>> LastRuns(const std::string& table, int count) = 0;
  virtual Status WriteWatermark(const WatermarkRow& row, TimestampMicros now) = 0;
  // Counts a failure: status failed, failure_count + 1, the message; the watermark itself is left alone.
  virtual Status WriteFailure(const std::string& table_name, const std::string& message, TimestampMicros now) = 0;
  // The row's status alone (running, while a run is at it); makes the row where there is none.
  virtual Status WriteStatus(const std::string& table_name, const std::string& status, TimestampMicros now) = 0;
  virtual Result<std::optional<WatermarkRow>> ReadWatermark(const std::string& table_name) = 0;

  // Takes the table's lease, now (wanted.since) and for as long as to wanted.until, where nobody has it, or who has it
  // let it end. The lease in force then: what was wanted, or another's.
  virtual Result<Lease> AcquireLease(const Lease& wanted) = 0;
  // Moves the end of the holder's lease to as far from now as `until` is. False: it is not the holder's any more.
  virtual Result<bool> RenewLease(const std::string& table, const std::string& holder, TimestampMicros now,
                                  TimestampMicros until) = 0;
  // OK also where it is not the holder's.
  virtual Status ReleaseLease(const std::string& table, const std::string& holder) = 0;

  // Which parts of the source table have been looked at for late rows; nullopt where nothing is known of that source.
  virtual Result<std::optional<std::string>> ReadPartsSeen(const std::string& table, const std::string& source) = 0;
  virtual Status WritePartsSeen(const std::string& table, const std::string& source, const std::string& parts,
                                TimestampMicros now) = 0;

  // By name.
  virtual Result<std::vector<PausedTable>> ReadPauses() = 0;
  // One that is paused already stays so since when it was.
  virtual Status WritePause(const std::string& table, TimestampMicros now) = 0;
  // OK also where it was not paused.
  virtual Status RemovePause(const std::string& table) = 0;
};

struct JournalAccess {
  std::string password;    // for a server; never in the URI
  bool read_only = false;  // nothing is made on a server: what is missing there reads as empty
};

// "sqlite:///FILE" (three slashes: relative to the working directory, four: absolute, as SQLAlchemy writes them), or
// "postgresql://user@host:port/database" with libpq's parameters behind a '?'. Tables are made where missing. kConfig:
// the operator has to act; kRetry: a server cannot be reached now.
Result<std::unique_ptr<Journal>> OpenJournal(const std::string& uri, const JournalAccess& access = {});

}  // namespace calve::journal
