#include "calve/storage/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "calve/storage/posix_error.h"

namespace calve::storage {
namespace {

// Linux writes at most 0x7ffff000 bytes in one call; less keeps signals answered.
constexpr size_t kWriteMax = size_t{1} << 30;

int OpenRetrying(const char* path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = open(path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

}  // namespace

std::string FolderOf(const std::string& path) {
  size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status MakeFolders(const std::string& folder) {
  if (folder.empty() || mkdir(folder.c_str(), 0777) == 0)
    return folder.empty() ? Status::OK() : SyncFolder(FolderOf(folder));
  if (errno == EEXIST) {
    struct stat info;
    if (stat(folder.c_str(), &info) == 0 && !S_ISDIR(info.st_mode)) return PosixError(ENOTDIR, "make folder", folder);
    return Status::OK();
  }
  if (errno != ENOENT) return PosixError(errno, "make folder", folder);
  std::string above = FolderOf(folder);
  if (above == folder || above == ".") return PosixError(ENOENT, "make folder", folder);
  ARROW_RETURN_NOT_OK(MakeFolders(above));
  // Another process may have made it in between: that is as good.
  if (mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) return PosixError(errno, "make folder", folder);
  return SyncFolder(above);
}

Status SyncFolder(const std::string& folder) {
  UniqueFd fd(OpenRetrying(folder.c_str(), O_RDONLY | O_DIRECTORY));
  if (!fd.valid()) return PosixError(errno, "open folder", folder);
  // Some file systems (FUSE, old CIFS) cannot sync a folder and say EINVAL: they have nothing better to offer.
  if (fsync(fd.get()) != 0 && errno != EINVAL) return PosixError(errno, "sync folder", folder);
  return Status::OK();
}

Result<UniqueFd> CreateNewFile(const std::string& path) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL;
  UniqueFd fd(OpenRetrying(path.c_str(), kFlags, 0666));
  if (!fd.valid() && errno == ENOENT) {
    ARROW_RETURN_NOT_OK(MakeFolders(FolderOf(path)));
    fd = UniqueFd(OpenRetrying(path.c_str(), kFlags, 0666));
  }
  if (!fd.valid()) return PosixError(errno, "create", path);
  return fd;
}

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    ssize_t written = write(fd, bytes.data(), std::min(bytes.size(), kWriteMax));
    if (written < 0) {
      if (errno == EINTR) continue;
      return PosixError(errno, "write", path);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return Status::OK();
}

Status SyncFile(int fd, const std::string& path) {
  // After a failed fsync the kernel may have dropped the pages: never tried again, always a failure.
  if (fsync(fd) != 0) return PosixError(errno, "sync", path);
  return Status::OK();
}

}  // namespace calve::storage
