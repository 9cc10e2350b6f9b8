#include "calve/catalog/metadata_cache.h"

#include <utility>

#include "calve/catalog/metadata_file.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace calve::catalog {

MetadataCache::Hash MetadataCache::HashOf(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

Result<iceberg::TableMetadata> MetadataCache::Read(const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(std::string bytes, file_io_.Read(location));
  if (bytes.size() < kFileBytesMin) return DecodeMetadata(std::move(bytes), location);
  const Hash hash = HashOf(bytes);
  {
    const std::lock_guard lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->location != location || entry->hash != hash) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entry->metadata;
    }
  }
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
