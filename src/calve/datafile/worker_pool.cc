#include "calve/datafile/worker_pool.h"

#include <parquet/exception.h>

#include <exception>

namespace calve::datafile {

WorkerPool::WorkerPool(size_t threads) {
  for (size_t worker = 1; worker < threads; ++worker) threads_.emplace_back([this] { Loop(); });
}

WorkerPool::~WorkerPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  begin_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Status WorkerPool::ForEach(size_t count, const Task& task) {
  {
    std::lock_guard lock(mutex_);
    task_ = &task;
    status_ = Status::OK();
    count_ = count;
    next_.store(0, std::memory_order_relaxed);
    if (count > 1) {  // one task is not worth waking anyone
      busy_ = threads_.size();
      ++round_;
    }
  }
  if (count > 1) begin_.notify_all();
  Work();
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
  task_ = nullptr;
  return status_;
}

void WorkerPool::Loop() {
  uint64_t seen = 0;
  std::unique_lock lock(mutex_);
  while (true) {
    begin_.wait(lock, [&] { return stopping_ || round_ != seen; });
    if (stopping_) return;
    seen = round_;
    lock.unlock();
    Work();
    lock.lock();
    if (--busy_ == 0) done_.notify_one();
  }
}

void WorkerPool::Work() {
  while (true) {
    const size_t i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i >= count_) return;
    try {
      Status status = (*task_)(i);
      if (!status.ok()) Fail(std::move(status));
    } catch (const parquet::ParquetStatusException& error) {
      Fail(error.status());
    } catch (const std::exception& error) {
      Fail(MakeError(ErrorKind::kFailed, fmt::format("writing Parquet: {}", error.what())));
    }
  }
}

void WorkerPool::Fail(Status status) {
  next_.store(count_, std::memory_order_relaxed);
  std::lock_guard lock(mutex_);
  if (status_.ok()) status_ = std::move(status);
}

}  // namespace calve::datafile
