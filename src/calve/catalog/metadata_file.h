// Table metadata files: names, compression, reading and writing. Spec: "Table Metadata", "File System Tables",
// "Metastore Tables".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "calve/iceberg/table_metadata.h"
#include "calve/storage/file_io.h"

namespace calve::catalog {

enum class MetadataCompression { kNone, kGzip };

// Of write.metadata.compression-codec; kConfig for one that Iceberg does not know.
Result<MetadataCompression> CompressionOf(const iceberg::TableMetadata& metadata);
// ".metadata.json", ".gz.metadata.json"
std::string_view MetadataExtension(MetadataCompression compression);

Result<std::string> EncodeMetadata(const iceberg::TableMetadata& metadata, MetadataCompression compression);
// Of either kind, whatever the file is called. kCorrupt names the file; kNotFound where there is none.
Result<iceberg::TableMetadata> DecodeMetadata(std::string bytes, const std::string& location);
Result<iceberg::TableMetadata> ReadMetadata(storage::FileIO& file_io, const std::string& location);
// Calls `visit` for the bytes of a local file, piece by piece: who only looks at megabytes needs no memory for them, of
// which the first use costs more than the reading.
Status VisitBytes(storage::FileIO& file_io, const std::string& location,
                  const std::function<void(std::string_view)>& visit);

// "7" of ".../v7.metadata.json", ".../v7.gz.metadata.json" and ".../v7.metadata.json.gz" (hadoop catalog).
std::optional<int64_t> HadoopVersionOf(std::string_view location);
// "7" of ".../00007-uuid.metadata.json" (metastore catalogs); nullopt for other names.
std::optional<int64_t> MetastoreVersionOf(std::string_view location);

}  // namespace calve::catalog
