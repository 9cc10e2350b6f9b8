// A few threads that share the tasks of one step at a time: files to encode, files to close.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "calve/base/error.h"

namespace calve::datafile {

class WorkerPool {
 public:
  using Task = std::function<Status(size_t task)>;

  // The calling thread of ForEach is one of them.
  explicit WorkerPool(size_t threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Runs all tasks 0 … count-1 and waits for them; after a failure no further ones are begun. The first error is
  // returned; an exception becomes one. One caller at a time.
  Status ForEach(size_t count, const Task& task);

 private:
  void Loop();
  void Work();
  void Fail(Status status);

  std::mutex mutex_;
  std::condition_variable begin_, done_;
  // protected by mutex_
  const Task* task_ = nullptr;
  uint64_t round_ = 0;
  size_t busy_ = 0;
  bool stopping_ = false;
  Status status_;

  std::atomic<size_t> next_{0};
  size_t count_ = 0;  // written between rounds only
  std::vector<std::thread> threads_;
};

}  // namespace calve::datafile
