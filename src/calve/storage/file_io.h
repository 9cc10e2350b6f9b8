// Where bytes of tables live. Locations are as Iceberg writes them: "file:///a/b", "/a/b" (a local file: Spark's Hadoop
// catalog writes them so), "s3://bucket/key". One implementation over arrow::fs; a fault-injecting wrapper for tests.
#pragma once

#include <arrow/io/interfaces.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/error.h"

namespace calve::storage {

struct FileInfo {
  std::string location;
  int64_t size = 0;      // bytes
  int64_t mtime_ms = 0;  // since the epoch
};

// Thread-safe. Errors name the location. kNotFound for what is not there; kConfig for missing rights or a read-only
// disk, kFailed for a full one (with the remedy); kRetry for what a store calls transient.
class FileIO {
 public:
  virtual ~FileIO() = default;

  virtual Result<std::string> Read(const std::string& location) = 0;
  virtual Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& location) = 0;
  // Directories above are made. The file is durable (fsync) when Close() returns OK. An existing one is refused
  // (kAlreadyExists).
  virtual Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(const std::string& location) = 0;
  // Writes a whole new file, durable and visible only as a whole; kAlreadyExists where there is one, which is then
  // untouched: of any number of concurrent callers exactly one succeeds. kUnknownOutcome where the store cannot tell.
  virtual Status WriteNew(const std::string& location, std::string_view bytes) = 0;
  // Writes or replaces a file atomically (version-hint.text).
  virtual Status Replace(const std::string& location, std::string_view bytes) = 0;
  virtual Result<bool> Exists(const std::string& location) = 0;
  // OK also where there is nothing.
  virtual Status Delete(const std::string& location) = 0;
  // Files below `location`, any depth, in no order; empty where nothing is there.
  virtual Result<std::vector<FileInfo>> List(const std::string& location) = 0;
  // Directly below: names of folders (not files).
  virtual Result<std::vector<std::string>> ListFolders(const std::string& location) = 0;
};

// For file:// and plain paths; other schemes: kUnsupported, naming the scheme.
Result<std::unique_ptr<FileIO>> OpenFileIO(const std::string& warehouse);

// Where the location is a local file, its path; empty otherwise.
std::string LocalPath(std::string_view location);
// "a" + "b/c" -> "a/b/c", whatever slashes stand at the seam.
std::string JoinLocation(std::string_view base, std::string_view rest);

}  // namespace calve::storage
