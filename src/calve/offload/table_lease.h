// The lease of a table while an offload works on it. It saves two calves from doing the same work; nothing else depends
// on it, so that a journal that fails only costs a note.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "calve/catalog/catalog.h"
#include "calve/journal/journal.h"
#include "calve/storage/file_io.h"

namespace calve::offload {

// Renewed at a third of its duration by a thread of its own, released by the destructor. A holder that lost it (it was
// paused for too long) goes on without: the compare-and-set of its commit decides.
class TableLease {
 public:
  // `journal` and `clock` must outlive it.
  TableLease(journal::Journal& journal, const Clock& clock, std::string table, int64_t duration_micros);
  // Of a target: what a plan has left behind (PlanIsOver) does not count either. The other two must outlive it, too.
  TableLease(journal::Journal& journal, const Clock& clock, catalog::Catalog& catalog, storage::FileIO& file_io,
             const catalog::TableIdent& target, int64_t duration_micros);
  ~TableLease();
  TableLease(const TableLease&) = delete;
  TableLease& operator=(const TableLease&) = delete;

  // nullopt: it is ours. Another's lease where its process is not known to be gone: one of this host that does not run
  // any more, or this very process's (whose release failed), does not count. Called once.
  Result<std::optional<journal::Lease>> Acquire();

 private:
  using IsLeftBehind = std::function<bool(const journal::Lease&)>;
  TableLease(journal::Journal& journal, const Clock& clock, std::string table, int64_t duration_micros,
             IsLeftBehind is_left_behind);
  void KeepRenewing();

  journal::Journal& journal_;
  const Clock& clock_;
  const int64_t duration_micros_;
  const IsLeftBehind is_left_behind_;
  journal::Lease lease_;
  bool held_ = false;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;  // protected by mutex_
  std::thread renewing_;
};

// What the lease of a target is called.
std::string LeaseName(const catalog::TableIdent& target, const catalog::Catalog& catalog);

// Of this process, without table, holder and times.
journal::Lease LeaseOfThisProcess();

// Who has it, for people: "process 7 on host", or "a plan made on host", which is no process's (plan_slices.h).
std::string HolderOf(const journal::Lease& lease);

// Whether the process that took it is certainly gone.
bool HolderIsGone(const journal::Lease& lease);

// Whether it is a plan's that is certainly over: committed, or no longer open. Who ended it died before it released the
// lease, or the journal did not answer then.
bool PlanIsOver(catalog::Catalog& catalog, storage::FileIO& file_io, const catalog::TableIdent& target,
                const journal::Lease& lease);

}  // namespace calve::offload
