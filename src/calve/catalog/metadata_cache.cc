#include "calve/catalog/metadata_cache.h"

#include <algorithm>
#include <utility>

#include "calve/catalog/metadata_file.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace calve::catalog {

MetadataCache::Hash MetadataCache::HashOf(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

Result<MetadataCache::Hash> MetadataCache::HashOfFile(const std::string& location) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  ARROW_RETURN_NOT_OK(VisitBytes(
      file_io_, location, [&](std::string_view piece) { XXH3_128bits_update(&state, piece.data(), piece.size()); }));
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  return Hash{hash.low64, hash.high64};
}

bool MetadataCache::Remembers(const std::string& location) {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(entries_, [&](const Entry& entry) { return entry.location == location; });
}

std::optional<iceberg::TableMetadata> MetadataCache::Find(const std::string& location, const Hash& hash) {
  const std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->location != location || entry->hash != hash) continue;
    entries_.splice(entries_.begin(), entries_, entry);
    return entry->metadata;
  }
  return std::nullopt;
}

Result<iceberg::TableMetadata> MetadataCache::Read(const std::string& location) {
  // Elsewhere than on a local disk pieces cost a request each. What goes wrong here is said by the read below.
  if (!storage::LocalPath(location).empty() && Remembers(location)) {
    const auto hash = HashOfFile(location);
    if (hash.ok()) {
      if (auto known = Find(location, *hash)) return std::move(*known);
    }
  }
  ARROW_ASSIGN_OR_RAISE(std::string bytes, file_io_.Read(location));
  if (bytes.size() < kFileBytesMin) return DecodeMetadata(std::move(bytes), location);
  const Hash hash = HashOf(bytes);
  if (auto known = Find(location, hash)) return std::move(*known);
  ARROW_ASSIGN_OR_RAISE(iceberg::TableMetadata metadata, DecodeMetadata(std::move(bytes), location));
  std::list<Entry> news;
  news.push_back({location, hash, metadata});
  std::list<Entry> dropped;  // destroyed once the lock is released
  const std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->location == location) dropped.splice(dropped.end(), entries_, entry);
    entry = next;
  }
  entries_.splice(entries_.begin(), news);
  if (entries_.size() > kFilesMax) dropped.splice(dropped.end(), entries_, std::prev(entries_.end()));
  return metadata;
}

void MetadataCache::Forget(const std::string& location) {
  const std::lock_guard lock(mutex_);
  entries_.remove_if([&](const Entry& entry) { return entry.location == location; });
}

}  // namespace calve::catalog
