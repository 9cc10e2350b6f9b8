#include "calve/storage/fault_injection.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

namespace calve::storage {
std::string_view FaultPointName(FaultPoint point) {
  switch (point) {
    case FaultPoint::kRead:
      return "read";
    case FaultPoint::kOpenInput:
      return "open-input";
    case FaultPoint::kOpenOutput:
      return "open-output";
    case FaultPoint::kOutputWrite:
      return "output-write";
    case FaultPoint::kOutputClose:
      return "output-close";
    case FaultPoint::kWriteNew:
      return "write-new";
    case FaultPoint::kReplace:
      return "replace";
    case FaultPoint::kExists:
      return "exists";
    case FaultPoint::kDelete:
      return "delete";
    case FaultPoint::kList:
      return "list";
    case FaultPoint::kListFolders:
      return "list-folders";
  }
  return "unknown";
}

void FaultList::Inject(Fault fault) {
  std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FaultList::Clear() {
  std::lock_guard lock(mutex_);
  faults_.clear();
}

int FaultList::Count(FaultPoint point) const {
  std::lock_guard lock(mutex_);
  return counts_[static_cast<size_t>(point)];
}

int FaultList::HitCount() const {
  std::lock_guard lock(mutex_);
  return hits_;
}

std::string FaultList::LastHit() const {
  std::lock_guard lock(mutex_);
  return last_hit_;
}

std::optional<Fault> FaultList::Next(std::optional<FaultPoint> point, std::string_view name,
                                     const std::string& subject) {
  std::lock_guard lock(mutex_);
  if (point) ++counts_[static_cast<size_t>(*point)];
  for (Fault& fault : faults_) {
    if (fault.times == 0 || (fault.point && fault.point != point) || (point && !fault.files)) continue;
    if (subject.find(fault.location_part) == std::string::npos) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    if (fault.times > 0) --fault.times;
    ++hits_;
    last_hit_ = fmt::format("{} {}", name, subject);
    return fault;
  }
  return std::nullopt;
}

void FaultList::Die() { _exit(kDiedByFault); }

Status FaultList::StatusOf(const Fault& fault, std::string_view name, const std::string& subject) {
  if (!fault.status.ok()) return fault.status;
  bool after = fault.action == FaultAction::kFailAfter;
  return MakeError(after ? ErrorKind::kUnknownOutcome : ErrorKind::kRetry,
                   fmt::format("injected fault {} {} {}", after ? "after" : "before", name, subject));
}

// Passes writes and the close through the faults of the FileIO that made it.
class FaultInjectingStream : public arrow::io::OutputStream {
 public:
  FaultInjectingStream(FaultInjectingFileIO& owner, std::string location,
                       std::shared_ptr<arrow::io::OutputStream> inner)
      : owner_(owner), location_(std::move(location)), inner_(std::move(inner)) {}
  ~FaultInjectingStream() override = default;

  using arrow::io::Writable::Write;
  Status Write(const void* data, int64_t nbytes) override {
    return owner_.Guard(FaultPoint::kOutputWrite, location_, [&] { return inner_->Write(data, nbytes); });
  }
  Status Close() override {
    return owner_.Guard(FaultPoint::kOutputClose, location_, [&] { return inner_->Close(); });
  }
  Status Abort() override { return inner_->Abort(); }
  Status Flush() override { return inner_->Flush(); }
  Result<int64_t> Tell() const override { return inner_->Tell(); }
  bool closed() const override { return inner_->closed(); }

 private:
  FaultInjectingFileIO& owner_;
  const std::string location_;
  const std::shared_ptr<arrow::io::OutputStream> inner_;
};

Result<std::string> FaultInjectingFileIO::Read(const std::string& location) {
  return Guard(FaultPoint::kRead, location, [&] { return inner_.Read(location); });
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> FaultInjectingFileIO::OpenInput(const std::string& location) {
  return Guard(FaultPoint::kOpenInput, location, [&] { return inner_.OpenInput(location); });
}

Result<std::shared_ptr<arrow::io::OutputStream>> FaultInjectingFileIO::OpenOutput(const std::string& location) {
  return Guard(FaultPoint::kOpenOutput, location, [&]() -> Result<std::shared_ptr<arrow::io::OutputStream>> {
    ARROW_ASSIGN_OR_RAISE(auto stream, inner_.OpenOutput(location));
    return std::make_shared<FaultInjectingStream>(*this, location, std::move(stream));
  });
}

Status FaultInjectingFileIO::WriteNew(const std::string& location, std::string_view bytes) {
  return Guard(FaultPoint::kWriteNew, location, [&] { return inner_.WriteNew(location, bytes); });
}

Status FaultInjectingFileIO::CheckWriteNew(const std::string& folder) { return inner_.CheckWriteNew(folder); }

Status FaultInjectingFileIO::Replace(const std::string& location, std::string_view bytes) {
  return Guard(FaultPoint::kReplace, location, [&] { return inner_.Replace(location, bytes); });
}

Result<bool> FaultInjectingFileIO::Exists(const std::string& location) {
  return Guard(FaultPoint::kExists, location, [&] { return inner_.Exists(location); });
}

Status FaultInjectingFileIO::Delete(const std::string& location) {
  return Guard(FaultPoint::kDelete, location, [&] { return inner_.Delete(location); });
}

Result<std::vector<FileInfo>> FaultInjectingFileIO::List(const std::string& location) {
  return Guard(FaultPoint::kList, location, [&] { return inner_.List(location); });
}

Result<int64_t> FaultInjectingFileIO::RemoveUnfinished(const std::string& folder, int64_t before_ms, bool dry_run) {
  return inner_.RemoveUnfinished(folder, before_ms, dry_run);
}

Result<std::vector<std::string>> FaultInjectingFileIO::ListFolders(const std::string& location) {
  return Guard(FaultPoint::kListFolders, location, [&] { return inner_.ListFolders(location); });
}

}  // namespace calve::storage
