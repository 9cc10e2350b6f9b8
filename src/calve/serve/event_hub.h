// Server-sent events to several readers, by one thread. A reader who does not keep up is let go: what he missed he gets
// as a whole when he comes back.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "calve/base/error.h"
#include "calve/serve/connection.h"

namespace calve::serve {

struct ServerEvent {
  std::string name, data;  // data: one line
};

// Called by the hub's thread alone.
struct EventSource {
  std::function<ServerEvent()> whole;                 // all there is, for who has just come
  std::function<std::vector<ServerEvent>()> changes;  // since the last call
};

struct EventLimits {
  size_t readers = 32;
  size_t behind_max = 256 << 10;  // bytes that wait for a reader beyond the first event
  int64_t look_micros = 500'000;  // how often changes are looked for
  int64_t heartbeat_micros = 15'000'000;
};

// "id: 7\nevent: progress\ndata: …\n\n"
std::string EventText(const ServerEvent& event, int64_t id);

class EventHub {
 public:
  EventHub(EventSource source, const EventLimits& limits);
  // Lets go of all readers.
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  // Takes a place for a reader who is to come; false: there is none.
  bool Reserve();
  // Gives it back, or fills it: the headers of the answer have been sent.
  void Release();
  void Add(std::unique_ptr<Connection> connection);

  size_t readers() const { return places_; }

 private:
  struct Reader;
  void Work();
  // False: he is gone, or has to go.
  bool Send(Reader& reader) const;
  bool IsThere(Reader& reader) const;
  void Queue(const std::vector<ServerEvent>& events);
  void Admit();

  const EventSource source_;
  const EventLimits limits_;
  std::atomic<size_t> places_{0};
  int wake_ = -1;  // an eventfd

  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> arrived_;  // protected by mutex_
  bool ended_ = false;                                // protected by mutex_

  // Of the thread alone.
  std::vector<std::unique_ptr<Reader>> readers_;
  int64_t next_id_ = 1;
  std::jthread thread_;  // last
};

}  // namespace calve::serve
