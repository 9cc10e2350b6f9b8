// Which S3 a location is in and who calve is there: the options' and the environment's, or what a catalog vended.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "calve/objectstore/aws_credentials.h"
#include "calve/objectstore/object_store.h"
#include "calve/storage/file_io.h"

namespace calve::storage {

// Thread-safe. What `context` points to must outlive it; its `stop` and `clock` are not null.
class S3Stores {
 public:
  S3Stores(const FileIOContext& context, objectstore::Environment environment);

  Result<std::shared_ptr<objectstore::ObjectStore>> StoreOf(const std::string& location);

 private:
  Result<std::shared_ptr<objectstore::ObjectStore>> OwnStore();
  Result<std::shared_ptr<objectstore::ObjectStore>> VendedStore(const std::string& location,
                                                                const StorageCredential& credential);
  Result<const objectstore::AwsPlace*> Place();  // with mutex_ held

  // Constant after construction.
  const FileIOContext context_;
  const objectstore::Environment environment_;

  std::mutex mutex_;
  // Protected by mutex_.
  std::unique_ptr<objectstore::AwsPlace> place_;
  std::shared_ptr<objectstore::AwsCredentialSource> chain_;
  std::shared_ptr<objectstore::ObjectStore> own_;
  std::map<std::string, std::shared_ptr<objectstore::ObjectStore>> vended_;  // by prefix and what else tells them apart
};

}  // namespace calve::storage
