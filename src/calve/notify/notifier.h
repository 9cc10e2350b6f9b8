// Takes what was observed and sees to it that who is to know learns of it, without ever holding up who observed it:
// queues of its own, a thread for what is known and one for each endpoint.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "calve/base/event.h"
#include "calve/base/retry.h"
#include "calve/base/stop.h"
#include "calve/notify/endpoint.h"
#include "calve/notify/payload.h"
#include "calve/notify/problem.h"

namespace calve::notify {

struct NotifierOptions {
  std::vector<EndpointOptions> endpoints;
  NoticePolicy policy;
  Sender sender;
  std::string problem_file;  // empty: what is known is forgotten with the process
  // Of a process that stays: alerts are sent again so often, and reminders looked for; 0: the process ends soon.
  int64_t tick_micros = 0;
  RetryPolicy retry{.attempts_max = 8, .wait_min_ms = 1'000, .wait_max_ms = 60'000, .total_max_ms = 600'000};
  size_t waiting_max = 100;  // notices for one endpoint; what comes on top is dropped
};

class Notifier {
 public:
  // `tell` gets events, from its threads. `clock` must outlive it.
  Notifier(NotifierOptions options, const Clock& clock, std::function<void(const Event&)> tell);
  // Gives up at once what is not delivered.
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Return at once.
  void Observe(std::vector<Observation> observations);
  void Keep(std::vector<std::string> tables);

  // Waits until all is delivered or given up, at most so long.
  void Finish(int64_t limit_ms);

 private:
  struct Work {
    std::vector<Observation> observations;
    std::optional<std::vector<std::string>> tables;  // Keep
    std::vector<ProblemKey> untold;
  };
  struct Outbox {
    EndpointOptions endpoint;
    std::deque<Notice> waiting;   // of a webhook
    std::vector<Notice> over;     // of Alertmanager: to be told once
    std::vector<Problem> firing;  // and what holds
    bool is_due = false;          // of Alertmanager
    bool is_busy = false;
    std::jthread thread;
  };

  void KeepBook();
  void Settle(const Work& work, bool is_tick);
  void Dispatch(const std::vector<Notice>& notices, std::vector<Problem> told, bool is_tick);
  void Deliver(Outbox& outbox);
  Status Send(const Outbox& outbox, const std::string& body);
  void GiveUp(const Outbox& outbox, const Status& status, const std::vector<ProblemKey>& keys);
  bool IsIdle() const;  // with mutex_ held
  int64_t EndsIn(const EndpointOptions& endpoint) const;

  const NotifierOptions options_;
  const Clock& clock_;
  const std::function<void(const Event&)> tell_;
  StopToken stop_;  // ends calls under way

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // protected by mutex_
  std::deque<Work> work_;
  bool is_settling_ = false;
  bool is_ending_ = false;
  std::vector<std::unique_ptr<Outbox>> outboxes_;  // the list itself is constant after construction

  ProblemBook book_;          // of the book's thread; where there is no file
  bool file_failed_ = false;  // of the book's thread: it has been told
  std::jthread book_thread_;  // last
};

}  // namespace calve::notify
