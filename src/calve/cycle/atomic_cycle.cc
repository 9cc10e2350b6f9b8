#include "calve/cycle/atomic_cycle.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "calve/base/random.h"
#include "calve/base/retry.h"
#include "calve/cycle/staged_catalog.h"
#include "calve/cycle/staged_journal.h"
#include "calve/cycle/table_request.h"
#include "calve/offload/view.h"
#include "calve/offload/watermark.h"
#include "calve/table/snapshot_manifests.h"

namespace calve::cycle {
namespace {

using schedule::TableOutcome;
using schedule::TableState;

// Passes on what happens, but for ends, which are only known later.
class HeldEnds : public CycleReporter {
 public:
  explicit HeldEnds(CycleReporter& inner) : inner_(inner) {}
  offload::ProgressSink& SinkOf(size_t table) override { return inner_.SinkOf(table); }
  void OnStarted(size_t table) override { inner_.OnStarted(table); }
  void OnEnded(size_t table, const TableReport&) override {
    std::lock_guard lock(mutex_);
    order_.push_back(table);
  }
  // In the order in which they ended.
  std::vector<size_t> order() const { return order_; }

 private:
  CycleReporter& inner_;
  std::mutex mutex_;
  std::vector<size_t> order_;  // protected by mutex_ while the cycle runs
};

// The commit of all, until it is known what became of it.
class Together {
 public:
  Together(catalog::Catalog& catalog, const Clock& clock, const std::vector<StagedTable>& staged)
      : catalog_(catalog), clock_(clock), staged_(staged) {}

  // OK, kUnknownOutcome, or an error that proves that nothing is in.
  Status Run() {
    std::vector<catalog::TableCommit> commits;
    for (const StagedTable& table : staged_) commits.push_back(table.commit);
    const RetryPolicy policy;
    const TimestampMicros began = clock_.Now();
    bool unknown = false;
    Status last;
    for (int attempt = 1; policy.MayTry(attempt, (clock_.Now() - began) / 1000); ++attempt) {
      if (attempt > 1) {
        // A commit under way is seen to its end, also after a stop was asked for.
        std::this_thread::sleep_for(std::chrono::milliseconds(policy.WaitMs(attempt, RandomUnit())));
        if (IsIn()) return Status::OK();
      }
      last = catalog_.CommitTables(commits);
      if (last.ok() || (KindOf(last) == ErrorKind::kConflict && unknown && IsIn())) return Status::OK();
      unknown |= KindOf(last) == ErrorKind::kUnknownOutcome;
      const bool again = KindOf(last) == ErrorKind::kUnknownOutcome || KindOf(last) == ErrorKind::kRetry;
      if (!again) break;
    }
    if (!unknown) return last;
    if (IsIn()) return Status::OK();
    return WithKind(last, ErrorKind::kUnknownOutcome,
                    "Run again: the watermarks in the tables tell, and nothing is offloaded twice.");
  }

 private:
  // One of them tells of all, and any that can be read will do.
  bool IsIn() {
    for (const StagedTable& table : staged_) {
      auto loaded = catalog_.LoadTable(table.commit.ident);
      if (!loaded.ok()) continue;
      for (const int64_t id : table.snapshots) {
        if (loaded->metadata.FindSnapshot(id)) return true;
        const iceberg::Snapshot* own = table.next.FindSnapshot(id);
        if (!own) continue;
        const auto commit_id = own->summary.find("calve.commit-id");
        if (commit_id == own->summary.end()) continue;
        if (offload::FindCommit(loaded->metadata, std::string(commit_id->second))) return true;
      }
    }
    return false;
  }

  catalog::Catalog& catalog_;
  const Clock& clock_;
  const std::vector<StagedTable>& staged_;
};

// The files that only these snapshots name. What cannot be read or deleted is found by orphan removal.
void DeleteFiles(storage::FileIO& file_io, const StagedTable& table) {
  auto remove = [&](const std::string& location) { static_cast<void>(file_io.Delete(location)); };
  for (const int64_t id : table.snapshots) {
    const iceberg::Snapshot* snapshot = table.next.FindSnapshot(id);
    if (!snapshot) continue;
    auto manifests = table::ReadManifests(file_io, table.next, *snapshot);
    if (!manifests.ok()) continue;
    for (const iceberg::ManifestFile& manifest : *manifests) {
      if (manifest.added_snapshot_id != id) continue;
      auto entries = table::ReadEntries(file_io, table.next, manifest);
      if (!entries.ok()) continue;
      for (const iceberg::ManifestEntry& entry : *entries) {
        if (entry.status == iceberg::EntryStatus::kAdded) remove(entry.data_file.file_path);
      }
      remove(manifest.manifest_path);
    }
    remove(snapshot->manifest_list);
  }
}

// Views follow the watermark, so they wait as well.
class WorkWithoutViews : public TableWork {
 public:
  explicit WorkWithoutViews(std::unique_ptr<TableWork> inner) : inner_(std::move(inner)) {}

  Result<std::optional<TimestampMicros>> Watermark(const catalog::TableIdent& target) override {
    return inner_->Watermark(target);
  }
  Result<offload::OffloadResult> Offload(const offload::OffloadRequest& request,
                                         offload::ProgressSink& progress) override {
    offload::OffloadRequest without = request;
    without.view.clear();
    return inner_->Offload(without, progress);
  }

 private:
  const std::unique_ptr<TableWork> inner_;
};

class AtomicCycle {
 public:
  AtomicCycle(const config::Config& config, const CycleOptions& options, const CycleContext& context,
              CycleReporter& reporter)
      : config_(config), options_(options), context_(context), reporter_(reporter) {}

  CycleReport Run() {
    StagedCatalog catalog(context_.catalog, context_.clock);
    std::optional<StagedJournal> journal;
    if (context_.journal) journal.emplace(*context_.journal);
    const CycleContext staged{context_.source, catalog,      context_.file_io, journal ? &*journal : nullptr,
                              context_.clock,  context_.stop};
    HeldEnds held(reporter_);
    WorkWithoutViews work(OffloadWork(staged, config_.limits));
    report_ = RunCycle(config_, options_, work, context_.stop, context_.clock, held);
    const std::vector<StagedTable> waiting = catalog.Staged();
    const Status committed = Commit(waiting);
    if (journal) {
      const Status told = journal->Release(committed, context_.clock.Now());
      if (!told.ok() && !held.order().empty()) {
        reporter_.SinkOf(held.order().front())
            .Note(fmt::format("the journal could not be written: {}", MessageOf(told)));
      }
    }
    for (const size_t number : held.order()) Settle(number, waiting, committed);
    return std::move(report_);
  }

 private:
  Status Commit(const std::vector<StagedTable>& waiting) {
    if (waiting.empty()) return Status::OK();
    Status committed = Together(context_.catalog, context_.clock, waiting).Run();
    if (committed.ok()) return committed;
    if (KindOf(committed) != ErrorKind::kUnknownOutcome) {
      for (const StagedTable& table : waiting) DeleteFiles(context_.file_io, table);
    }
    const std::string remedy = KindOf(committed) == ErrorKind::kConflict
                                   ? "Somebody else moved one of them meanwhile; the next cycle does them again."
                                   : RemedyOf(committed);
    return WithKind(WithContext(committed, fmt::format("the one commit of {} tables", waiting.size())),
                    KindOf(committed), remedy);
  }

  // What became of the table, now that it is known; and says so.
  void Settle(size_t number, const std::vector<StagedTable>& waiting, const Status& committed) {
    const config::TableConfig& table = config_.tables[number];
    const auto place = std::ranges::find(report_.numbers, number);
    TableReport& report = report_.tables[static_cast<size_t>(place - report_.numbers.begin())];
    const bool waited =
        std::ranges::any_of(waiting, [&](const StagedTable& staged) { return staged.commit.ident == table.target; });
    if (waited && !committed.ok()) {
      static_cast<TableOutcome&>(report.outcome) = TableOutcome::Failed(WithContext(committed, table.name));
      report.offload.reset();
    } else if (waited && report.offload && !table.view.empty()) {
      MoveView(number, *report.offload);
    }
    reporter_.OnEnded(number, report);
  }

  void MoveView(size_t number, offload::OffloadResult& result) {
    const offload::OffloadRequest request = RequestOf(config_.tables[number]);
    offload::ProgressSink& sink = reporter_.SinkOf(number);
    const offload::OffloadContext context{
        context_.source, context_.catalog, context_.file_io, context_.journal, context_.clock, context_.stop, sink};
    auto view = offload::MakeView(context, {request.source_table, request.query, request.where, request.target,
                                            request.timestamp_column, request.columns, request.view, /*create=*/true});
    if (view.ok()) return;
    result.notes.push_back(
        fmt::format("the view {} still has its old split: {}", request.view, MessageOf(view.status())));
    sink.Note(result.notes.back());
  }

  const config::Config& config_;
  const CycleOptions& options_;
  const CycleContext& context_;
  CycleReporter& reporter_;
  CycleReport report_;
};

}  // namespace

Result<CycleReport> RunConfiguredCycle(const config::Config& config, const CycleOptions& options,
                                       const CycleContext& context, CycleReporter& reporter) {
  if (config.commit == config::CommitUnit::kCycle && !options.dry_run) {
    return RunAtomicCycle(config, options, context, reporter);
  }
  const auto work = OffloadWork(context, config.limits);
  return RunCycle(config, options, *work, context.stop, context.clock, reporter);
}

Status CheckCommitsTogether(catalog::Catalog& catalog) {
  ARROW_ASSIGN_OR_RAISE(const bool offered, catalog.CommitsTogether());
  if (offered) return Status::OK();
  return MakeError(ErrorKind::kConfig,
                   fmt::format("commit: atomic-cycle is asked for, and the {} cannot commit several tables in one step",
                               catalog.name()),
                   "Leave it out (commit: each-table), or use a REST catalog that offers /v1/transactions/commit.");
}

Result<CycleReport> RunAtomicCycle(const config::Config& config, const CycleOptions& options,
                                   const CycleContext& context, CycleReporter& reporter) {
  ARROW_RETURN_NOT_OK(CheckCommitsTogether(context.catalog));
  return AtomicCycle(config, options, context, reporter).Run();
}

}  // namespace calve::cycle
