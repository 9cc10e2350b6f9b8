// A new local file, written front to back, durable when Close() returns OK.
#pragma once

#include <arrow/io/interfaces.h>

#include <memory>
#include <string>

#include "calve/storage/posix_file.h"

namespace calve::storage {

// Not thread-safe, as Arrow's streams are. The file is removed by Abort(), by a failed Close() and by the destructor of
// a stream that was never closed: whoever gives up half-way leaves nothing behind.
class LocalOutputStream : public arrow::io::OutputStream {
 public:
  // Folders above are made; kAlreadyExists where `path` exists.
  static Result<std::shared_ptr<LocalOutputStream>> Create(const std::string& path);
  ~LocalOutputStream() override;

  using arrow::io::Writable::Write;
  Status Write(const void* data, int64_t nbytes) override;
  Status Close() override;
  Status Abort() override;
  Result<int64_t> Tell() const override { return position_; }
  bool closed() const override { return !fd_.valid(); }

 private:
  LocalOutputStream(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Status Finish();
  void StartWriteBack();

  const std::string path_;
  UniqueFd fd_;
  int64_t position_ = 0;
  int64_t written_back_ = 0;  // up to here the kernel was asked to begin writing to disk
};

}  // namespace calve::storage
