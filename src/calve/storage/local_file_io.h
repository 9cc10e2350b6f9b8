// FileIO over the local file system, durable against kill -9 and power loss.
//
// Whole-file writes go to a temporary file beside the target (its name begins with '.'), are synced, and then take
// their name in one step: link(2) for WriteNew, which never overwrites, rename(2) for Replace. The folder is synced
// last, and so are the folders above where they were made. A temporary file that a killed process left behind is never
// read.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "calve/storage/file_io.h"

namespace calve::storage {

// Stateless. An output stream that is destroyed, aborted or failed before Close() returned OK removes its file.
class LocalFileIO : public FileIO {
 public:
  Result<std::string> Read(const std::string& location) override;
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& location) override;
  Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(const std::string& location) override;
  Status WriteNew(const std::string& location, std::string_view bytes) override;
  Status Replace(const std::string& location, std::string_view bytes) override;
  Result<bool> Exists(const std::string& location) override;
  Status Delete(const std::string& location) override;
  Result<std::vector<FileInfo>> List(const std::string& location) override;
  Result<std::vector<std::string>> ListFolders(const std::string& location) override;
};

}  // namespace calve::storage
