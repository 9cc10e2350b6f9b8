#include "calve/cli/log_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <utility>

namespace calve::cli {

bool LogWriter::WaitUntilWritable(int ms) const {
  pollfd wanted{fd_, POLLOUT, 0};
  int ready = 0;
  do {
    ready = poll(&wanted, 1, ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;  // also where it is closed: writing says so
}

bool LogWriter::WriteSome(std::string_view bytes) {
  using Steady = std::chrono::steady_clock;
  const auto deadline = Steady::now() + std::chrono::milliseconds(is_stuck_ ? 0 : patience_ms_);
  while (!bytes.empty()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now()).count();
    if (!WaitUntilWritable(static_cast<int>(std::max<int64_t>(0, left)))) {
      is_stuck_ = true;
      return false;
    }
    // A pipe that poll() calls writable takes so much without blocking.
    const ssize_t written = write(fd_, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN && Steady::now() < deadline) {
      poll(nullptr, 0, 1);  // there is room, and too little of it
      continue;
    }
    if (written < 0) {
      // A full disk may have room later.
      is_gone_ = errno == EPIPE || errno == EBADF;
      is_stuck_ |= errno == EAGAIN;
      return false;
    }
    is_stuck_ = false;
    is_amid_ = true;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  is_amid_ = false;
  return true;
}

bool LogWriter::Write(std::string_view bytes) {
  if (is_gone_) return false;
  const bool done = (!is_amid_ || WriteSome("\n")) && WriteSome(bytes);
  if (!done) ++lost_;
  return done;
}

int64_t LogWriter::TakeLost() {
  if (lost_ == 0 || is_gone_ || !WaitUntilWritable(0)) return 0;
  return std::exchange(lost_, 0);
}

void OpenStandardDescriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    const int opened = open("/dev/null", O_RDWR);  // takes the lowest number that is free
    if (opened > STDERR_FILENO) close(opened);
  }
}

}  // namespace calve::cli
