#include "calve/serve/event_hub.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>

namespace calve::serve {
namespace {

using Instant = std::chrono::steady_clock::time_point;

}  // namespace

struct EventHub::Reader {
  explicit Reader(std::unique_ptr<Connection> from) : connection(std::move(from)) {}

  const std::unique_ptr<Connection> connection;
  std::string waiting;  // what is to be sent, from `sent` on
  size_t sent = 0;
  size_t waiting_max = 0;
  Instant last_queued = {};

  size_t behind() const { return waiting.size() - sent; }
};

std::string EventText(const ServerEvent& event, int64_t id) {
  std::string text = fmt::format("id: {}\nevent: {}\ndata: ", id, event.name);
  for (const char c : event.data) text += c == '\n' || c == '\r' ? ' ' : c;
  return text + "\n\n";
}

EventHub::EventHub(EventSource source, const EventLimits& limits)
    : source_(std::move(source)), limits_(limits), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  thread_ = std::jthread([this] { Work(); });
}

EventHub::~EventHub() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  eventfd_write(wake_, 1);
  thread_.join();
  close(wake_);
}

bool EventHub::Reserve() {
  size_t taken = places_;
  while (taken < limits_.readers) {
    if (places_.compare_exchange_weak(taken, taken + 1)) return true;
  }
  return false;
}

void EventHub::Release() { --places_; }

void EventHub::Add(std::unique_ptr<Connection> connection) {
  {
    std::lock_guard lock(mutex_);
    arrived_.push_back(std::move(connection));
  }
  eventfd_write(wake_, 1);
}

bool EventHub::Send(Reader& reader) const {
  while (reader.behind() > 0) {
    const ssize_t done = reader.connection->Write(reader.waiting.data() + reader.sent, reader.behind());
    if (done == Connection::kNotNow) break;
    if (done <= 0) return false;
    reader.sent += static_cast<size_t>(done);
  }
  if (reader.behind() == 0) {
    reader.waiting.clear();
    reader.sent = 0;
  }
  return reader.behind() <= reader.waiting_max;
}

// He has nothing to say; that he closes is seen here.
bool EventHub::IsThere(Reader& reader) const {
  char bytes[512];
  for (int i = 0; i < 8; ++i) {
    const ssize_t got = reader.connection->Read(bytes, sizeof bytes);
    if (got == Connection::kNotNow) return true;
    if (got <= 0) return false;
  }
  return false;  // nor does he talk for ever
}

void EventHub::Queue(const std::vector<ServerEvent>& events) {
  for (const ServerEvent& event : events) {
    const std::string text = EventText(event, next_id_++);
    for (const auto& reader : readers_) {
      reader->waiting += text;
      reader->last_queued = std::chrono::steady_clock::now();
    }
  }
}

void EventHub::Admit() {
  std::vector<std::unique_ptr<Connection>> arrived;
  {
    std::lock_guard lock(mutex_);
    arrived.swap(arrived_);
  }
  if (arrived.empty()) return;
  // What changed until now is in the whole: only the others need to be told.
  Queue(source_.changes());
  const std::string whole = EventText(source_.whole(), next_id_++);
  for (auto& connection : arrived) {
    auto reader = std::make_unique<Reader>(std::move(connection));
    reader->waiting = "retry: 2000\n\n" + whole;
    reader->waiting_max = reader->waiting.size() + limits_.behind_max;
    reader->last_queued = std::chrono::steady_clock::now();
    readers_.push_back(std::move(reader));
  }
}

void EventHub::Work() {
  Instant looked = {};
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (ended_) break;
    }
    Admit();
    const Instant now = std::chrono::steady_clock::now();
    if (!readers_.empty() && now - looked >= std::chrono::microseconds(limits_.look_micros)) {
      looked = now;
      Queue(source_.changes());
      for (const auto& reader : readers_) {
        if (now - reader->last_queued < std::chrono::microseconds(limits_.heartbeat_micros)) continue;
        reader->waiting += ": still here\n\n";
        reader->last_queued = now;
      }
    }
    places_ -= std::erase_if(readers_, [&](const auto& reader) { return !Send(*reader); });
    std::vector<pollfd> polled = {{wake_, POLLIN, 0}};
    for (const auto& reader : readers_) {
      const short events = static_cast<short>(POLLIN | (reader->behind() > 0 ? reader->connection->wanted() : 0));
      polled.push_back({reader->connection->socket(), events, 0});
    }
    // Without readers nothing is looked for: the next one to come wakes it.
    const int wait_ms = readers_.empty() ? -1 : static_cast<int>(limits_.look_micros / 1000);
    poll(polled.data(), polled.size(), wait_ms);
    if (polled[0].revents != 0) {
      eventfd_t count = 0;
      eventfd_read(wake_, &count);
    }
    std::vector<bool> heard;
    for (size_t i = 1; i < polled.size(); ++i) heard.push_back((polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0);
    size_t at = 0;
    places_ -= std::erase_if(readers_, [&](const auto& reader) { return heard[at++] && !IsThere(*reader); });
  }
  readers_.clear();
}

}  // namespace calve::serve
