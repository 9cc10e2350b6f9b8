// Faults where a test says so: before a call's effect, after it (a lost answer), or by dying on the spot; and a FileIO
// around any other that has them. Nothing happens until a fault is set.
#pragma once

#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "calve/storage/file_io.h"

namespace calve::storage {

enum class FaultPoint {
  kRead,
  kOpenInput,
  kOpenOutput,
  kOutputWrite,
  kOutputClose,
  kWriteNew,
  kReplace,
  kExists,
  kDelete,
  kList,
  kListFolders,
};
inline constexpr size_t kFaultPointCount = 11;
std::string_view FaultPointName(FaultPoint point);  // "write-new"

enum class FaultAction {
  kFailBefore,  // nothing happens, kRetry is returned
  kFailAfter,   // the call is carried out and its answer, good or bad, is lost: kUnknownOutcome
  kDieBefore,   // _exit(kDiedByFault), as kill -9 would
  kDieAfter,
};
inline constexpr int kDiedByFault = 86;

struct Fault {
  std::optional<FaultPoint> point;  // nullopt: every call, also those of other interfaces on the same list
  FaultAction action = FaultAction::kFailBefore;
  std::string location_part = {};  // only calls on locations that contain it
  int skip = 0;                    // so many matching calls are let through first
  int times = 1;                   // then so many are hit; -1: all
  Status status = {};              // what a hit call returns instead of the above; OK: the above
  bool files = true;               // false: only calls that are none of a FileIO's
};

// The faults that are set, over one sequence of calls: those of a FileIO and, where wrappers of other interfaces share
// the list, of a catalog and a journal as well. Thread-safe.
class FaultList {
 public:
  void Inject(Fault fault);
  void Clear();
  int Count(FaultPoint point) const;  // calls so far, hit or not
  int HitCount() const;               // calls that a fault was applied to
  std::string LastHit() const;        // "write-new /a/b"; empty where none was hit

  // Makes the call, or what a fault makes of it. `name` is the call's, `subject` what it is about (a location, a
  // table); nullopt for calls that are none of a FileIO's.
  template <typename Call>
  auto Guard(std::optional<FaultPoint> point, std::string_view name, const std::string& subject, Call call)
      -> decltype(call()) {
    std::optional<Fault> fault = Next(point, name, subject);
    if (!fault) return call();
    if (fault->action == FaultAction::kDieBefore) Die();
    if (fault->action == FaultAction::kFailBefore) return StatusOf(*fault, name, subject);
    (void)call();
    if (fault->action == FaultAction::kDieAfter) Die();
    return StatusOf(*fault, name, subject);
  }

 private:
  // The fault that hits this call, if any; counts the call.
  std::optional<Fault> Next(std::optional<FaultPoint> point, std::string_view name, const std::string& subject);
  [[noreturn]] static void Die();
  static Status StatusOf(const Fault& fault, std::string_view name, const std::string& subject);

  mutable std::mutex mutex_;
  // Protected by mutex_.
  std::vector<Fault> faults_;
  std::array<int, kFaultPointCount> counts_{};
  int hits_ = 0;
  std::string last_hit_;
};

// Thread-safe. `inner` must outlive it and the streams it hands out; the streams must not outlive it.
class FaultInjectingFileIO : public FileIO {
 public:
  explicit FaultInjectingFileIO(FileIO& inner) : inner_(inner), faults_(own_) {}
  // With faults that others share; they must outlive it.
  FaultInjectingFileIO(FileIO& inner, FaultList& faults) : inner_(inner), faults_(faults) {}

  void Inject(Fault fault) { faults_.Inject(std::move(fault)); }
  void Clear() { faults_.Clear(); }
  int Count(FaultPoint point) const { return faults_.Count(point); }
  int HitCount() const { return faults_.HitCount(); }

  Result<std::string> Read(const std::string& location) override;
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& location) override;
  Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(const std::string& location) override;
  Status WriteNew(const std::string& location, std::string_view bytes) override;
  Status CheckWriteNew(const std::string& folder) override;
  Status Replace(const std::string& location, std::string_view bytes) override;
  Result<bool> Exists(const std::string& location) override;
  Status Delete(const std::string& location) override;
  Result<std::vector<FileInfo>> List(const std::string& location) override;
  Result<int64_t> RemoveUnfinished(const std::string& folder, int64_t before_ms, bool dry_run) override;
  Result<std::vector<std::string>> ListFolders(const std::string& location) override;

 private:
  friend class FaultInjectingStream;
  template <typename Call>
  auto Guard(FaultPoint point, const std::string& location, Call call) -> decltype(call()) {
    return faults_.Guard(point, FaultPointName(point), location, std::move(call));
  }

  FileIO& inner_;
  FaultList own_;
  FaultList& faults_;
};

}  // namespace calve::storage
