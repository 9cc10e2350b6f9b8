#include "calve/cli/service_notify.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <ctime>

namespace calve::cli {
namespace {

constexpr size_t kStatusLengthMax = 500;
// A manager that does not read is not waited for longer than that.
constexpr timeval kSendLimit{.tv_sec = 2, .tv_usec = 0};
// Between the end of a cycle that must stop and that of the process.
constexpr int64_t kEndMicros = 10 * kMicrosPerSecond;

// The address of a path or, after '@', of a name in the abstract namespace. False where it does not fit.
bool AddressOf(const std::string& name, sockaddr_un* address, socklen_t* length) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (name.size() < 2 || name.size() >= sizeof(address->sun_path)) return false;
  std::memcpy(address->sun_path, name.data(), name.size());
  if (name.front() == '@') address->sun_path[0] = '\0';
  // An abstract name has no NUL at its end.
  *length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (name.front() == '@' ? 0 : 1));
  return true;
}

std::optional<int64_t> WholeNumber(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number <= 0) return std::nullopt;
  return number;
}

Status NotSystemds(const char* variable, const char* value) {
  return MakeError(ErrorKind::kConfig,
                   fmt::format("the variable {} is '{}', which systemd would not set", variable, value),
                   "unset it, or let systemd start calve (Type=notify)");
}

int64_t MonotonicMicros() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kMicrosPerSecond + now.tv_nsec / 1000;
}

}  // namespace

Result<ServiceEnvironment> ReadServiceEnvironment(const VariableLookup& lookup, int64_t pid) {
  ServiceEnvironment environment;
  if (const char* socket = lookup("NOTIFY_SOCKET"); socket != nullptr && *socket != '\0') {
    sockaddr_un address;
    socklen_t length;
    if ((*socket != '/' && *socket != '@') || !AddressOf(socket, &address, &length)) {
      return NotSystemds("NOTIFY_SOCKET", socket);
    }
    environment.socket = socket;
  }
  const char* usec = lookup("WATCHDOG_USEC");
  if (environment.socket.empty() || usec == nullptr) return environment;
  const auto limit = WholeNumber(usec);
  if (!limit) return NotSystemds("WATCHDOG_USEC", usec);
  if (const char* watched = lookup("WATCHDOG_PID"); watched != nullptr) {
    const auto number = WholeNumber(watched);
    if (!number) return NotSystemds("WATCHDOG_PID", watched);
    if (*number != pid) return environment;  // somebody else's: whoever started us is watched
  }
  environment.watchdog_usec = limit;
  return environment;
}

std::string StatusLine(const std::string& text) {
  std::string line = text.substr(0, kStatusLengthMax);
  if (text.size() > kStatusLengthMax) {
    while (!line.empty() && (static_cast<unsigned char>(text[line.size()]) & 0xC0) == 0x80) line.pop_back();
    line += "…";
  }
  std::ranges::replace_if(
      line, [](unsigned char c) { return c < 0x20; }, ' ');
  return line;
}

ServiceNotifier::ServiceNotifier(ServiceEnvironment environment) : environment_(std::move(environment)) {
  if (environment_.socket.empty()) return;
  socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) {
    errno_ = errno;
    return;
  }
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &kSendLimit, sizeof(kSendLimit));
}

ServiceNotifier::~ServiceNotifier() {
  if (socket_ >= 0) close(socket_);
}

void ServiceNotifier::Send(const std::string& message) {
  if (socket_ < 0) return;
  sockaddr_un address;
  socklen_t length = 0;
  if (!AddressOf(environment_.socket, &address, &length)) return;
  ssize_t sent;
  do {
    sent = sendto(socket_, message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
                  length);
  } while (sent < 0 && errno == EINTR);
  errno_ = sent < 0 ? errno : 0;
}

void ServiceNotifier::Ready(const std::string& status) { Send("READY=1\nSTATUS=" + StatusLine(status)); }

void ServiceNotifier::Status(const std::string& status) { Send("STATUS=" + StatusLine(status)); }

void ServiceNotifier::Reloading() {
  Send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reading the configuration again", MonotonicMicros()));
}

void ServiceNotifier::Stopping(const std::string& status, std::optional<int64_t> micros) {
  std::string message = "STOPPING=1\nSTATUS=" + StatusLine(status);
  if (micros) message += fmt::format("\nEXTEND_TIMEOUT_USEC={}", *micros + kEndMicros);
  Send(message);
}

void ServiceNotifier::Alive() {
  if (environment_.watchdog_usec) Send("WATCHDOG=1");
}

std::optional<int64_t> ServiceNotifier::alive_every_micros() const {
  if (!environment_.watchdog_usec) return std::nullopt;
  return std::max<int64_t>(1, *environment_.watchdog_usec / 2);
}

calve::Status ServiceNotifier::failure() const {
  const int number = errno_;
  if (number == 0) return calve::Status::OK();
  return MakeError(ErrorKind::kFailed, fmt::format("the service manager could not be told at NOTIFY_SOCKET={}: {}",
                                                   environment_.socket, std::strerror(number)));
}

AliveWaiter::AliveWaiter(ServiceNotifier& notifier, std::function<void()> look)
    : notifier_(notifier),
      look_(std::move(look)),
      waiter_(notifier.alive_every_micros() ? std::make_unique<schedule::SystemWaiter>(*notifier.alive_every_micros())
                                            : std::make_unique<schedule::SystemWaiter>()) {}

schedule::Waiter::Reason AliveWaiter::WaitUntil(TimestampMicros time) {
  if (notifier_.alive_every_micros()) {
    look_();
    notifier_.Alive();
  }
  return waiter_->WaitUntil(time);
}

}  // namespace calve::cli
