// A child process with pipes at its three standard descriptors, in a process group of its own.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "calve/base/error.h"
#include "calve/base/unique_fd.h"

namespace calve::process {

struct Ending {
  bool was_killed = false;
  int code = 0;  // the exit code, or the signal

  std::string Text() const;  // "ended with exit code 3", "was killed by signal 9 (Killed)"
};

class Child {
 public:
  // kConfig where the program cannot be started.
  static Result<Child> Start(const std::vector<std::string>& words);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();  // SIGKILL to its group, and to nobody else: it is only now that its number may become another's

  void Signal(int signal);  // to the group, of which this keeps the number
  // Once it has ended; never waits.
  std::optional<Ending> Ended() const;

  UniqueFd in, out, err;  // this side's ends; not blocking

 private:
  explicit Child(pid_t pid) : pid_(pid) {}

  pid_t pid_;
};

}  // namespace calve::process
