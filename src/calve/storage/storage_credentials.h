// Credentials that a REST catalog vends for a table's files: a book that the catalog writes and a store reads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "calve/base/error.h"

namespace calve::storage {

// For locations that begin with `prefix`. Names as Iceberg's FileIO properties have them: "s3.access-key-id",
// "s3.secret-access-key", "s3.session-token", "s3.session-token-expires-at-ms", "s3.endpoint", "s3.path-style-access",
// "client.region", … A table's `config` without credentials of its own prefix is put under the table's location.
struct StorageCredential {
  std::string prefix;
  std::map<std::string, std::string> config;
};

// Thread-safe.
class StorageCredentials {
 public:
  // Asks the catalog again for what covers the location, and puts it here before it returns.
  using Refresher = std::function<Status(const std::string& location)>;

  // Replaces what stands under the same prefix.
  void Put(StorageCredential credential);
  // Of those whose prefix the location begins with, the longest. nullopt: nothing was vended, the store's own chain of
  // credentials is used.
  std::optional<StorageCredential> Find(const std::string& location) const;
  // Called by one thread at a time, never under a lock of this book. It must outlive the stores that use the book, or
  // be taken out again with nullptr, which waits for a call under way.
  void SetRefresher(Refresher refresher);
  // Calls the refresher unless what is found for the location is no longer `stale`, because another thread refreshed it
  // meanwhile. kConfig where there is no refresher.
  Status Refresh(const std::string& location, const std::map<std::string, std::string>& stale);

 private:
  mutable std::mutex mutex_;
  std::vector<StorageCredential> credentials_;  // protected by mutex_

  std::mutex refreshing_;  // held during a call; taken before mutex_
  Refresher refresher_;    // protected by refreshing_
};

// When a credential of "s3.session-token-expires-at-ms" and its kin ends, in milliseconds since the epoch; nullopt
// where it does not say.
std::optional<int64_t> ExpiresAtMs(const StorageCredential& credential);

}  // namespace calve::storage
