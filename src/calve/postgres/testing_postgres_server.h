// A PostgreSQL server of its own for one test program: made in a temporary folder, reached through a socket there
// alone, gone with the program.
#pragma once

#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "calve/postgres/connection.h"

namespace calve::postgres {

class PostgresServer {
 public:
  // The program's server, running. Null where the machine has no PostgreSQL: with CALVE_STRICT=1 that is an exception.
  static PostgresServer* Get() {
    static std::unique_ptr<PostgresServer> server = Make();
    return server.get();
  }
  // As Get() sees it. With CALVE_STRICT=1 a machine without PostgreSQL has one that fails.
  static bool IsInstalled() { return !Newest().empty() || IsStrict(); }

  ~PostgresServer() {
    if (pid_ > 0 && getpid() == owner_) Stop(SIGQUIT);
    std::error_code ignored;
    if (getpid() == owner_) std::filesystem::remove_all(folder_, ignored);
  }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  std::string folder() const { return folder_.string(); }  // of the socket
  std::string Uri(const std::string& user = "postgres", const std::string& schema = "public") const {
    return UriAt(folder(), schema, user);
  }
  // Through another's socket.
  static std::string UriAt(const std::string& folder, const std::string& schema, const std::string& user = "postgres") {
    return "postgresql://" + user + "@/postgres?host=" + folder + "&options=-csearch_path%3D" + schema;
  }
  // The URI of a new, empty schema.
  std::string NextUri() {
    std::string schema = "schema_" + std::to_string(getpid()) + "_" + std::to_string(++schemas_);
    Execute("CREATE SCHEMA " + schema);
    return Uri("postgres", schema);
  }
  // As the superuser; the first row's first column, where there is one.
  std::string Execute(const std::string& sql, const std::string& schema = "public") const {
    return ExecuteAt(Uri("postgres", schema), sql);
  }
  static std::string ExecuteAt(const std::string& uri, const std::string& sql) {
    ConnectOptions options;
    options.uri = uri;
    Rows rows = Connection::Open(options).ValueOrDie().Execute(sql).ValueOrDie();
    return rows.count() > 0 ? rows.Text(0, 0) : "";
  }

  void Start() {
    for (int tries = 0; tries < 50; ++tries) {
      pid_ = Spawn({Program("postgres"), "-D", Data(), "-c", "listen_addresses=", "-c",
                    "unix_socket_directories=" + folder_.string(), "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c",
                    "max_connections=40"});
      ConnectOptions options;
      options.uri = Uri();
      for (int waits = 0; waits < 400 && waitpid(pid_, nullptr, WNOHANG) == 0; ++waits) {
        if (Connection::Open(options).ok()) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(25));
      }
      // What a killed server leaves in memory is given back when the last of its processes has gone.
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    throw std::runtime_error("PostgreSQL does not start: see " + (folder_ / "log").string());
  }
  // SIGINT: as administrators stop it. SIGKILL: as a power failure does.
  void Stop(int signal = SIGINT) {
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  // A session's process stands still, or goes on.
  static void SignalSession(const std::string& pid, int signal) { kill(std::stoi(pid), signal); }

 private:
  explicit PostgresServer(std::filesystem::path programs) : programs_(std::move(programs)), owner_(getpid()) {
    // Short, for the path of a socket may have 107 bytes; not below a folder that only its owner may enter.
    std::string pattern = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm/calve-pg-XXXXXX" : "/tmp/calve-pg-XXXXXX";
    if (!mkdtemp(pattern.data())) throw std::runtime_error("cannot make " + pattern);
    folder_ = pattern;
    // It refuses to run as root.
    if (const passwd* user = geteuid() == 0 ? getpwnam("postgres") : nullptr) {
      user_ = {"--reuid=" + std::to_string(user->pw_uid), "--regid=" + std::to_string(user->pw_gid), "--clear-groups"};
      if (chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0) throw std::runtime_error("chown failed");
    }
    pid_t init = Spawn(
        {Program("initdb"), "-D", Data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"});
    int code = 0;
    if (waitpid(init, &code, 0) != init || code != 0) {
      throw std::runtime_error("initdb failed: see " + (folder_ / "log").string());
    }
  }

  static bool IsStrict() {
    const char* strict = std::getenv("CALVE_STRICT");
    return strict && std::string(strict) == "1";
  }
  // The folder of the newest version's programs.
  static std::filesystem::path Newest() {
    std::error_code ignored;
    std::filesystem::path newest;
    for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
      auto bin = version.path() / "bin";
      if (access((bin / "initdb").c_str(), X_OK) == 0 && (newest.empty() || bin > newest)) newest = bin;
    }
    return newest;
  }
  static std::unique_ptr<PostgresServer> Make() {
    const std::filesystem::path newest = Newest();
    if (newest.empty() && IsStrict()) throw std::runtime_error("no PostgreSQL below /usr/lib/postgresql");
    if (newest.empty()) return nullptr;
    std::unique_ptr<PostgresServer> server(new PostgresServer(newest));
    server->Start();
    return server;
  }

  std::string Program(const std::string& name) const { return (programs_ / name).string(); }
  std::string Data() const { return (folder_ / "data").string(); }

  // Ends with this program, however that ends.
  pid_t Spawn(const std::vector<std::string>& command) const {
    std::vector<std::string> words = {"setpriv", "--pdeathsig", "KILL"};
    words.insert(words.end(), user_.begin(), user_.end());
    words.insert(words.end(), command.begin(), command.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string log = (folder_ / "log").string();
    pid_t pid = fork();
    if (pid < 0) throw std::runtime_error("fork failed");
    if (pid != 0) return pid;
    if (chdir("/") != 0 || !freopen(log.c_str(), "a", stdout) || !freopen(log.c_str(), "a", stderr)) _exit(126);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }

  const std::filesystem::path programs_;
  const pid_t owner_;
  std::filesystem::path folder_;
  std::vector<std::string> user_;
  pid_t pid_ = 0;
  int schemas_ = 0;
};

}  // namespace calve::postgres
