// What the command line says about object stores: --store-….
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "calve/base/error.h"
#include "calve/objectstore/store_options.h"

namespace calve::cli {

struct StoreFlags {
  std::string endpoint, region, addressing = "auto", ca_file, profile;
  bool anonymous = false, requester_pays = false;
  std::string encryption = "none", kms_key, customer_key_file;
  std::string connect_timeout = "10s", idle_timeout = "1m";
  int64_t attempts = 8;
  std::string part_size = "8MiB";
  int64_t uploads = 4;
};

void AddStoreFlags(CLI::App& command, StoreFlags& flags);
Result<objectstore::StoreOptions> StoreOptionsOf(const StoreFlags& flags);

}  // namespace calve::cli
