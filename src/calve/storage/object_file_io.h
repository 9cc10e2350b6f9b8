// FileIO over object stores. A folder is what keys have in common up to a slash; nothing is made for it.
//
// WriteNew is one conditional request, and each write carries an id that the store keeps with the object: where an
// answer is lost, the id tells whose object stands there, and the write is tried again as long as nothing does.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/stop.h"
#include "calve/objectstore/object_store.h"
#include "calve/storage/file_io.h"
#include "calve/storage/upload_slots.h"

namespace calve::storage {

// Thread-safe. Streams and files that it hands out must not outlive it.
class ObjectFileIO : public FileIO {
 public:
  using StorePointer = std::shared_ptr<objectstore::ObjectStore>;
  // The store that a location is in: credentials may be a table's own.
  using StoreFinder = std::function<Result<StorePointer>(const std::string& location)>;
  // `stop` must outlive it.
  ObjectFileIO(StoreFinder find, int64_t part_bytes, int64_t uploads_max, const StopToken& stop);

  Result<std::string> Read(const std::string& location) override;
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& location) override;
  Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(const std::string& location) override;
  Status WriteNew(const std::string& location, std::string_view bytes) override;
  Status CheckWriteNew(const std::string& folder) override;
  Status Replace(const std::string& location, std::string_view bytes) override;
  Result<bool> Exists(const std::string& location) override;
  Status Delete(const std::string& location) override;
  Result<std::vector<FileInfo>> List(const std::string& location) override;
  Result<int64_t> RemoveUnfinished(const std::string& folder, int64_t before_ms, bool dry_run) override;
  Result<std::vector<std::string>> ListFolders(const std::string& location) override;

 private:
  struct Place {
    StorePointer store;
    objectstore::ObjectName name;
  };
  Result<Place> PlaceOf(const std::string& location) const;
  // What CheckWriteNew says; `is_finding`: it is about the store and not about this try.
  static Status TryWriteNew(const Place& place, bool* is_finding);

  // Constant after construction.
  const StoreFinder find_;
  const int64_t part_bytes_;
  const StopToken& stop_;

  UploadSlots slots_;
  std::mutex mutex_;
  std::map<std::string, Status> checked_;  // what CheckWriteNew found, by bucket; protected by mutex_
};

}  // namespace calve::storage
