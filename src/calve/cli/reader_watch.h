// Asks to stop when nobody reads stdout any more: whoever started a command that works for long and answers late (an
// executor whose task was killed, `parallel`, a shell) is gone, and so is the use of what it would say.
#pragma once

#include <thread>

#include "calve/base/stop.h"
#include "calve/base/unique_fd.h"

namespace calve::cli {

class ReaderWatch {
 public:
  // SIGPIPE is the signal that `stop` is told. Where `fd` is no pipe or socket nothing ever happens.
  explicit ReaderWatch(StopToken& stop, int fd = STDOUT_FILENO);
  ~ReaderWatch();
  ReaderWatch(const ReaderWatch&) = delete;
  ReaderWatch& operator=(const ReaderWatch&) = delete;

 private:
  UniqueFd wake_;
  std::thread thread_;
};

}  // namespace calve::cli
