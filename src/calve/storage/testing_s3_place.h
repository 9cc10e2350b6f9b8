// A place in a bucket of its own on a real S3 server.
#pragma once

#include <unistd.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "calve/objectstore/s3_store.h"
#include "calve/storage/object_file_io.h"
#include "calve/storage/object_location.h"
#include "calve/storage/testing_file_io_conformance.h"
#include "calve/storage/testing_s3_server.h"

namespace calve::storage {

// Keys as an environment would have them, without anything of the real one's.
inline objectstore::Environment KeysOnly(const std::string& access_key, const std::string& secret_key) {
  return [=](const std::string& name) -> std::string {
    if (name == "AWS_ACCESS_KEY_ID") return access_key;
    if (name == "AWS_SECRET_ACCESS_KEY") return secret_key;
    return name == "AWS_EC2_METADATA_DISABLED" ? "true" : "";
  };
}

// A server's store with the server's keys. Children that a test forks have connections of their own.
class S3TestStore {
 public:
  explicit S3TestStore(S3Server& server, objectstore::StoreOptions options = {}) : options_(std::move(options)) {
    if (options_.endpoint.empty()) options_.endpoint = server.endpoint();
  }
  std::shared_ptr<objectstore::ObjectStore> Get() {
    std::lock_guard lock(mutex_);
    auto& store = stores_[getpid()];
    if (!store) {
      const auto environment = KeysOnly(S3Server::kAccessKey, S3Server::kSecretKey);
      auto place = objectstore::ResolveAwsPlace(options_, environment).ValueOrDie();
      auto chain = std::make_shared<objectstore::AwsCredentialChain>(options_, place, environment, stop, clock);
      store = objectstore::S3Store::Make(options_, place, chain, stop, clock).ValueOrDie();
    }
    return store;
  }
  // It must not outlive this.
  std::unique_ptr<ObjectFileIO> MakeFileIO() {
    auto find = [this](const std::string&) -> Result<ObjectFileIO::StorePointer> { return Get(); };
    return std::make_unique<ObjectFileIO>(find, options_.part_bytes, options_.uploads_max, stop);
  }

  StopToken stop;
  SystemClock clock;

 private:
  objectstore::StoreOptions options_;
  std::mutex mutex_;
  std::map<pid_t, std::shared_ptr<objectstore::ObjectStore>> stores_;  // protected by mutex_
};

struct S3Place : FileIOPlace {
  explicit S3Place(S3Server& server, objectstore::StoreOptions options = {})
      : bucket(server.NewBucket()), store(server, std::move(options)), file_io(store.MakeFileIO()) {}
  FileIO& io() override { return *file_io; }
  std::string root() override { return "s3://" + bucket + "/ware house"; }

  const std::string bucket;
  S3TestStore store;
  const std::unique_ptr<ObjectFileIO> file_io;
};

}  // namespace calve::storage
