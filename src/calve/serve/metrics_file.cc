#include "calve/serve/metrics_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace calve::serve {
namespace {

constexpr size_t kFileBytesMax = 16 << 20;

class OpenedFile {
 public:
  explicit OpenedFile(int fd) : fd_(fd) {}
  ~OpenedFile() { Close(); }
  OpenedFile(const OpenedFile&) = delete;
  OpenedFile& operator=(const OpenedFile&) = delete;
  int fd() const { return fd_; }
  bool Close() {
    const int fd = std::exchange(fd_, -1);
    return fd < 0 || close(fd) == 0;
  }

 private:
  int fd_;
};

Status FileError(const std::string& what, const std::string& path) {
  const int error = errno;
  return MakeError(ErrorKind::kFailed, fmt::format("{} {}: {}", what, path, std::strerror(error)),
                   "Check that its folder exists and may be written to.");
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Whatever stands at the temporary name was left by a process that died: only one is here at a time.
Status WriteWhole(const std::string& path, std::string_view bytes) {
  // node_exporter takes names that end in .prom alone.
  const std::string temporary = path + ".tmp";
  unlink(temporary.c_str());
  OpenedFile file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (file.fd() < 0) return FileError("cannot write", temporary);
  // Others read it, whatever the umask of a job is.
  if (fchmod(file.fd(), 0644) != 0 || !WriteAll(file.fd(), bytes) || !file.Close()) {
    const Status status = FileError("cannot write", temporary);
    unlink(temporary.c_str());
    return status;
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    const Status status = FileError("cannot replace", path);
    unlink(temporary.c_str());
    return status;
  }
  return Status::OK();
}

}  // namespace

Result<MetricFamilies> ReadMetricsFile(const std::string& path) {
  const OpenedFile file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd() < 0 && errno == ENOENT) return MetricFamilies{};
  if (file.fd() < 0) return FileError("cannot read", path);
  std::string text;
  char piece[64 << 10];
  for (;;) {
    const ssize_t got = read(file.fd(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("cannot read", path);
    if (got == 0) break;
    text.append(piece, static_cast<size_t>(got));
    if (text.size() > kFileBytesMax) return MakeError(ErrorKind::kCorrupt, fmt::format("{} is too large", path));
  }
  auto families = ParseMetricsText(text);
  if (!families.ok()) {
    return WithKind(WithContext(families.status(), path + " holds no metrics of calve's"), ErrorKind::kCorrupt,
                    "Name another file, or delete this one.");
  }
  return families;
}

Status UpdateMetricsFile(const std::string& path,
                         const std::function<MetricFamilies(const MetricFamilies& earlier)>& update) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const std::string place = folder.empty() ? "." : folder;
  const OpenedFile lock(open(place.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.fd() < 0) return FileError("cannot open the folder", place);
  while (flock(lock.fd(), LOCK_EX) != 0) {
    // A file system without locks: two commands that end in the same moment may forget each other's counts.
    if (errno != EINTR) break;
  }
  auto earlier = ReadMetricsFile(path);
  ARROW_RETURN_NOT_OK(earlier.status());
  return WriteWhole(path, MetricsText(update(*earlier)));
}

}  // namespace calve::serve
