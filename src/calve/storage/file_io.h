// Where bytes of tables live. Locations are as Iceberg writes them: "file:///a/b", "/a/b" (a local file: Spark's Hadoop
// catalog writes them so), "s3://bucket/key". One implementation over arrow::fs; a fault-injecting wrapper for tests.
#pragma once

#include <arrow/io/interfaces.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/error.h"
#include "calve/base/stop.h"
#include "calve/base/time.h"
#include "calve/storage/storage_credentials.h"
#include "calve/storage/store_options.h"

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

// Serves every location by its scheme, so that a table may lie elsewhere than the warehouse: none and file by the local
// file system. A store is opened when its first location is asked for; other schemes: kUnsupported, naming the scheme.
// `credentials`, where given, are asked for a location before the chain of `options`. All that is not null must outlive
// it. A stop ends transfers of data and waits before another try; small calls go on, bounded by their time-outs, so
// that the step at hand can be finished or undone.
struct FileIOContext {
  StoreOptions options = {};
  StorageCredentials* credentials = nullptr;
  const StopToken* stop = nullptr;  // null: nothing stops it
  const Clock* clock = nullptr;     // null: the system's
};
Result<std::unique_ptr<FileIO>> OpenFileIO(const FileIOContext& context);
// The same, once it is certain that `warehouse` is a location that it can serve. Nothing is read or written.
Result<std::unique_ptr<FileIO>> OpenFileIO(const std::string& warehouse, const FileIOContext& context = {});
// OK where `location` has a scheme that is served and is well formed; else as OpenFileIO says.
Status CheckLocation(const std::string& location);

// Where the location is a local file, its path; empty otherwise.
std::string LocalPath(std::string_view location);
// "a" + "b/c" -> "a/b/c", whatever slashes stand at the seam.
std::string JoinLocation(std::string_view base, std::string_view rest);

}  // namespace calve::storage
