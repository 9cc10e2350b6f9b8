#include "calve/offload/verify.h"

#include <algorithm>
#include <chrono>

#include "calve/offload/verify_range.h"
#include "calve/offload/verify_rows.h"

namespace calve::offload {
namespace {

using Steady = std::chrono::steady_clock;

class Verify {
 public:
  Verify(const VerifyContext& context, const VerifyRequest& request, VerifyPlan plan)
      : context_(context), request_(request), plan_(std::move(plan)), sides_(context_, request_, plan_) {}

  Result<VerifyResult> Run() {
    ARROW_ASSIGN_OR_RAISE(result_, BeginVerify(context_, request_, plan_));
    for (const std::string& note : result_.notes) context_.progress.Note(note);
    if (request_.cold_only) {
      ARROW_RETURN_NOT_OK(LookForDuplicates());
    } else {
      for (const Window& range : plan_.ranges) ARROW_RETURN_NOT_OK(Compare(range));
    }
    return std::move(result_);
  }

 private:
  Status Compare(const Window& range) {
    ARROW_ASSIGN_OR_RAISE(ComparedRange compared, CompareRange(request_, plan_, sides_, range));
    for (const std::string& note : compared.notes) context_.progress.Note(note);
    AddCompared(std::move(compared), result_);
    return Status::OK();
  }

  Status LookForDuplicates() {
    int64_t rows = 0;
    const iceberg::Snapshot* tip = plan_.target.CurrentSnapshot();
    if (tip && !plan_.ranges.empty()) {
      // As many passes as all rows would need, whatever the range.
      ARROW_ASSIGN_OR_RAISE(auto files, table::ListDataFiles(context_.file_io, plan_.target, tip->snapshot_id));
      for (const auto& file : files) rows += file.record_count;
      const int64_t rows_max = RowsInMemory(request_);
      BucketGroup group{plan_.ranges.front(), {}, rows, 1};
      group.passes = static_cast<uint64_t>(std::max<int64_t>(1, (rows + rows_max - 1) / rows_max));
      ARROW_ASSIGN_OR_RAISE(auto buckets, CompareBucketRows(request_, plan_, sides_, group));
      for (auto& [bucket, result] : buckets) {
        JudgeBucket(request_, plan_, result);
        result_.differences.push_back(std::move(result));
      }
    }
    result_.rows_cold = tip ? sides_.cold_rows_read() : 0;
    return Status::OK();
  }

  const VerifyContext& context_;
  const VerifyRequest& request_;
  VerifyPlan plan_;
  VerifySides sides_;
  VerifyResult result_;
};

}  // namespace

bool VerifyResult::equal() const {
  return std::none_of(differences.begin(), differences.end(), [](const auto& bucket) { return bucket.different; });
}

Result<VerifyResult> VerifyTable(const VerifyContext& context, const VerifyRequest& request) {
  auto start = Steady::now();
  ARROW_ASSIGN_OR_RAISE(VerifyPlan plan, PlanVerify(context, request));
  ARROW_ASSIGN_OR_RAISE(VerifyResult result, Verify(context, request, std::move(plan)).Run());
  result.seconds = std::chrono::duration<double>(Steady::now() - start).count();
  return result;
}

}  // namespace calve::offload
