// The FileIO that programs use: each location by the store of its scheme.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "calve/storage/file_io.h"

namespace calve::storage {

// Which kind of store serves a scheme: "file" for none and "file", "s3" for s3, s3a and s3n; empty for an unknown one.
std::string_view StoreOfScheme(std::string_view scheme);

// Thread-safe. Stores are opened on first use and kept; what could not be opened is tried again.
class RoutingFileIO : public FileIO {
 public:
  // Of one store, by what StoreOfScheme says.
  using Opener = std::function<Result<std::unique_ptr<FileIO>>(std::string_view store)>;
  explicit RoutingFileIO(Opener opener) : opener_(std::move(opener)) {}

  Result<std::string> Read(const std::string& location) override;
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& location) override;
  Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(const std::string& location) override;
  Status WriteNew(const std::string& location, std::string_view bytes) override;
  Status Replace(const std::string& location, std::string_view bytes) override;
  Result<bool> Exists(const std::string& location) override;
  Status Delete(const std::string& location) override;
  Result<std::vector<FileInfo>> List(const std::string& location) override;
  Result<std::vector<std::string>> ListFolders(const std::string& location) override;

 private:
  Result<FileIO*> StoreOf(const std::string& location);

  const Opener opener_;

  std::mutex mutex_;
  std::map<std::string_view, std::unique_ptr<FileIO>> stores_;  // protected by mutex_; what it points to is not
};

}  // namespace calve::storage
