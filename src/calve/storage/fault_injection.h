// A FileIO that fails where a test says so: before the effect, after it (a lost answer), or by dying on the spot.
// Around any other FileIO; it does nothing until a fault is set.
#pragma once

#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
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
  std::optional<FaultPoint> point;  // nullopt: every call
  FaultAction action = FaultAction::kFailBefore;
  std::string location_part = {};  // only calls on locations that contain it
  int skip = 0;                    // so many matching calls are let through first
  int times = 1;                   // then so many are hit; -1: all
  Status status = {};              // what a hit call returns instead of the above; OK: the above
};

// Thread-safe. `inner` must outlive it and the streams it hands out; the streams must not outlive it.
class FaultInjectingFileIO : public FileIO {
 public:
  explicit FaultInjectingFileIO(FileIO& inner) : inner_(inner) {}

  void Inject(Fault fault);
  void Clear();
  // Calls so far, hit or not.
  int Count(FaultPoint point) const;
  // Calls that a fault was applied to.
  int HitCount() const;

  Result<std::string> Read(const std::string& location) override;
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& location) override;
  Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(const std::string& location) override;
  Status WriteNew(const std::string& location, std::string_view bytes) override;
  Status Replace(const std::string& location, std::string_view bytes) override;
  Result<bool> Exists(const std::string& location) override;
  Status Delete(const std::string& location) override;
  Result<std::vector<FileInfo>> List(const std::string& location) override;
  Result<std::vector<std::string>> ListFolders(const std::string& location) override;

 private:
  friend class FaultInjectingStream;
  // The fault that hits this call, if any; counts the call.
  std::optional<Fault> Next(FaultPoint point, const std::string& location);
  template <typename Call>
  auto Guard(FaultPoint point, const std::string& location, Call call) -> decltype(call());

  FileIO& inner_;

  mutable std::mutex mutex_;
  // Protected by mutex_.
  std::vector<Fault> faults_;
  std::array<int, kFaultPointCount> counts_{};
  int hits_ = 0;
};

}  // namespace calve::storage
