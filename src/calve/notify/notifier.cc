#include "calve/notify/notifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "calve/base/random.h"
#include "calve/notify/problem_file.h"

namespace calve::notify {
namespace {

using Milliseconds = std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

ProblemKey KeyOf(const Problem& problem) { return {problem.last.kind, problem.last.table}; }

}  // namespace

Notifier::Notifier(NotifierOptions options, const Clock& clock, std::function<void(const Event&)> tell)
    : options_(std::move(options)), clock_(clock), tell_(std::move(tell)) {
  for (const EndpointOptions& endpoint : options_.endpoints) {
    outboxes_.push_back(std::make_unique<Outbox>());
    outboxes_.back()->endpoint = endpoint;
  }
  for (const auto& outbox : outboxes_) outbox->thread = std::jthread([this, &box = *outbox] { Deliver(box); });
  book_thread_ = std::jthread([this] { KeepBook(); });
}

Notifier::~Notifier() {
  {
    std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  stop_.RequestStop();
  changed_.notify_all();
  if (book_thread_.joinable()) book_thread_.join();
  for (const auto& outbox : outboxes_) {
    if (outbox->thread.joinable()) outbox->thread.join();
  }
  // What was not delivered is told by the next process.
  Work left;
  for (const Work& work : work_) left.untold.insert(left.untold.end(), work.untold.begin(), work.untold.end());
  for (const auto& outbox : outboxes_) {
    for (const Notice& notice : outbox->waiting) {
      if (notice.reason != NoticeReason::kResolved) left.untold.push_back(KeyOf(notice.problem));
    }
  }
  if (!left.untold.empty()) Settle(left, /*is_tick=*/false);
}

void Notifier::Observe(std::vector<Observation> observations) {
  if (observations.empty()) return;
  std::lock_guard lock(mutex_);
  // Who observes goes on; a state file on a disk that hangs must not make this grow.
  if (work_.size() >= options_.waiting_max) work_.pop_front();
  work_.push_back({std::move(observations), std::nullopt, {}});
  changed_.notify_all();
}

void Notifier::Keep(std::vector<std::string> tables) {
  std::lock_guard lock(mutex_);
  work_.push_back({{}, std::move(tables), {}});
  changed_.notify_all();
}

bool Notifier::IsIdle() const {
  return work_.empty() && !is_settling_ && std::ranges::all_of(outboxes_, [](const auto& outbox) {
           return outbox->waiting.empty() && !outbox->is_due && !outbox->is_busy;
         });
}

void Notifier::Finish(int64_t limit_ms) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, Milliseconds(limit_ms), [this] { return IsIdle(); });
}

void Notifier::KeepBook() {
  auto next_tick = SteadyClock::now();
  const auto every = std::chrono::microseconds(options_.tick_micros);
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    const auto is_wanted = [this] { return is_ending_ || !work_.empty(); };
    if (options_.tick_micros > 0) {
      changed_.wait_until(lock, next_tick, is_wanted);
    } else {
      changed_.wait(lock, is_wanted);
    }
    if (is_ending_) return;
    const bool is_tick = options_.tick_micros > 0 && SteadyClock::now() >= next_tick;
    if (is_tick) next_tick = SteadyClock::now() + every;
    std::optional<Work> work;
    if (!work_.empty()) {
      work = std::move(work_.front());
      work_.pop_front();
    }
    if (!work && !is_tick) continue;
    is_settling_ = true;
    lock.unlock();
    Settle(work.value_or(Work{}), is_tick);
    lock.lock();
    is_settling_ = false;
    changed_.notify_all();
  }
}

void Notifier::Settle(const Work& work, bool is_tick) {
  std::vector<Notice> notices;
  std::vector<Problem> told;
  const auto update = [&](ProblemBook& book) {
    const TimestampMicros now = clock_.Now();
    for (const ProblemKey& key : work.untold) book.Untell(key);
    for (const Observation& observation : work.observations) {
      if (auto notice = book.Observe(observation, options_.policy, now)) notices.push_back(std::move(*notice));
    }
    if (work.tables) {
      for (Notice& notice : book.Keep(*work.tables, now)) notices.push_back(std::move(notice));
    }
    if (is_tick) {
      for (Notice& notice : book.Remind(options_.policy, now)) notices.push_back(std::move(notice));
    }
    told = book.Told();
  };
  Status kept = Status::OK();
  if (!options_.problem_file.empty()) {
    ProblemBook seen;
    kept = UpdateProblemFile(options_.problem_file, [&](ProblemBook& book) {
      update(book);
      seen = book;
    });
    if (kept.ok()) book_ = std::move(seen);
    if (!kept.ok() && !std::exchange(file_failed_, true)) {
      Event event = Event::Of(EventKind::kNotificationFailed, kept);
      event.SetMessage("what was notified cannot be kept for the next process: " + MessageOf(kept));
      tell_(event.Set(EventField::kTo, "notify.state_file"));
    }
    if (kept.ok()) file_failed_ = false;
  }
  if (options_.problem_file.empty() || !kept.ok()) {
    notices.clear();  // of an update that was not kept
    update(book_);
  }
  Dispatch(notices, std::move(told), is_tick);
}

void Notifier::Dispatch(const std::vector<Notice>& notices, std::vector<Problem> told, bool is_tick) {
  const bool is_short = options_.tick_micros == 0;
  std::lock_guard lock(mutex_);
  for (const auto& outbox : outboxes_) {
    if (outbox->endpoint.kind == EndpointKind::kAlertmanager) {
      outbox->firing = told;
      for (const Notice& notice : notices) {
        if (notice.reason == NoticeReason::kResolved) outbox->over.push_back(notice);
      }
      // A process that ends sends again what still holds, each time: nobody else may be there to do it.
      outbox->is_due |= !notices.empty() || ((is_tick || is_short) && !told.empty());
      continue;
    }
    for (const Notice& notice : notices) {
      if (outbox->waiting.size() < options_.waiting_max) {
        outbox->waiting.push_back(notice);
        continue;
      }
      Event event(EventKind::kNotificationFailed, fmt::format("a notification to {} was dropped: {} wait already",
                                                              outbox->endpoint.name, options_.waiting_max));
      event.Set(EventField::kTo, outbox->endpoint.name);
      tell_(event.Set(EventField::kErrorKind, std::string(ErrorKindName(ErrorKind::kRetry))));
    }
  }
  changed_.notify_all();
}

int64_t Notifier::EndsIn(const EndpointOptions& endpoint) const {
  // As Prometheus does: an alert outlives three times that it was not sent again.
  return options_.tick_micros > 0 ? 4 * options_.tick_micros : endpoint.hold_micros;
}

void Notifier::Deliver(Outbox& outbox) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return is_ending_ || outbox.is_due || !outbox.waiting.empty(); });
    if (is_ending_) return;
    std::string body;
    std::vector<ProblemKey> keys;
    std::string about;
    if (outbox.endpoint.kind == EndpointKind::kAlertmanager) {
      const TimestampMicros now = clock_.Now();
      body = AlertmanagerBody(outbox.firing, now + EndsIn(outbox.endpoint), outbox.over, options_.sender);
      for (const Problem& problem : outbox.firing) keys.push_back(KeyOf(problem));
      about = fmt::format("{} alerts, {} resolved", outbox.firing.size(), outbox.over.size());
      outbox.over.clear();
      outbox.is_due = false;
    } else {
      const Notice notice = std::move(outbox.waiting.front());
      outbox.waiting.pop_front();
      body = WebhookBody(notice, options_.sender);
      if (notice.reason != NoticeReason::kResolved) keys.push_back(KeyOf(notice.problem));
      about = SummaryOf(notice);
    }
    outbox.is_busy = true;
    lock.unlock();
    const Status sent = Send(outbox, body);
    if (sent.ok()) {
      Event event(EventKind::kNotificationSent, fmt::format("{} took a notification: {}", outbox.endpoint.name, about));
      tell_(event.Set(EventField::kTo, outbox.endpoint.name).Set(EventField::kProblem, about));
    } else {
      GiveUp(outbox, sent, keys);
    }
    lock.lock();
    outbox.is_busy = false;
    changed_.notify_all();
  }
}

Status Notifier::Send(const Outbox& outbox, const std::string& body) {
  const auto began = SteadyClock::now();
  for (int attempt = 1;; ++attempt) {
    const Status sent = Post(outbox.endpoint, body, stop_);
    if (sent.ok() || KindOf(sent) != ErrorKind::kRetry) return sent;
    // Alertmanager is told anew with the next tick, and by then of something newer.
    if (outbox.endpoint.kind == EndpointKind::kAlertmanager && options_.tick_micros > 0 && attempt >= 3) return sent;
    const auto elapsed = std::chrono::duration_cast<Milliseconds>(SteadyClock::now() - began).count();
    if (!options_.retry.MayTry(attempt + 1, elapsed)) return sent;
    const auto until = SteadyClock::now() + Milliseconds(options_.retry.WaitMs(attempt + 1, RandomUnit()));
    std::unique_lock lock(mutex_);
    if (changed_.wait_until(lock, until, [this] { return is_ending_; })) return sent;
  }
}

void Notifier::GiveUp(const Outbox& outbox, const Status& status, const std::vector<ProblemKey>& keys) {
  Event event = Event::Of(EventKind::kNotificationFailed, status);
  event.SetMessage(fmt::format("a notification to {} was not delivered: {}", outbox.endpoint.name, MessageOf(status)));
  tell_(event.Set(EventField::kTo, outbox.endpoint.name));
  std::lock_guard lock(mutex_);
  // Alertmanager is sent what holds each time anyway.
  if (outbox.endpoint.kind == EndpointKind::kAlertmanager || keys.empty()) return;
  work_.push_back({{}, std::nullopt, keys});
}

}  // namespace calve::notify
