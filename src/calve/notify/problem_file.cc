#include "calve/notify/problem_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "calve/base/small_file.h"

namespace calve::notify {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd() const { return fd_; }
  bool Close() {
    const int fd = std::exchange(fd_, -1);
    return fd < 0 || close(fd) == 0;
  }

 private:
  int fd_;
};

Status Failed(const char* what, const std::string& path) {
  return MakeError(ErrorKind::kFailed, fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)),
                   "Check that its folder exists and may be written to, or name another with notify.state_file.");
}

Status WriteInPlace(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".tmp";
  Descriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.fd() < 0) return Failed("write", temporary);
  while (!text.empty()) {
    const ssize_t written = write(file.fd(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Failed("write", temporary);
    text.remove_prefix(static_cast<size_t>(written));
  }
  if (!file.Close() || rename(temporary.c_str(), path.c_str()) != 0) return Failed("replace", path);
  return Status::OK();
}

}  // namespace

Status UpdateProblemFile(const std::string& path, const std::function<void(ProblemBook& book)>& update) {
  // Beside the file, for that one is replaced. Where locks are not known, two processes may tell the same.
  const Descriptor lock(open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (lock.fd() < 0) return Failed("write", path + ".lock");
  while (flock(lock.fd(), LOCK_EX) != 0 && errno == EINTR) {
  }
  ProblemBook book;
  if (access(path.c_str(), F_OK) == 0) {
    ARROW_ASSIGN_OR_RAISE(const std::string text, ReadSmallFile(path, "what notifications were sent"));
    auto read = ProblemBook::FromText(text);
    if (!read.ok()) {
      return WithKind(WithContext(read.status(), path), ErrorKind::kCorrupt,
                      "Delete the file, or name another with notify.state_file.");
    }
    book = std::move(*read);
  }
  const ProblemBook before = book;
  update(book);
  return book == before ? Status::OK() : WriteInPlace(path, book.ToText());
}

}  // namespace calve::notify
