#include "calve/notify/problem_file.h"

#include <fcntl.h>

#include <utility>

#include "calve/base/shared_file.h"
#include "calve/base/small_file.h"

namespace calve::notify {
namespace {

constexpr const char* kProblemFileRemedy =
    "Check that its folder exists and may be written to, or name another with notify.state_file.";

}  // namespace

Status UpdateProblemFile(const std::string& path, const std::function<void(ProblemBook& book)>& update) {
  // Beside the file, for that one is replaced.
  const UniqueFd lock(open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid()) return SharedFileError("write", path + ".lock", kProblemFileRemedy);
  HoldLock(lock);
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
  return book == before ? Status::OK() : ReplaceSharedFile(path, book.ToText(), 0600, kProblemFileRemedy);
}

}  // namespace calve::notify
