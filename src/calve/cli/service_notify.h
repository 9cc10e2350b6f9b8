// `calve serve` as a service of systemd's: the notification protocol of Type=notify, with watchdog and time extensions.
// Why without libsystemd: docs/decisions/0009-packages.md.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "calve/base/error.h"
#include "calve/base/time.h"
#include "calve/schedule/waiter.h"

namespace calve::cli {

// What the manager left in the environment: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.
struct ServiceEnvironment {
  std::string socket;                    // empty: nobody listens
  std::optional<int64_t> watchdog_usec;  // of this process

  bool operator==(const ServiceEnvironment&) const = default;
};
using VariableLookup = std::function<const char*(const char* name)>;  // as std::getenv
// kConfig where a variable is nothing that systemd would set.
Result<ServiceEnvironment> ReadServiceEnvironment(const VariableLookup& lookup, int64_t pid);

// One line of a status: no line breaks, and of bounded length.
std::string StatusLine(const std::string& text);

// Tells a manager what is going on. Where there is none, it does nothing. Thread-safe.
class ServiceNotifier {
 public:
  explicit ServiceNotifier(ServiceEnvironment environment);
  ~ServiceNotifier();
  ServiceNotifier(const ServiceNotifier&) = delete;
  ServiceNotifier& operator=(const ServiceNotifier&) = delete;

  // It serves: started, or reloaded.
  void Ready(const std::string& status);
  void Status(const std::string& status);
  // Between this and the next Ready the manager shows "reloading".
  void Reloading();
  // It ends; what runs may take so long.
  void Stopping(const std::string& status, std::optional<int64_t> micros);
  // Still alive, where that is asked for.
  void Alive();
  // How often Alive is to be said: half of what the manager waits for. nullopt: nobody asks.
  std::optional<int64_t> alive_every_micros() const;

  // Why the last message did not arrive; OK where it did, or nobody listens.
  calve::Status failure() const;

 private:
  void Send(const std::string& message);

  const ServiceEnvironment environment_;
  int socket_ = -1;
  std::atomic<int> errno_{0};  // of the last message
};

// Waits in pieces, and tells the manager before each that the thread which waits here came by. It is the loop of
// `serve`, which waits between cycles and while one runs: where it hangs, no cycle would ever begin again. A long cycle
// is no hang.
class AliveWaiter : public schedule::Waiter {
 public:
  // `look` is called first: it returns where the rest of the program works, and hangs where that hangs.
  AliveWaiter(ServiceNotifier& notifier, std::function<void()> look);

  Reason WaitUntil(TimestampMicros time) override;
  void Wake() override { waiter_->Wake(); }

 private:
  ServiceNotifier& notifier_;
  const std::function<void()> look_;
  const std::unique_ptr<schedule::SystemWaiter> waiter_;
};

}  // namespace calve::cli
