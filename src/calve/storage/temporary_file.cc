#include "calve/storage/temporary_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "calve/base/random.h"
#include "calve/storage/posix_error.h"

namespace calve::storage {
namespace {

// Gives `from` the name `to` where nothing has it: 0 or the errno. link(2) works everywhere that has hard links, NFS
// included; the rest may know renameat2.
int NameWithoutOverwriting(int fd, const std::string& from, const std::string& to) {
  if (link(from.c_str(), to.c_str()) == 0) return 0;
  int errnum = errno;
  // NFS may lose the answer and report EEXIST for its own second try: the link count knows (open(2), O_EXCL).
  struct stat info;
  if (fstat(fd, &info) == 0 && info.st_nlink == 2) return 0;
  if (errnum != EPERM && errnum != EOPNOTSUPP && errnum != ENOSYS) return errnum;
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  return errno == EEXIST ? EEXIST : errnum;
}

}  // namespace

Result<TemporaryFile> TemporaryFile::Write(const std::string& target, std::string_view bytes) {
  std::string folder = FolderOf(target);
  std::string path = fmt::format("{}/.calve-{}.tmp", folder == "/" ? "" : folder, RandomUuid());
  ARROW_ASSIGN_OR_RAISE(UniqueFd fd, CreateNewFile(path));
  TemporaryFile file(target, path, std::move(fd));
  ARROW_RETURN_NOT_OK(WriteAll(file.fd_.get(), bytes, target));
  ARROW_RETURN_NOT_OK(SyncFile(file.fd_.get(), target));
  return file;
}

TemporaryFile::~TemporaryFile() {
  if (!path_.empty()) unlink(path_.c_str());
}

Status TemporaryFile::PublishNew() {
  int errnum = NameWithoutOverwriting(fd_.get(), path_, target_);
  if (errnum == EPERM || errnum == EOPNOTSUPP || errnum == ENOSYS) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("the file system of {} can neither link nor rename without overwriting", target_),
                     "Put the warehouse on ext4, XFS, Btrfs, ZFS or NFS, or use a catalog of type sql.");
  }
  if (errnum != 0) return PosixError(errnum, "create", target_);
  // Gone already where it was renamed. A left-over would do no harm either.
  unlink(path_.c_str());
  path_.clear();
  return SyncTarget();
}

Status TemporaryFile::PublishOver() {
  if (rename(path_.c_str(), target_.c_str()) != 0) return PosixError(errno, "replace", target_);
  path_.clear();
  return SyncTarget();
}

Status TemporaryFile::SyncTarget() {
  Status status = SyncFolder(FolderOf(target_));
  return status.ok() ? status : WithKind(status, ErrorKind::kUnknownOutcome, RemedyOf(status));
}

}  // namespace calve::storage
