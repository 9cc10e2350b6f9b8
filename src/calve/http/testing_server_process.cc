#include "calve/http/testing_server_process.h"

#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "calve/base/stop.h"
#include "calve/http/http_client.h"

namespace calve::http {
namespace {

// A TCP socket and the address of `port` on loopback.
struct Loopback {
  explicit Loopback(int port) : descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
  }
  ~Loopback() {
    if (descriptor >= 0) close(descriptor);
  }
  sockaddr* at() { return reinterpret_cast<sockaddr*>(&address); }

  const int descriptor;
  sockaddr_in address{};
  socklen_t size = sizeof(address);
};

}  // namespace

std::optional<std::filesystem::path> InstalledServer(const std::string& name) {
  const char* deps = std::getenv("CALVE_DEPS");
  auto path = std::filesystem::path(deps && *deps ? deps : CALVE_TEST_DEPS) / "servers" / name;
  if (std::filesystem::exists(path)) return path;
  const char* strict = std::getenv("CALVE_STRICT");
  if (strict && std::string(strict) == "1") throw std::runtime_error(path.string() + " is missing: run `make setup`");
  return std::nullopt;
}

int FreePort() {
  Loopback any(0);
  if (bind(any.descriptor, any.at(), any.size) != 0 || getsockname(any.descriptor, any.at(), &any.size) != 0) {
    throw std::runtime_error("no free port");
  }
  return ntohs(any.address.sin_port);
}

bool Listens(int port) {
  Loopback server(port);
  return connect(server.descriptor, server.at(), server.size) == 0;
}

int StatusOf(int port, const std::string& target) {
  HttpEndpoint endpoint;
  endpoint.origin = "http://127.0.0.1:" + std::to_string(port);
  endpoint.is_loopback = true;
  endpoint.connect_timeout_ms = endpoint.idle_timeout_ms = 2000;
  HttpRequest request;
  request.method = "GET";
  request.target = target;
  StopToken stop;
  auto response = HttpClient(endpoint, stop).Call(request);
  return response.ok() ? response->status : 0;
}

ServerProcess::ServerProcess(std::filesystem::path folder, Command command)
    : folder_(std::move(folder)), command_(std::move(command)), owner_(getpid()) {
  std::filesystem::create_directories(folder_);
}

void ServerProcess::Start() {
  Spawn();
  const auto deadline = std::chrono::steady_clock::now() + command_.start_limit;
  while (std::chrono::steady_clock::now() < deadline) {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) {
      pid_ = 0;
      break;
    }
    if (command_.ready ? command_.ready() : Listens(command_.port)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  Stop(SIGKILL);
  throw std::runtime_error(command_.words[0] + " does not start:\n" + EndOfLog());
}

void ServerProcess::Stop(int signal) {
  if (pid_ <= 0 || getpid() != owner_) return;
  kill(pid_, signal);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void ServerProcess::Spawn() {
  std::vector<std::string> words = {"env"};
  words.insert(words.end(), command_.environment.begin(), command_.environment.end());
  words.insert(words.end(), command_.words.begin(), command_.words.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string log = (folder_ / "log").string(), folder = folder_.string();
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // it ends with this program, however that ends
  if (getppid() != owner_ || chdir(folder.c_str()) != 0) _exit(126);
  if (!freopen(log.c_str(), "a", stdout) || !freopen(log.c_str(), "a", stderr)) _exit(126);
  execvp(arguments[0], arguments.data());
  _exit(127);
}

std::string ServerProcess::EndOfLog() const {
  std::stringstream text;
  text << std::ifstream(folder_ / "log").rdbuf();
  const std::string all = text.str();
  return all.substr(all.size() > 3000 ? all.size() - 3000 : 0);
}

}  // namespace calve::http
