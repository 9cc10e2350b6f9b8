// Forked children for tests of what several processes do at once. Fork before any thread is started.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <stdexcept>
#include <vector>

namespace calve::storage {

// ThreadSanitizer ends a child that starts threads if its parent has ever had some.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kChildrenMayStartThreads = false;
#else
inline constexpr bool kChildrenMayStartThreads = true;
#endif

// Runs `body` in a child, which ends with what it returns (0 to 125) and runs no destructors or tests of the parent.
inline pid_t StartChild(const std::function<int()>& body) {
  std::fflush(nullptr);
  pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid != 0) return pid;
  int code = 125;
  try {
    code = body();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "child: %s\n", e.what());
  }
  std::fflush(nullptr);
  _exit(code);
}

// The child's exit code, or 1000 plus the signal that ended it.
inline int WaitForChild(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) throw std::runtime_error("waitpid failed");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

inline std::vector<int> RunChildren(int count, const std::function<int(int)>& body) {
  std::vector<pid_t> pids;
  for (int i = 0; i < count; ++i) pids.push_back(StartChild([&body, i] { return body(i); }));
  std::vector<int> codes;
  for (pid_t pid : pids) codes.push_back(WaitForChild(pid));
  return codes;
}

}  // namespace calve::storage
