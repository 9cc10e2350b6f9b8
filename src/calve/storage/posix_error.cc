#include "calve/storage/posix_error.h"

#include <arrow/util/io_util.h>
#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace calve::storage {
namespace {

struct Meaning {
  ErrorKind kind;
  std::string_view remedy;
};

Meaning MeaningOf(int errnum) {
  switch (errnum) {
    case ENOENT:
      return {ErrorKind::kNotFound, ""};
    case EEXIST:
      return {ErrorKind::kAlreadyExists, ""};
    case ENOSPC:  // the command was right; the machine is not
      return {ErrorKind::kFailed, "Free space (or inodes) on that file system, or choose another warehouse."};
    case EDQUOT:
      return {ErrorKind::kFailed, "Raise the disk quota of the user that runs calve, or free space."};
    case EROFS:
      return {ErrorKind::kConfig, "Mount that file system writable, or choose another warehouse."};
    case EACCES:
    case EPERM:
      return {ErrorKind::kConfig, "Give the user that runs calve the right to read and write there."};
    case ENOTDIR:
      return {ErrorKind::kConfig, "A part of that path is a file where a folder is needed: choose another path."};
    case ENAMETOOLONG:
      return {ErrorKind::kConfig, "Choose a shorter path."};
    case ELOOP:
      return {ErrorKind::kConfig, "Its symbolic links form a circle: mend them."};
    case EFBIG:
      return {ErrorKind::kConfig, "Raise the file size limit (ulimit -f) of the process."};
    case EMFILE:
      return {ErrorKind::kConfig, "Raise the limit of open files (ulimit -n) of the process."};
    case ENFILE:
    case EAGAIN:
    case EBUSY:
    case ENOMEM:
    case ESTALE:
    case ETIMEDOUT:
      return {ErrorKind::kRetry, ""};
    default:
      return {ErrorKind::kFailed, ""};
  }
}

}  // namespace

Status PosixError(int errnum, std::string_view action, std::string_view location) {
  Meaning meaning = MeaningOf(errnum);
  return MakeError(meaning.kind,
                   fmt::format("cannot {} {}: {}", action, location, std::generic_category().message(errnum)),
                   std::string(meaning.remedy));
}

Status FromArrow(const Status& status, std::string_view action, std::string_view location) {
  if (status.ok()) return status;
  if (int errnum = arrow::internal::ErrnoFromStatus(status); errnum != 0) return PosixError(errnum, action, location);
  return MakeError(ErrorKind::kFailed, fmt::format("cannot {} {}: {}", action, location, status.message()));
}

}  // namespace calve::storage
