#include "calve/storage/local_output_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "calve/storage/posix_error.h"

namespace calve::storage {
namespace {

// The disk works while the caller encodes, so that the sync in Close() finds little left to do.
constexpr int64_t kWriteBackStep = int64_t{8} << 20;

}  // namespace

Result<std::shared_ptr<LocalOutputStream>> LocalOutputStream::Create(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(UniqueFd fd, CreateNewFile(path));
  return std::shared_ptr<LocalOutputStream>(new LocalOutputStream(path, std::move(fd)));
}

LocalOutputStream::~LocalOutputStream() {
  if (fd_.valid()) (void)Abort();
}

Status LocalOutputStream::Write(const void* data, int64_t nbytes) {
  if (closed()) return MakeError(ErrorKind::kFailed, fmt::format("{} is closed", path_));
  if (nbytes < 0) return MakeError(ErrorKind::kFailed, fmt::format("a negative length to write to {}", path_));
  ARROW_RETURN_NOT_OK(WriteAll(fd_.get(), {static_cast<const char*>(data), static_cast<size_t>(nbytes)}, path_));
  position_ += nbytes;
  StartWriteBack();
  return Status::OK();
}

void LocalOutputStream::StartWriteBack() {
#ifdef SYNC_FILE_RANGE_WRITE
  if (position_ - written_back_ < kWriteBackStep) return;
  // Only a hint: its failure means nothing, fsync decides.
  (void)sync_file_range(fd_.get(), written_back_, position_ - written_back_, SYNC_FILE_RANGE_WRITE);
  written_back_ = position_;
#endif
}

Status LocalOutputStream::Close() {
  if (closed()) return Status::OK();
  Status status = Finish();
  if (!status.ok()) {
    fd_.Close();
    unlink(path_.c_str());
  }
  return status;
}

Status LocalOutputStream::Finish() {
  ARROW_RETURN_NOT_OK(SyncFile(fd_.get(), path_));
  // NFS and quotas may report a full disk only here.
  if (int errnum = fd_.Close(); errnum != 0) return PosixError(errnum, "close", path_);
  return SyncFolder(FolderOf(path_));
}

Status LocalOutputStream::Abort() {
  if (closed()) return Status::OK();
  fd_.Close();
  if (unlink(path_.c_str()) != 0 && errno != ENOENT) return PosixError(errno, "remove", path_);
  return Status::OK();
}

}  // namespace calve::storage
