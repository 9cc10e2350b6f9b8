// Google's store for a location: with the options' and the environment's credentials, or with what a catalog vended.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "calve/objectstore/environment.h"
#include "calve/objectstore/object_store.h"
#include "calve/storage/file_io.h"

namespace calve::storage {

// Thread-safe. What `context` points to must outlive it; its `stop` and `clock` are not null.
class GcsStores {
 public:
  GcsStores(const FileIOContext& context, objectstore::Environment environment)
      : context_(context), environment_(std::move(environment)) {}

  Result<std::shared_ptr<objectstore::ObjectStore>> StoreOf(const std::string& location);

 private:
  Result<std::shared_ptr<objectstore::ObjectStore>> Make(const StorageCredential* vended,
                                                         const std::string& location) const;

  const FileIOContext context_;
  const objectstore::Environment environment_;

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<objectstore::ObjectStore>> stores_;  // by prefix and place; protected by mutex_
};

}  // namespace calve::storage
