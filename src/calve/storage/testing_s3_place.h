// A place in a bucket of its own on a real S3 server.
#pragma once

#include <map>
#include <memory>
#include <string>

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

struct S3Place : FileIOPlace {
  explicit S3Place(S3Server& server, objectstore::StoreOptions asked = {}) : bucket(server.NewBucket()) {
    options = asked;
    if (options.endpoint.empty()) options.endpoint = server.endpoint();
    const auto environment = KeysOnly(S3Server::kAccessKey, S3Server::kSecretKey);
    auto place = objectstore::ResolveAwsPlace(options, environment).ValueOrDie();
    auto chain = std::make_shared<objectstore::AwsCredentialChain>(options, place, environment, stop, clock);
    store = objectstore::S3Store::Make(options, place, chain, stop, clock).ValueOrDie();
    file_io = std::make_unique<ObjectFileIO>(
        [this](const std::string&) -> Result<ObjectFileIO::StorePointer> { return store; }, options.part_bytes,
        options.uploads_max, stop);
  }
  FileIO& io() override { return *file_io; }
  std::string root() override { return "s3://" + bucket + "/ware house"; }

  const std::string bucket;
  objectstore::StoreOptions options;
  StopToken stop;
  SystemClock clock;
  std::shared_ptr<objectstore::ObjectStore> store;
  std::unique_ptr<ObjectFileIO> file_io;
};

}  // namespace calve::storage
