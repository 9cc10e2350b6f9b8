// A request to stop, set once (by a signal handler or another thread) and looked at between steps.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>

#include "calve/base/error.h"

namespace calve {

class StopListener;

class StopToken {
 public:
  void RequestStop(int signal = 0);
  bool stopped() const { return stopped_.load(std::memory_order_acquire); }
  int signal() const { return signal_.load(std::memory_order_relaxed); }
  // kStopped where a stop was asked for.
  Status Check() const { return stopped() ? MakeError(ErrorKind::kStopped, "stopped") : Status::OK(); }

  // A wish to read the configuration again (SIGHUP). False where nobody listens for it.
  bool RequestReload();

 private:
  friend class StopListener;

  std::atomic<bool> stopped_{false};
  std::atomic<int> signal_{0};
  std::mutex mutex_;
  StopListener* listener_ = nullptr;  // protected by mutex_
};

// For who sleeps between steps (`calve serve`): is called when something is requested, by the thread that requests it.
// One at a time for a token.
class StopListener {
 public:
  // The functions return soon, and leave the token alone. `on_stop` is also called at once where the token is stopped
  // already.
  StopListener(StopToken& token, std::function<void()> on_stop, std::function<void()> on_reload);
  // Waits for a call under way.
  ~StopListener();
  StopListener(const StopListener&) = delete;
  StopListener& operator=(const StopListener&) = delete;

 private:
  friend class StopToken;

  StopToken& token_;
  const std::function<void()> on_stop_, on_reload_;
};

inline void StopToken::RequestStop(int signal) {
  signal_.store(signal, std::memory_order_relaxed);
  stopped_.store(true, std::memory_order_release);
  std::lock_guard lock(mutex_);
  if (listener_) listener_->on_stop_();
}

inline bool StopToken::RequestReload() {
  std::lock_guard lock(mutex_);
  if (listener_) listener_->on_reload_();
  return listener_ != nullptr;
}

inline StopListener::StopListener(StopToken& token, std::function<void()> on_stop, std::function<void()> on_reload)
    : token_(token), on_stop_(std::move(on_stop)), on_reload_(std::move(on_reload)) {
  std::lock_guard lock(token_.mutex_);
  token_.listener_ = this;
  if (token_.stopped()) on_stop_();
}

inline StopListener::~StopListener() {
  std::lock_guard lock(token_.mutex_);
  if (token_.listener_ == this) token_.listener_ = nullptr;
}

}  // namespace calve
