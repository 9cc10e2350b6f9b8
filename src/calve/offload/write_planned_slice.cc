#include "calve/offload/write_planned_slice.h"

#include <chrono>
#include <thread>

#include "calve/base/random.h"
#include "calve/base/retry.h"
#include "calve/offload/slice_count.h"
#include "calve/table/plan_store.h"

namespace calve::offload {
namespace {

constexpr int kSliceWaitMinMs = 200, kSliceWaitMaxMs = 5'000;

void DeleteFiles(storage::FileIO& file_io, const std::vector<iceberg::DataFile>& files) {
  for (const iceberg::DataFile& file : files) (void)file_io.Delete(file.file_path);  // the commit finds leftovers
}

Status Wait(int64_t ms, const StopToken& stop) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  while (!stop.stopped() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return stop.Check();
}

class SliceAttempt {
 public:
  SliceAttempt(const SliceWriteContext& context, const OffloadPlan& plan, const SliceLine& slice,
               const SliceWriteOptions& options)
      : context_(context), plan_(plan), slice_(slice), options_(options) {}

  // nullopt: ClickHouse's rows were others than those that were read; to be read again.
  Result<std::optional<WrittenLine>> Run() {
    const auto began = std::chrono::steady_clock::now();
    WrittenLine line;
    line.origin = slice_.origin;
    line.attempt = RandomUuid();
    const SliceWriting writing{table::PlanDataLocation(plan_.data_location, plan_.id),
                               fmt::format("{:05d}-{}", slice_.origin.slice, line.attempt), options_.memory_bytes,
                               /*fingerprints=*/true};
    ARROW_ASSIGN_OR_RAISE(const SlicePlan slice, WritingOf(plan_, {slice_.range}, writing));
    ARROW_ASSIGN_OR_RAISE(SliceResult written,
                          WriteSlice(context_.source, context_.file_io, slice, context_.stop,
                                     [&](int64_t rows, int64_t in, int64_t out) { Tell(began, rows, in, out); }));
    line.files = std::move(written.files);
    line.rows = written.rows, line.fingerprint = written.fingerprint;
    line.max_sequence = written.max_sequence, line.bytes_read = written.bytes_read;
    const auto valid = IsWhole(line);
    if (!valid.ok() || !*valid) DeleteFiles(context_.file_io, line.files);
    ARROW_RETURN_NOT_OK(valid.status());
    if (!*valid) return std::nullopt;
    line.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    return line;
  }

 private:
  // And whether the files are still wanted: whoever ends the plan looks for files afterwards (plan_store.h).
  Result<bool> IsWhole(WrittenLine& line) {
    line.as_planned = line.rows == slice_.range.rows && line.fingerprint == slice_.range.fingerprint;
    if (!line.as_planned) {
      SliceRange now = slice_.range;
      ARROW_RETURN_NOT_OK(CountSlice(context_.source, plan_.count, QueryOf(plan_, now), now));
      if (!plan_.fingerprint_sequence) now.fingerprint = 0;
      if (line.rows != now.rows || line.fingerprint != now.fingerprint) return false;
    }
    ARROW_RETURN_NOT_OK(table::CheckPlanIsOpen(context_.file_io, slice_.origin.plan));
    return true;
  }

  void Tell(std::chrono::steady_clock::time_point began, int64_t rows, int64_t in, int64_t out) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    context_.progress.Update(Progress{"reading", rows, slice_.range.rows, in, out, seconds, std::nullopt});
  }

  const SliceWriteContext& context_;
  const OffloadPlan& plan_;
  const SliceLine& slice_;
  const SliceWriteOptions& options_;
};

}  // namespace

Result<WrittenLine> WritePlannedSlice(const SliceWriteContext& context, const OffloadPlan& plan, const SliceLine& slice,
                                      const SliceWriteOptions& options) {
  const auto of_slice = [&](const Status& status) {
    return WithContext(status, fmt::format("slice {} of {} ({})", slice.origin.slice, slice.of, slice.origin.target));
  };
  ARROW_RETURN_NOT_OK(of_slice(CheckPlannedSource(context.source, plan.source_table, plan.replicas, plan.identity)));
  const RetryPolicy policy{options.attempts_max, kSliceWaitMinMs, kSliceWaitMaxMs};
  Status last;
  for (int attempt = 1; attempt <= options.attempts_max; ++attempt) {
    ARROW_RETURN_NOT_OK(Wait(attempt > 1 ? policy.WaitMs(attempt, RandomUnit()) : 0, context.stop));
    auto written = SliceAttempt(context, plan, slice, options).Run();
    if (written.ok() && *written) return std::move(**written);
    last = written.ok() ? MakeError(ErrorKind::kRetry,
                                    "ClickHouse gave other rows than it counted, before and after they were read",
                                    "Rows are still inserted into the window, or taken out of it: plan with a larger "
                                    "--buffer, or when that has ended.")
                        : written.status();
    if (KindOf(last) != ErrorKind::kRetry) break;
    if (attempt < options.attempts_max) {
      context.progress.Note(fmt::format("slice {} is read again: {}", slice.origin.slice, MessageOf(last)));
    }
  }
  return of_slice(last);
}

}  // namespace calve::offload
