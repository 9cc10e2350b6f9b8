// ClickHouse embedded in this process: its connections, one data directory.
#pragma once

#include <arrow/buffer.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "calve/base/error.h"
#include "calve/base/stop.h"
#include "calve/source/chdb_library.h"

namespace calve::source {

class ChdbEngine;

// One query's use of a connection; no one else uses it meanwhile. Given back on destruction, or closed where Spoil was
// called.
class ChdbLease {
 public:
  ChdbLease(std::shared_ptr<ChdbEngine> engine, ChdbLibrary::Connection** cell,
            std::map<std::string, std::string> settings);
  ~ChdbLease();
  ChdbLease(ChdbLease&& other) noexcept;
  ChdbLease(const ChdbLease&) = delete;
  ChdbLease& operator=(const ChdbLease&) = delete;

  ChdbLibrary::Connection* get() const { return *cell_; }
  void Spoil() { spoilt_ = true; }

 private:
  std::shared_ptr<ChdbEngine> engine_;
  ChdbLibrary::Connection** cell_;
  std::map<std::string, std::string> settings_;
  bool spoilt_ = false;
};

// Thread-safe. The engine itself starts with the first connection of the process and ends with the last; a process has
// one data directory at a time, and may open it, or another one, again after closing.
class ChdbEngine : public std::enable_shared_from_this<ChdbEngine> {
 public:
  // `directory` must exist. kConfig where it does not, is no ClickHouse data directory, or another process uses it.
  static Result<std::shared_ptr<ChdbEngine>> Open(const ChdbLibrary& library, const std::string& directory,
                                                  const std::string& database, const StopToken& stop);
  ~ChdbEngine();

  const ChdbLibrary& library() const { return library_; }
  const StopToken& stop() const { return stop_; }
  const std::string& name() const { return name_; }
  const std::string& database() const { return database_; }

  // A connection on which `settings` are set.
  Result<ChdbLease> Lease(const std::map<std::string, std::string>& settings);
  // Runs to its end and holds the whole result in memory. The error text as kFailed.
  Result<std::shared_ptr<arrow::Buffer>> Run(const ChdbLease& lease, const std::string& sql, const char* format);
  // The bytes of a result, which it then owns; or its error.
  Result<std::shared_ptr<arrow::Buffer>> Take(ChdbLibrary::Result* result) const;

  // Between these two, a stop kills the query whose text starts with Tag(id).
  void Watch(const std::string& id);
  void Unwatch(const std::string& id);
  void Kill(const std::string& id);
  static std::string Tag(const std::string& id) { return "/* " + id + " */ "; }

 private:
  friend class ChdbLease;
  struct Idle {
    ChdbLibrary::Connection** cell;
    std::map<std::string, std::string> settings;
  };

  ChdbEngine(const ChdbLibrary& library, std::string directory, std::string database, const StopToken& stop);
  Result<ChdbLibrary::Connection**> Connect(const std::map<std::string, std::string>& settings);
  void GiveBack(ChdbLibrary::Connection** cell, std::map<std::string, std::string> settings, bool spoilt);
  void KillOnStop(const std::stop_token& done);

  // Constant after construction.
  const ChdbLibrary library_;
  const std::string directory_, database_, name_;
  const StopToken& stop_;

  // Set by Open, and never used: closing the last connection would shut the engine down.
  ChdbLibrary::Connection** anchor_ = nullptr;
  // Set by Open: in force on every connection made after it. "a = 0, b = 0", or without "=".
  std::string settings_for_keys_;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<Idle> idle_;         // protected by mutex_
  std::set<std::string> watched_;  // protected by mutex_
  std::jthread watcher_;           // last: joined before what it uses goes away
};

}  // namespace calve::source
