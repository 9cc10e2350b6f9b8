#include "calve/offload/plan_slices.h"

#include <algorithm>

#include "calve/base/random.h"
#include "calve/offload/plan_commit.h"
#include "calve/offload/run_log.h"
#include "calve/offload/slice_count.h"
#include "calve/offload/slice_cut.h"
#include "calve/offload/slice_lines.h"
#include "calve/offload/table_lease.h"
#include "calve/offload/window_plan.h"
#include "calve/source/run_source.h"
#include "calve/table/plan_store.h"

namespace calve::offload {
namespace {

constexpr int kPlanRoundsMax = 5;  // in which another calve changed the target
// The lease until the plan is open. A process that dies before is noticed on its own host; others wait for so long.
constexpr int64_t kPlanningMicros = 1800 * kMicrosPerSecond;

struct OpenPlan {
  std::string location;
  OffloadPlan plan;
};

class SlicePlanner {
 public:
  SlicePlanner(const OffloadContext& context, const OffloadRequest& request, const PlanSlicesRequest& options,
               std::optional<WindowPlan> window = std::nullopt)
      : source_(context.source, request.source_table, [&context](const Event& event) { context.progress.Tell(event); }),
        context_{source_,       context.catalog, context.file_io, context.journal,
                 context.clock, context.stop,    context.progress},
        request_(request),
        options_(options),
        window_(std::move(window)) {}

  Result<PlannedSlices> Run() {
    for (int round = 1; round <= kPlanRoundsMax; ++round) {
      id_ = RandomUuid();
      source_.Begin(id_, "plan");
      auto done = Round();
      if (!done.ok() || *done == Outcome::kNothing) Release();
      ARROW_RETURN_NOT_OK(done.status());
      if (*done != Outcome::kAgain) return std::move(result_);
      Release();
      Note("another calve changed the table; planning anew");
    }
    return MakeError(ErrorKind::kConflict,
                     fmt::format("{} was changed by others {} times while it was planned", request_.target.ToString(),
                                 kPlanRoundsMax),
                     "Run again when the others are done.");
  }

  Result<int64_t> Abandon() {
    ARROW_ASSIGN_OR_RAISE(const auto table, LoadTarget());
    if (!table) return 0;
    ARROW_ASSIGN_OR_RAISE(const auto open, OpenPlans(*table));
    for (const OpenPlan& plan : open) ARROW_RETURN_NOT_OK(GiveUp(plan, "it was given up"));
    return static_cast<int64_t>(open.size());
  }

 private:
  enum class Outcome { kPlanned, kNothing, kAgain };

  void Note(std::string text) {
    context_.progress.Note(text);
    result_.notes.push_back(std::move(text));
  }

  Result<std::optional<catalog::LoadedTable>> LoadTarget() {
    auto table = context_.catalog.LoadTable(request_.target);
    if (KindOf(table.status()) == ErrorKind::kNotFound) return std::nullopt;
    ARROW_RETURN_NOT_OK(table.status());
    return std::optional(std::move(*table));
  }

  // Those that are committed already are ended, and are not among them.
  Result<std::vector<OpenPlan>> OpenPlans(const catalog::LoadedTable& table) {
    ARROW_ASSIGN_OR_RAISE(const auto jobs, table::OpenPlansOf(context_.file_io, table.metadata.location, kOffloadJob));
    std::vector<OpenPlan> open;
    for (const auto& [location, text, made_at] : jobs) {
      auto plan = ReadOffloadPlan(text);
      if (!plan.ok()) continue;  // another version's
      ARROW_ASSIGN_OR_RAISE(const auto ended, EndIfCommitted(context_.file_io, table.metadata, *plan, location));
      if (!ended) {
        open.push_back({location, std::move(*plan)});
        continue;
      }
      Note(
          fmt::format("the plan of {} was committed, but not ended: {} files of attempts that it does not hold were "
                      "deleted",
                      FormatTimestamp(plan->made_at), ended->deleted));
      ReleaseOf(plan->id);
    }
    return open;
  }

  Status GiveUp(const OpenPlan& open, const std::string& why) {
    ARROW_ASSIGN_OR_RAISE(const table::EndedPlan ended,
                          table::EndPlan(context_.file_io, open.location, open.plan.data_location,
                                         HeldByTarget(context_.catalog, context_.file_io, open.plan)));
    Note(fmt::format("the plan of {} is given up ({}); {}", FormatTimestamp(open.plan.made_at), why,
                     ended.is_held ? "its files stay, because a commit of it was begun and has not ended"
                                   : fmt::format("its {} files were deleted", ended.deleted)));
    ReleaseOf(open.plan.id);
    (void)RunLog(context_.journal, context_.clock, RunSubjectOf(open.plan))
        .Finish(LoggedRunOf(open.plan), MakeError(ErrorKind::kFailed, fmt::format("the plan was given up: {}", why)),
                {}, std::nullopt);
    return Status::OK();
  }

  journal::Lease OwnLease(int64_t micros) const {
    journal::Lease lease = LeaseOfThisProcess();
    lease.table = LeaseName(request_.target, context_.catalog);
    lease.holder = id_;
    lease.since = context_.clock.Now();
    lease.until = lease.since + micros;
    return lease;
  }

  // Takes the lease for the plan `id_`, or for the open one that has it. Nothing: another calve is at work.
  Result<bool> TakeLease(const std::vector<OpenPlan>& open, const OpenPlan** resumed) {
    if (!context_.journal || options_.lease_micros <= 0) return true;
    for (int attempt = 0; attempt < 2; ++attempt) {
      const journal::Lease wanted = OwnLease(std::min(options_.lease_micros, kPlanningMicros));
      auto lease = context_.journal->AcquireLease(wanted);
      if (!lease.ok()) {
        Note(fmt::format("the journal could not be asked who works here: {}", MessageOf(lease.status())));
        return true;
      }
      if (lease->holder == wanted.holder) return true;
      const auto its =
          std::find_if(open.begin(), open.end(), [&](const OpenPlan& plan) { return plan.plan.id == lease->holder; });
      if (its != open.end() && options_.resume) {
        *resumed = &*its;
        (void)context_.journal->RenewLease(wanted.table, lease->holder, wanted.since,
                                           wanted.since + options_.lease_micros);
        return true;
      }
      if (!HolderIsGone(*lease) && !PlanIsOver(context_.catalog, context_.file_io, request_.target, *lease)) {
        result_.held_by = *lease;
        return false;
      }
      (void)context_.journal->ReleaseLease(lease->table, lease->holder);
    }
    return true;
  }

  // From now on the lease is the plan's, whatever becomes of this process.
  void KeepLease() {
    if (!context_.journal || options_.lease_micros <= 0) return;
    journal::Lease kept = OwnLease(options_.lease_micros);
    kept.pid = kept.process_start = 0;
    const auto lease = context_.journal->AcquireLease(kept);
    if (!lease.ok()) Note(fmt::format("the journal could not be told of the plan: {}", MessageOf(lease.status())));
  }

  void Release() { ReleaseOf(id_); }
  void ReleaseOf(const std::string& id) {
    if (!context_.journal) return;
    (void)context_.journal->ReleaseLease(LeaseName(request_.target, context_.catalog), id);  // it ends by itself
  }

  Result<Outcome> Round() {
    result_ = {};
    ARROW_ASSIGN_OR_RAISE(const auto table, LoadTarget());
    std::vector<OpenPlan> open;
    if (table) {
      ARROW_ASSIGN_OR_RAISE(open, OpenPlans(*table));
    }
    const OpenPlan* resumed = nullptr;
    ARROW_ASSIGN_OR_RAISE(const bool may_work, TakeLease(open, &resumed));
    if (!may_work) return Outcome::kNothing;
    // Without a journal nobody's lease tells.
    if (!resumed && options_.resume && open.size() == 1) resumed = &open.front();
    for (const OpenPlan& plan : open) {
      const bool is_it = &plan == resumed;
      ARROW_ASSIGN_OR_RAISE(const bool fits, Fits(*table, plan.plan));
      if (is_it && fits) continue;
      ARROW_RETURN_NOT_OK(GiveUp(plan, fits ? "nobody works on it any more" : "the watermark has moved since"));
      if (is_it) return Outcome::kAgain;
    }
    if (resumed) return Resume(*resumed);
    return PlanAnew();
  }

  static Result<bool> Fits(const catalog::LoadedTable& table, const OffloadPlan& plan) {
    const Status fits = CheckPlanFits(plan, table.metadata);
    if (KindOf(fits) == ErrorKind::kConflict) return false;
    ARROW_RETURN_NOT_OK(fits);
    return true;
  }

  Result<Outcome> Resume(const OpenPlan& open) {
    ARROW_ASSIGN_OR_RAISE(result_.lines, table::ReadLinesOf(context_.file_io, open.location));
    result_.location = open.location;
    result_.plan = open.plan;
    result_.resumed = true;
    return Outcome::kPlanned;
  }

  // As the caller planned it, the first time.
  Result<WindowPlan> PlanWindow() {
    if (window_) return *std::exchange(window_, std::nullopt);
    ARROW_ASSIGN_OR_RAISE(WindowPlan plan, PlanOffload(context_, request_, [this](std::string text) { Note(text); }));
    for (const std::string& note : plan.target.notes) Note(note);
    return plan;
  }

  Result<Outcome> PlanAnew() {
    ARROW_ASSIGN_OR_RAISE(WindowPlan plan, PlanWindow());
    result_.plan.window = plan.window;
    if (plan.identity.key_spans_time) {
      return MakeError(ErrorKind::kUnsupported,
                       fmt::format("rows of {} replace others that have another time, and cannot be written by slices",
                                   plan.table.FullName()),
                       "Use calve offload, or an engine or a key that holds the cursor.");
    }
    if (plan.window.empty()) return Outcome::kNothing;
    ARROW_RETURN_NOT_OK(Cut(plan));
    const Status prepared = PrepareTarget(context_, request_, plan.target);
    if (KindOf(prepared) == ErrorKind::kConflict) return Outcome::kAgain;
    ARROW_RETURN_NOT_OK(prepared);
    result_.plan = FreezePlan(request_, plan, id_);
    result_.plan.made_at = context_.clock.Now();
    ARROW_ASSIGN_OR_RAISE(result_.plan.identity, source::IdentityOf(context_.source, plan.table));
    result_.location = table::PlanLocation(plan.target.table->metadata.location, id_);
    std::string text;
    for (size_t i = 0; i < plan.slices.size(); ++i) {
      result_.lines.push_back(
          WriteSliceLine({{result_.location, request_.target.ToString(), kOffloadJob, static_cast<int64_t>(i)},
                          static_cast<int64_t>(plan.slices.size()),
                          plan.slices[i]}));
      text += result_.lines.back() + "\n";
    }
    ARROW_RETURN_NOT_OK(table::StorePlan(context_.file_io, result_.location, WriteOffloadPlan(result_.plan), text));
    KeepLease();
    const Status logged =
        RunLog(context_.journal, context_.clock, RunSubjectOf(request_)).Start(LoggedRunOf(result_.plan));
    if (!logged.ok()) Note(fmt::format("the journal could not be written: {}", MessageOf(logged)));
    return Outcome::kPlanned;
  }

  Status Cut(WindowPlan& plan) {
    CutOptions options;
    options.settings = request_.settings;
    options.rows_max =
        options_.slices > 0 ? (plan.rows_expected + options_.slices - 1) / options_.slices : options_.slice_rows;
    ARROW_ASSIGN_OR_RAISE(plan.slices, CutOnShards(context_.source, plan.table, plan.cursor, plan.identity, plan.window,
                                                   plan.replicas, options));
    ARROW_RETURN_NOT_OK(CountSlicesOnShards(context_.source, plan.table, plan.cursor,
                                            FingerprintSequence(request_, plan), request_.settings, plan.replicas,
                                            plan.slices));
    if (CursorInResult(plan).empty()) {
      for (SliceRange& slice : plan.slices) slice.fingerprint = 0;
    }
    return Status::OK();
  }

  source::RunSource source_;
  const OffloadContext context_;  // the caller's, with this source
  const OffloadRequest& request_;
  const PlanSlicesRequest& options_;
  std::optional<WindowPlan> window_;
  std::string id_;
  PlannedSlices result_;
};

}  // namespace

Result<PlannedSlices> PlanSlices(const OffloadContext& context, const OffloadRequest& request,
                                 const PlanSlicesRequest& options, std::optional<WindowPlan> window) {
  return SlicePlanner(context, request, options, std::move(window)).Run();
}

Result<int64_t> AbandonPlans(const OffloadContext& context, const OffloadRequest& request) {
  return SlicePlanner(context, request, {}).Abandon();
}

}  // namespace calve::offload
