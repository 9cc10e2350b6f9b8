#include "calve/cli/signals.h"

#include <pthread.h>
#include <unistd.h>

namespace calve::cli {

SignalWatch::SignalWatch(StopToken& stop) {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGHUP);
  sigaddset(&signals_, SIGUSR2);  // the destructor's: ends the waiting thread
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a closed connection or a closed pager is an error code, not a death
  thread_ = std::thread([this, &stop] {
    int signal = 0;
    while (sigwait(&signals_, &signal) == 0 && signal != SIGUSR2) {
      if (signal == SIGHUP && stop.RequestReload()) continue;
      if (stop.stopped()) _exit(128 + signal);
      stop.RequestStop(signal);
    }
  });
}

SignalWatch::~SignalWatch() {
  pthread_kill(thread_.native_handle(), SIGUSR2);
  thread_.join();
}

}  // namespace calve::cli
