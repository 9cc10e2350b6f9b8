#include "calve/offload/table_lease.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>
#include <utility>

#include "calve/base/random.h"
#include "calve/offload/watermark.h"
#include "calve/table/plan_store.h"

namespace calve::offload {
namespace {

std::string HostName() {
  char host[256] = {};
  return gethostname(host, sizeof host - 1) == 0 ? host : "";
}

// When the process began, in ticks since boot (proc(5), /proc/PID/stat: field 22); 0 where that cannot be read or the
// process has ended and only waits for its parent.
int64_t ProcessStart(int64_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  size_t name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return 0;
  std::istringstream rest(text.substr(name_end + 1));
  std::string state, skipped;
  rest >> state;
  if (state == "Z" || state == "X") return 0;
  for (int field = 4; field < 22; ++field) rest >> skipped;
  int64_t start = 0;
  return rest >> start ? start : 0;
}

}  // namespace

std::string LeaseName(const catalog::TableIdent& target, const catalog::Catalog& catalog) {
  return fmt::format("{} in {}", target.ToString(), catalog.name());
}

std::string HolderOf(const journal::Lease& lease) {
  return lease.pid == 0 ? fmt::format("a plan made on {}", lease.host)
                        : fmt::format("process {} on {}", lease.pid, lease.host);
}

journal::Lease LeaseOfThisProcess() {
  journal::Lease lease;
  lease.host = HostName();
  lease.pid = getpid();
  lease.process_start = ProcessStart(lease.pid);
  return lease;
}

bool HolderIsGone(const journal::Lease& lease) {
  if (lease.host.empty() || lease.host != HostName() || lease.pid <= 0) return false;
  if (kill(static_cast<pid_t>(lease.pid), 0) != 0 && errno == ESRCH) return true;
  return ProcessStart(lease.pid) != lease.process_start;
}

bool PlanIsOver(catalog::Catalog& catalog, storage::FileIO& file_io, const catalog::TableIdent& target,
                const journal::Lease& lease) {
  if (lease.pid != 0) return false;
  const auto table = catalog.LoadTable(target);
  if (!table.ok()) return false;
  if (FindCommit(table->metadata, lease.holder)) return true;
  const auto is_open = file_io.Exists(table::PlanLocation(table->metadata.location, lease.holder));
  return is_open.ok() && !*is_open;
}

TableLease::TableLease(journal::Journal& journal, const Clock& clock, std::string table, int64_t duration_micros)
    : TableLease(journal, clock, std::move(table), duration_micros, [](const journal::Lease&) { return false; }) {}

TableLease::TableLease(journal::Journal& journal, const Clock& clock, catalog::Catalog& catalog,
                       storage::FileIO& file_io, const catalog::TableIdent& target, int64_t duration_micros)
    : TableLease(journal, clock, LeaseName(target, catalog), duration_micros,
                 [&catalog, &file_io, target](const journal::Lease& lease) {
                   return PlanIsOver(catalog, file_io, target, lease);
                 }) {}

TableLease::TableLease(journal::Journal& journal, const Clock& clock, std::string table, int64_t duration_micros,
                       IsLeftBehind is_left_behind)
    : journal_(journal), clock_(clock), duration_micros_(duration_micros), is_left_behind_(std::move(is_left_behind)) {
  lease_ = LeaseOfThisProcess();
  lease_.table = std::move(table);
  lease_.holder = RandomUuid();
}

TableLease::~TableLease() {
  if (renewing_.joinable()) {
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    renewing_.join();
  }
  if (!held_) return;
  Status released = journal_.ReleaseLease(lease_.table, lease_.holder);
  static_cast<void>(released);  // it ends by itself
}

Result<std::optional<journal::Lease>> TableLease::Acquire() {
  // A second look after a holder that is gone was removed; a third is not worth it.
  for (int look = 0; look < 2; ++look) {
    lease_.since = clock_.Now();
    lease_.until = lease_.since + duration_micros_;
    ARROW_ASSIGN_OR_RAISE(journal::Lease held, journal_.AcquireLease(lease_));
    if (held.holder == lease_.holder) {
      held_ = true;
      renewing_ = std::thread([this] { KeepRenewing(); });
      return std::nullopt;
    }
    bool own = held.host == lease_.host && held.pid == lease_.pid && held.process_start == lease_.process_start;
    if (look > 0 || !(own || HolderIsGone(held) || is_left_behind_(held))) return held;
    ARROW_RETURN_NOT_OK(journal_.ReleaseLease(held.table, held.holder));
  }
  return std::nullopt;
}

void TableLease::KeepRenewing() {
  const auto step = std::chrono::microseconds(std::max<int64_t>(duration_micros_ / 3, 1'000));
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, step, [&] { return ended_; })) {
    lock.unlock();
    const TimestampMicros now = clock_.Now();
    auto ours = journal_.RenewLease(lease_.table, lease_.holder, now, now + duration_micros_);
    lock.lock();
    if (ours.ok() && !*ours) return;
  }
}

}  // namespace calve::offload
