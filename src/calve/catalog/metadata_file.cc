#include "calve/catalog/metadata_file.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <memory>
#include <utility>

#include "calve/base/text.h"
#include "calve/catalog/gzip.h"

namespace calve::catalog {
namespace {

constexpr std::string_view kCompressionProperty = "write.metadata.compression-codec";
constexpr size_t kMetadataSizeMax = size_t{2} << 30;

std::string_view LastPart(std::string_view location) {
  size_t slash = location.find_last_of('/');
  return slash == std::string_view::npos ? location : location.substr(slash + 1);
}

// A positive number as Java's int holds it, with nothing before or behind it.
std::optional<int64_t> Number(std::string_view text, int64_t min) {
  int64_t value = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || value < min || value > INT32_MAX) return std::nullopt;
  return value;
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (hyphen != (text[i] == '-') || (!hyphen && !std::isxdigit(static_cast<unsigned char>(text[i])))) return false;
  }
  return true;
}

}  // namespace

Result<MetadataCompression> CompressionOf(const iceberg::TableMetadata& metadata) {
  std::string codec = Lower(metadata.Property(std::string(kCompressionProperty), "none"));
  if (codec == "none") return MetadataCompression::kNone;
  if (codec == "gzip") return MetadataCompression::kGzip;
  return MakeError(ErrorKind::kConfig, fmt::format("the table property {} is '{}'", kCompressionProperty, codec),
                   "Set it to none or gzip.");
}

std::string_view MetadataExtension(MetadataCompression compression) {
  return compression == MetadataCompression::kGzip ? ".gz.metadata.json" : ".metadata.json";
}

Result<std::string> EncodeMetadata(const iceberg::TableMetadata& metadata, MetadataCompression compression) {
  std::string json = iceberg::WriteTableMetadata(metadata);
  if (compression == MetadataCompression::kGzip) return Gzip(json);
  return json;
}

Result<iceberg::TableMetadata> DecodeMetadata(std::string bytes, const std::string& location) {
  Result<iceberg::TableMetadata> metadata = [&]() -> Result<iceberg::TableMetadata> {
    if (IsGzip(bytes)) {
      ARROW_ASSIGN_OR_RAISE(bytes, Gunzip(bytes, kMetadataSizeMax));
    }
    ARROW_ASSIGN_OR_RAISE(iceberg::TableMetadata parsed, iceberg::ParseTableMetadata(bytes));
    // Optional in v1 alone.
    if (!IsUuid(parsed.table_uuid) && !(parsed.format_version == 1 && parsed.table_uuid.empty())) {
      return MakeError(ErrorKind::kCorrupt, fmt::format("table-uuid '{}' is no UUID", parsed.table_uuid));
    }
    return parsed;
  }();
  if (metadata.ok()) return metadata;
  Status status = WithContext(metadata.status(), "the table metadata file " + location);
  if (KindOf(status) != ErrorKind::kCorrupt) return status;
  return WithKind(status, ErrorKind::kCorrupt,
                  "Restore that file from a backup; calve changes nothing in this table until it can be read.");
}

Result<iceberg::TableMetadata> ReadMetadata(storage::FileIO& file_io, const std::string& location) {
  ARROW_ASSIGN_OR_RAISE(std::string bytes, file_io.Read(location));
  return DecodeMetadata(std::move(bytes), location);
}

Status VisitBytes(storage::FileIO& file_io, const std::string& location,
                  const std::function<void(std::string_view)>& visit) {
  constexpr int64_t kPieceBytes = 256 << 10;
  ARROW_ASSIGN_OR_RAISE(const auto file, file_io.OpenInput(location));
  const auto piece = std::make_unique_for_overwrite<char[]>(kPieceBytes);
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, file->Read(kPieceBytes, piece.get()));
    if (bytes == 0) return Status::OK();
    visit({piece.get(), static_cast<size_t>(bytes)});
  }
}

std::optional<int64_t> HadoopVersionOf(std::string_view location) {
  std::string_view name = LastPart(location);
  if (!name.starts_with('v')) return std::nullopt;
  name.remove_prefix(1);
  size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::string_view end = name.substr(dot);
  if (end != ".metadata.json" && end != ".gz.metadata.json" && end != ".metadata.json.gz") return std::nullopt;
  return Number(name.substr(0, dot), 1);
}

std::optional<int64_t> MetastoreVersionOf(std::string_view location) {
  std::string_view name = LastPart(location);
  size_t dash = name.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  return Number(name.substr(0, dash), 0);
}

}  // namespace calve::catalog
