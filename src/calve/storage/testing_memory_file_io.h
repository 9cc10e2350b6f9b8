// A FileIO in memory, for tests: counts what is read and written, and fails where it is told to.
#pragma once

#include <arrow/buffer.h>
#include <arrow/io/memory.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "calve/storage/file_io.h"

namespace calve::storage {

class MemoryFileIO : public FileIO {
 public:
  // Asked before each operation ("read", "write", "delete") with its location; what is not OK is returned instead. A
  // write that fails with kUnknownOutcome has happened nevertheless.
  std::function<Status(const std::string& operation, const std::string& location)> fault;

  int64_t bytes_read() const { return bytes_read_; }
  int64_t bytes_written() const { return bytes_written_; }
  std::set<std::string> Locations() const {
    const std::lock_guard lock(mutex_);
    std::set<std::string> locations;
    for (const auto& [location, bytes] : files_) locations.insert(location);
    return locations;
  }

  Result<std::string> Read(const std::string& location) override {
    ARROW_RETURN_NOT_OK(Ask("read", location));
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(location);
    if (found == files_.end()) return MakeError(ErrorKind::kNotFound, "no such file: " + location);
    bytes_read_ += static_cast<int64_t>(found->second.size());
    return found->second;
  }

  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& location) override {
    ARROW_ASSIGN_OR_RAISE(std::string bytes, Read(location));
    return std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::move(bytes)));
  }

  Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(const std::string& location) override {
    ARROW_ASSIGN_OR_RAISE(const bool exists, Exists(location));
    if (exists) return MakeError(ErrorKind::kAlreadyExists, "file exists: " + location);
    return std::make_shared<Output>(*this, location);
  }

  Status WriteNew(const std::string& location, std::string_view bytes) override {
    return Write(location, bytes, /*replace=*/false);
  }
  Status Replace(const std::string& location, std::string_view bytes) override {
    return Write(location, bytes, /*replace=*/true);
  }

  Result<bool> Exists(const std::string& location) override {
    const std::lock_guard lock(mutex_);
    return files_.count(location) > 0;
  }

  Status Delete(const std::string& location) override {
    ARROW_RETURN_NOT_OK(Ask("delete", location));
    const std::lock_guard lock(mutex_);
    files_.erase(location);
    return Status::OK();
  }

  Result<std::vector<FileInfo>> List(const std::string& location) override {
    const std::lock_guard lock(mutex_);
    std::vector<FileInfo> infos;
    for (const auto& [path, bytes] : files_) {
      if (path.starts_with(Folder(location))) infos.push_back({path, static_cast<int64_t>(bytes.size()), 0});
    }
    return infos;
  }

  Result<std::vector<std::string>> ListFolders(const std::string& location) override {
    const std::lock_guard lock(mutex_);
    const std::string folder = Folder(location);
    std::set<std::string> names;
    for (const auto& [path, bytes] : files_) {
      if (!path.starts_with(folder)) continue;
      const size_t slash = path.find('/', folder.size());
      if (slash != std::string::npos) names.insert(path.substr(folder.size(), slash - folder.size()));
    }
    return std::vector<std::string>(names.begin(), names.end());
  }

 private:
  class Output : public arrow::io::OutputStream {
   public:
    Output(MemoryFileIO& owner, std::string location) : owner_(owner), location_(std::move(location)) {}
    Status Close() override {
      if (std::exchange(closed_, true)) return Status::OK();
      return owner_.WriteNew(location_, bytes_);
    }
    Status Abort() override {
      closed_ = true;
      return Status::OK();
    }
    bool closed() const override { return closed_; }
    Result<int64_t> Tell() const override { return static_cast<int64_t>(bytes_.size()); }
    Status Write(const void* data, int64_t size) override {
      bytes_.append(static_cast<const char*>(data), static_cast<size_t>(size));
      return Status::OK();
    }
    using arrow::io::OutputStream::Write;

   private:
    MemoryFileIO& owner_;
    const std::string location_;
    std::string bytes_;
    bool closed_ = false;
  };

  static std::string Folder(const std::string& location) { return location.ends_with('/') ? location : location + "/"; }

  Status Ask(const char* operation, const std::string& location) {
    return fault ? fault(operation, location) : Status::OK();
  }

  Status Write(const std::string& location, std::string_view bytes, bool replace) {
    const Status asked = Ask("write", location);
    if (!asked.ok() && KindOf(asked) != ErrorKind::kUnknownOutcome) return asked;
    const std::lock_guard lock(mutex_);
    if (!replace && files_.count(location) > 0) return MakeError(ErrorKind::kAlreadyExists, "file exists: " + location);
    files_[location] = std::string(bytes);
    bytes_written_ += static_cast<int64_t>(bytes.size());
    return asked;
  }

  mutable std::mutex mutex_;
  // Protected by mutex_.
  std::map<std::string, std::string> files_;
  int64_t bytes_read_ = 0;
  int64_t bytes_written_ = 0;
};

}  // namespace calve::storage
