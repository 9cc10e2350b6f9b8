#include "calve/cli/reader_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <exception>

namespace calve::cli {

ReaderWatch::ReaderWatch(StopToken& stop, int fd) : wake_(eventfd(0, EFD_CLOEXEC)) {
  if (!wake_.valid()) return;  // no descriptors left: it goes on as it would have without this
  thread_ = std::thread([&stop, fd, wake = wake_.get()] {
    // Errors and hang-ups are told unasked.
    std::array<pollfd, 2> watched = {pollfd{fd, 0, 0}, pollfd{wake, POLLIN, 0}};
    while (true) {
      const int count = poll(watched.data(), watched.size(), -1);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 || watched[1].revents != 0) return;
      if ((watched[0].revents & (POLLERR | POLLHUP)) != 0) stop.RequestStop(SIGPIPE);
      watched[0].fd = -1;
    }
  });
}

ReaderWatch::~ReaderWatch() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  if (write(wake_.get(), &one, sizeof one) < 0) std::terminate();  // an event's counter takes a 1
  thread_.join();
}

}  // namespace calve::cli
