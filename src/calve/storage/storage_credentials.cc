#include "calve/storage/storage_credentials.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace calve::storage {

void StorageCredentials::Put(StorageCredential credential) {
  std::lock_guard lock(mutex_);
  for (StorageCredential& known : credentials_) {
    if (known.prefix != credential.prefix) continue;
    known = std::move(credential);
    return;
  }
  credentials_.push_back(std::move(credential));
}

std::optional<StorageCredential> StorageCredentials::Find(const std::string& location) const {
  std::lock_guard lock(mutex_);
  const StorageCredential* best = nullptr;
  for (const StorageCredential& known : credentials_) {
    if (location.starts_with(known.prefix) && (!best || known.prefix.size() > best->prefix.size())) best = &known;
  }
  return best ? std::optional(*best) : std::nullopt;
}

void StorageCredentials::SetRefresher(Refresher refresher) {
  std::lock_guard lock(refreshing_);
  refresher_ = std::move(refresher);
}

Status StorageCredentials::Refresh(const std::string& location, const std::map<std::string, std::string>& stale) {
  std::lock_guard lock(refreshing_);
  const auto known = Find(location);
  if (known && known->config != stale) return Status::OK();
  if (refresher_) return refresher_(location);
  return MakeError(ErrorKind::kConfig,
                   fmt::format("the credentials for {} have expired and nothing can renew them", location),
                   "Check that the catalog vends credentials for this table.");
}

std::optional<int64_t> ExpiresAtMs(const StorageCredential& credential) {
  std::optional<int64_t> earliest;
  for (const char* name : {"s3.session-token-expires-at-ms", "gcs.oauth2.token-expires-at"}) {
    const auto found = credential.config.find(name);
    if (found == credential.config.end()) continue;
    int64_t ms = 0;
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
    if (error != std::errc() || end != text.data() + text.size()) continue;
    earliest = earliest ? std::min(*earliest, ms) : ms;
  }
  return earliest;
}

}  // namespace calve::storage
