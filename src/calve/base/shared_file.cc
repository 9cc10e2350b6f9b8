#include "calve/base/shared_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>

namespace calve {
namespace {

bool WriteBytes(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

void HoldLock(const UniqueFd& file) {
  while (flock(file.get(), LOCK_EX) != 0 && errno == EINTR) {
  }
}

Status SharedFileError(const char* what, const std::string& path, const std::string& remedy) {
  return MakeError(ErrorKind::kFailed, fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)), remedy);
}

Status ReplaceSharedFile(const std::string& path, std::string_view bytes, mode_t mode, const std::string& remedy) {
  const std::string temporary = path + ".tmp";
  unlink(temporary.c_str());
  UniqueFd file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file.valid()) return SharedFileError("write", temporary, remedy);
  Status status;
  if (fchmod(file.get(), mode) != 0 || !WriteBytes(file.get(), bytes)) {
    status = SharedFileError("write", temporary, remedy);
  } else if (const int error = file.Close(); error != 0) {
    errno = error;
    status = SharedFileError("write", temporary, remedy);
  } else if (rename(temporary.c_str(), path.c_str()) != 0) {
    status = SharedFileError("replace", path, remedy);
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace calve
