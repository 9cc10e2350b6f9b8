// Real servers as processes of a test program: on loopback, on a free port and in a folder of their own, ended with it.
//
// ctest runs each case as a process of its own, and a server takes from 0.1 s (S3) to 4 s (Nessie) to start. So suites
// that need one have RealServer in their name; for a layer that CMakeLists.txt marks with REAL_SERVERS, ctest runs all
// of these in one process (LAYER.RealServers), where the starters (storage/testing_s3_server.h,
// catalog/testing_rest_server.h) hand out the same server to each case. Cases share it: each takes a namespace, table
// or bucket of its own. A server that a case wants to stop is started by that case, for itself.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace calve::http {

// What `tools/setup servers` put at `name` below its folder. Empty where it is not there: with CALVE_STRICT=1 that is
// an exception, else a reason to skip.
std::optional<std::filesystem::path> InstalledServer(const std::string& name);

int FreePort();                                     // that nobody listens on at the moment
bool Listens(int port);                             // on loopback
int StatusOf(int port, const std::string& target);  // what a GET is answered with; 0: not at all

class ServerProcess {
 public:
  struct Command {
    std::vector<std::string> words;        // the program, its arguments
    std::vector<std::string> environment;  // "NAME=value", besides this program's own
    int port = 0;
    std::function<bool()> ready;  // asked until it says yes; none: it listens on `port`
    std::chrono::seconds start_limit{60};
  };

  // Its output goes to `folder`/log. Not started yet.
  ServerProcess(std::filesystem::path folder, Command command);
  ~ServerProcess() { Stop(SIGKILL); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Returns once it is ready; throws, with the end of its log, where it does not get so far. From the main thread: the
  // server ends with the thread that started it.
  void Start();
  // SIGTERM: as an administrator does; SIGKILL: as a power failure does. Start() brings it back on the same port.
  void Stop(int signal = SIGTERM);
  int port() const { return command_.port; }

 private:
  void Spawn();
  std::string EndOfLog() const;

  const std::filesystem::path folder_;
  const Command command_;
  const pid_t owner_;  // children of the program leave the server alone
  pid_t pid_ = 0;
};

}  // namespace calve::http
