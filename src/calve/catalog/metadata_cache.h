// Table metadata that need not be parsed twice: a cycle loads a table to plan, and its commit loads it again, as a rule
// unchanged. Of a table with a long past the parse is the dearer part of that.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>

#include "calve/iceberg/table_metadata.h"
#include "calve/storage/file_io.h"

namespace calve::catalog {

// Remembers the metadata of the few large files that were read last. The file itself is always read again, because what
// stands at a location may be replaced (hadoop_renames.h): only the same bytes are not parsed again. Thread-safe.
// `file_io` must outlive it.
class MetadataCache {
 public:
  static constexpr size_t kFilesMax = 4;
  static constexpr size_t kFileBytesMin = size_t{256} << 10;  // smaller ones are parsed at once, and not remembered

  explicit MetadataCache(storage::FileIO& file_io) : file_io_(file_io) {}

  // As ReadMetadata of metadata_file.h.
  Result<iceberg::TableMetadata> Read(const std::string& location);
  // For a file that a commit has replaced.
  void Forget(const std::string& location);

 private:
  using Hash = std::array<uint64_t, 2>;
  struct Entry {
    std::string location;
    Hash hash;  // of the file's bytes
    iceberg::TableMetadata metadata;
  };

  static Hash HashOf(std::string_view bytes);
  Result<Hash> HashOfFile(const std::string& location);
  bool Remembers(const std::string& location);
  std::optional<iceberg::TableMetadata> Find(const std::string& location, const Hash& hash);

  storage::FileIO& file_io_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // the one used last comes first
};

}  // namespace calve::catalog
