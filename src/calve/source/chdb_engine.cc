#include "calve/source/chdb_engine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <utility>

#include "calve/source/introspection.h"
#include "calve/source/server_exception.h"

namespace calve::source {
namespace {

constexpr size_t kIdleMax = 4;
constexpr auto kStopPoll = std::chrono::milliseconds(50);

// A key like toYYYYMMDD(ts) of a time without a zone was computed in the time zone of the process that inserted the
// rows. This one may have another (TZ), and ClickHouse would then, without an error, pass over parts that do hold rows
// of a window. Where there are such keys, it is not to prune by them. The answer: what to SET, or nothing.
constexpr std::string_view kSettingsForZonelessKeys = R"(
SELECT arrayStringConcat(arrayFilter(x -> x != '', [
    countIf(c.is_in_partition_key AND match(t.partition_key, '[a-zA-Z0-9_][(]')) > 0 ? 'use_partition_pruning = 0' : '',
    countIf(c.is_in_sorting_key AND match(t.sorting_key, '[a-zA-Z0-9_][(]')) > 0 ? 'use_primary_key = 0' : '']), ', ')
FROM system.columns AS c INNER JOIN system.tables AS t ON c.database = t.database AND c.table = t.name
WHERE c.database NOT ILIKE 'information_schema' AND c.database != 'system' AND t.database != 'system'
    AND t.engine LIKE '%MergeTree' AND c.type LIKE '%DateTime%' AND position(c.type, char(39)) = 0)";

// A chdb result's bytes without a copy: the result goes when the last slice of them goes.
class ChdbBuffer : public arrow::Buffer {
 public:
  ChdbBuffer(const ChdbLibrary& library, ChdbLibrary::Result* result)
      : Buffer(reinterpret_cast<const uint8_t*>(library.buffer(result)), static_cast<int64_t>(library.length(result))),
        destroy_(library.destroy_result),
        result_(result) {}
  ~ChdbBuffer() override { destroy_(result_); }

 private:
  void (*destroy_)(ChdbLibrary::Result*);
  ChdbLibrary::Result* result_;
};

// ClickHouse keeps DIR/status locked while it runs there and writes its process id into it.
std::string HolderOf(const std::string& directory) {
  const std::string path = directory + "/status";
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  const bool held = flock(file, LOCK_EX | LOCK_NB) != 0;
  close(file);
  if (!held) return "";
  std::ifstream text(path);
  std::string word;
  while (text >> word) {
    if (word == "PID:" && text >> word) return word;
  }
  return "unknown";
}

// Neither empty nor what an embedded ClickHouse leaves behind: it would put its own files among someone else's.
bool IsForeign(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(directory + "/metadata", error) || fs::exists(directory + "/store", error)) return false;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    if (name != "tmp" && name != "status") return true;
  }
  return false;
}

Status CheckDirectory(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    return MakeError(
        ErrorKind::kConfig,
        "the source's directory " + directory + (fs::exists(directory, error) ? " is no directory" : " does not exist"),
        "name the data directory of an embedded ClickHouse: chdb:DIR");
  }
  if (IsForeign(directory)) {
    return MakeError(ErrorKind::kConfig,
                     "the source's directory " + directory + " holds something, but no ClickHouse data",
                     "name the data directory of an embedded ClickHouse: chdb:DIR");
  }
  if (access(directory.c_str(), W_OK | X_OK) != 0) {
    return MakeError(ErrorKind::kConfig, "the source's directory " + directory + " cannot be written to",
                     "the embedded ClickHouse keeps its lock file there: give this user the right to write");
  }
  const std::string holder = HolderOf(directory);
  if (!holder.empty() && holder != std::to_string(getpid())) {
    return MakeError(ErrorKind::kConfig,
                     "the source's directory " + directory + " is in use by another process (id " + holder + ")",
                     "one process at a time can use an embedded ClickHouse: wait for that one, or stop it");
  }
  return Status::OK();
}

}  // namespace

ChdbLease::ChdbLease(std::shared_ptr<ChdbEngine> engine, ChdbLibrary::Connection** cell,
                     std::map<std::string, std::string> settings)
    : engine_(std::move(engine)), cell_(cell), settings_(std::move(settings)) {}

ChdbLease::ChdbLease(ChdbLease&& other) noexcept
    : engine_(std::move(other.engine_)),
      cell_(std::exchange(other.cell_, nullptr)),
      settings_(std::move(other.settings_)),
      spoilt_(other.spoilt_) {}

ChdbLease::~ChdbLease() {
  if (cell_ != nullptr) engine_->GiveBack(cell_, std::move(settings_), spoilt_);
}

ChdbEngine::ChdbEngine(const ChdbLibrary& library, std::string directory, std::string database, const StopToken& stop)
    : library_(library),
      directory_(std::move(directory)),
      database_(std::move(database)),
      name_("chdb:" + directory_),
      stop_(stop) {
  watcher_ = std::jthread([this](const std::stop_token& done) { KillOnStop(done); });
}

ChdbEngine::~ChdbEngine() {
  watcher_.request_stop();
  watcher_.join();
  for (auto& idle : idle_) library_.close_connection(idle.cell);
  if (anchor_ != nullptr) library_.close_connection(anchor_);
}

Result<std::shared_ptr<ChdbEngine>> ChdbEngine::Open(const ChdbLibrary& library, const std::string& directory,
                                                     const std::string& database, const StopToken& stop) {
  ARROW_RETURN_NOT_OK(CheckDirectory(directory));
  // Ours decide what a signal does; the embedded server's would end the process in the middle of a commit.
  if (library.set_signal_handlers_enabled != nullptr) library.set_signal_handlers_enabled(false);
  std::shared_ptr<ChdbEngine> engine(
      new ChdbEngine(library, std::filesystem::absolute(directory).lexically_normal().string(), database, stop));
  ARROW_ASSIGN_OR_RAISE(engine->anchor_, engine->Connect({}));  // now, so that what is wrong is said now
  ARROW_ASSIGN_OR_RAISE(auto settings, engine->Take(library.query(*engine->anchor_, kSettingsForZonelessKeys.data(),
                                                                  kSettingsForZonelessKeys.size(), "TSVRaw", 6)));
  engine->settings_for_keys_ = settings->ToString();
  return engine;
}

Result<ChdbLibrary::Connection**> ChdbEngine::Connect(const std::map<std::string, std::string>& settings) {
  std::string program = "clickhouse", path = "--path=" + directory_;
  char* arguments[] = {program.data(), path.data()};
  ChdbLibrary::Connection** cell = library_.connect(2, arguments);
  if (cell == nullptr) {
    return MakeError(ErrorKind::kFailed, "the embedded ClickHouse does not start in " + directory_,
                     "see its own words on stderr; a process can have one such directory open at a time");
  }
  std::string set = settings_for_keys_.find('=') == std::string::npos ? "" : "SET " + settings_for_keys_;
  for (const auto& [name, value] : settings) {
    set += (set.empty() ? "SET " : ", ") + QuoteIdentifier(name) + " = " + QuoteString(value);
  }
  for (const std::string& sql : {"USE " + QuoteIdentifier(database_), set}) {
    if (sql.empty()) continue;
    auto done = Take(library_.query(*cell, sql.data(), sql.size(), "TSV", 3));
    if (done.ok()) continue;
    library_.close_connection(cell);
    return done.status();
  }
  return cell;
}

Result<ChdbLease> ChdbEngine::Lease(const std::map<std::string, std::string>& settings) {
  {
    std::lock_guard lock(mutex_);
    for (auto idle = idle_.begin(); idle != idle_.end(); ++idle) {
      if (idle->settings != settings) continue;
      ChdbLease lease(shared_from_this(), idle->cell, settings);
      idle_.erase(idle);
      return lease;
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto* cell, Connect(settings));
  return ChdbLease(shared_from_this(), cell, settings);
}

void ChdbEngine::GiveBack(ChdbLibrary::Connection** cell, std::map<std::string, std::string> settings, bool spoilt) {
  {
    std::lock_guard lock(mutex_);
    if (!spoilt && idle_.size() < kIdleMax) {
      idle_.push_back({cell, std::move(settings)});
      return;
    }
  }
  library_.close_connection(cell);
}

Result<std::shared_ptr<arrow::Buffer>> ChdbEngine::Take(ChdbLibrary::Result* result) const {
  if (result == nullptr) return MakeError(ErrorKind::kFailed, name_ + ": no answer");
  if (const char* error = library_.error(result); error != nullptr && *error != '\0') {
    const std::string text(error);
    library_.destroy_result(result);
    const auto exception = ParseServerException(text);
    if (!exception) return MakeError(ErrorKind::kFailed, name_ + ": " + text);
    return MakeError(exception->kind, fmt::format("{}: Code {}: {}", name_, exception->code, exception->message),
                     exception->remedy);
  }
  return std::make_shared<ChdbBuffer>(library_, result);
}

Result<std::shared_ptr<arrow::Buffer>> ChdbEngine::Run(const ChdbLease& lease, const std::string& sql,
                                                       const char* format) {
  return Take(library_.query(lease.get(), sql.data(), sql.size(), format, std::char_traits<char>::length(format)));
}

void ChdbEngine::Watch(const std::string& id) {
  std::lock_guard lock(mutex_);
  watched_.insert(id);
  wake_.notify_all();
}

void ChdbEngine::Unwatch(const std::string& id) {
  std::lock_guard lock(mutex_);
  watched_.erase(id);
}

void ChdbEngine::Kill(const std::string& id) {
  // Not a lease: on the watching thread it could become the engine's last owner.
  auto cell = Connect({});
  if (!cell.ok()) return;
  const std::string sql = "KILL QUERY WHERE startsWith(query, " + QuoteString(Tag(id)) + ") ASYNC";
  library_.destroy_result(library_.query(**cell, sql.data(), sql.size(), "Null", 4));
  library_.close_connection(*cell);
}

// A fetch cannot be interrupted from within: it waits until the engine has a block, minutes for an aggregation. So
// another connection kills the query, and the fetch ends with an error.
void ChdbEngine::KillOnStop(const std::stop_token& done) {
  std::unique_lock lock(mutex_);
  while (!done.stop_requested()) {
    wake_.wait(lock, done, [this] { return !watched_.empty(); });
    wake_.wait_for(lock, done, kStopPoll, [] { return false; });
    if (!stop_.stopped()) continue;
    const auto running = watched_;  // again and again until they end: one may not have been listed yet
    lock.unlock();
    for (const auto& id : running) Kill(id);
    lock.lock();
  }
}

}  // namespace calve::source
