// A file under a temporary name until it is published, whole and durable, under its own.
#pragma once

#include <string>
#include <string_view>

#include "calve/storage/posix_file.h"

namespace calve::storage {

class TemporaryFile {
 public:
  // Creates the temporary file beside `target`, writes `bytes` and syncs them. Folders above are made.
  static Result<TemporaryFile> Write(const std::string& target, std::string_view bytes);

  TemporaryFile(TemporaryFile&& other) noexcept
      : target_(std::move(other.target_)), path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  // Removes the file unless it was published.
  ~TemporaryFile();

  // kAlreadyExists where the target exists, which is then untouched. kUnknownOutcome where the target was made and the
  // folder could not be synced: it is visible and may not survive a power failure.
  Status PublishNew();
  // Replaces the target where there is one.
  Status PublishOver();

 private:
  TemporaryFile(std::string target, std::string path, UniqueFd fd)
      : target_(std::move(target)), path_(std::move(path)), fd_(std::move(fd)) {}
  Status SyncTarget();

  std::string target_;
  std::string path_;  // empty once there is nothing to remove
  UniqueFd fd_;
};

}  // namespace calve::storage
