// Both sides of a range of the cursor, read side by side.
#pragma once

#include <atomic>
#include <chrono>

#include "calve/offload/cold_rows.h"
#include "calve/offload/verify_plan.h"

namespace calve::offload {

// What reading takes: no catalog.
struct SidesContext {
  source::Source* source;  // null with cold_only
  storage::FileIO& file_io;
  const StopToken& stop;
  ProgressSink& progress;
};

class VerifySides {
 public:
  // All borrowed.
  VerifySides(const SidesContext& context, const VerifyRequest& request, const VerifyPlan& plan);
  VerifySides(const VerifyContext& context, const VerifyRequest& request, const VerifyPlan& plan)
      : VerifySides(SidesContext{context.source, context.file_io, context.stop, context.progress}, request, plan) {}

  size_t cold_lanes() const { return request_.cold_threads; }
  int64_t cold_rows_read() const { return cold_rows_; }  // by the last Read

  // Hot in one lane, cold in cold_lanes(); the two are called at the same time. The first error of either ends both.
  Status Read(const Window& range, const RowConsumer& hot, const RowConsumer& cold);

 private:
  Result<ColdScan> PlanCold(const Window& range) const;
  Status ReadHot(const Window& range, const RowConsumer& consumer) const;
  void Tell(int64_t rows, int64_t expected) const;

  const SidesContext context_;
  const VerifyRequest& request_;
  const VerifyPlan& plan_;
  std::atomic<int64_t> cold_rows_{0};
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace calve::offload
