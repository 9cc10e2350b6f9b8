#include "calve/process/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

extern char** environ;

namespace calve::process {
namespace {

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return MakeError(ErrorKind::kFailed, fmt::format("no pipe could be made: {}", std::strerror(errno)));
  }
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void MakeNonBlocking(const UniqueFd& fd) { fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK); }

// What posix_spawn is told, freed at the end.
class SpawnOrders {
 public:
  SpawnOrders(int in, int out, int err) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, err, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnOrders() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnOrders(const SpawnOrders&) = delete;
  SpawnOrders& operator=(const SpawnOrders&) = delete;

  int Spawn(const std::vector<std::string>& words, pid_t* pid) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    return posix_spawnp(pid, arguments[0], &actions_, &attributes_, arguments.data(), environ);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<Child> Child::Start(const std::vector<std::string>& words) {
  if (words.empty()) return MakeError(ErrorKind::kConfig, "there is no command to run");
  ARROW_ASSIGN_OR_RAISE(Pipe in, MakePipe());
  ARROW_ASSIGN_OR_RAISE(Pipe out, MakePipe());
  ARROW_ASSIGN_OR_RAISE(Pipe err, MakePipe());
  pid_t pid = 0;
  const int failed = SpawnOrders(in.read.get(), out.write.get(), err.write.get()).Spawn(words, &pid);
  if (failed != 0) {
    return MakeError(ErrorKind::kConfig, fmt::format("{} cannot be run: {}", words[0], std::strerror(failed)),
                     "Give its full path, and see that it is executable.");
  }
  Child child(pid);
  child.in = std::move(in.write), child.out = std::move(out.read), child.err = std::move(err.read);
  for (const UniqueFd* fd : {&child.in, &child.out, &child.err}) MakeNonBlocking(*fd);
  return child;
}

Child::Child(Child&& other) noexcept
    : in(std::move(other.in)),
      out(std::move(other.out)),
      err(std::move(other.err)),
      pid_(std::exchange(other.pid_, 0)) {}

Child::~Child() {
  if (pid_ == 0) return;
  Signal(SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
}

void Child::Signal(int signal) { kill(-pid_, signal); }

std::optional<Ending> Child::Ended() const {
  siginfo_t info{};
  // It stays to be waited for: its number, which is its group's, is not another's until then.
  if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
    return std::nullopt;
  }
  return Ending{info.si_code != CLD_EXITED, info.si_status};
}

std::string Ending::Text() const {
  return was_killed ? fmt::format("was killed by signal {} ({})", code, strsignal(code))
                    : fmt::format("ended with exit code {}", code);
}

}  // namespace calve::process
