#include "calve/datafile/writer_options.h"

#include <arrow/util/compression.h>

#include <charconv>

#include "calve/base/text.h"
#include "calve/datafile/column_metrics.h"

namespace calve::datafile {
namespace {

constexpr const char* kTargetFileSize = "write.target-file-size-bytes";
constexpr const char* kRowGroupSize = "write.parquet.row-group-size-bytes";
constexpr const char* kPageSize = "write.parquet.page-size-bytes";
constexpr const char* kPageRows = "write.parquet.page-row-limit";
constexpr const char* kDictionarySize = "write.parquet.dict-size-bytes";
constexpr const char* kCodec = "write.parquet.compression-codec";
constexpr const char* kLevel = "write.parquet.compression-level";
constexpr const char* kMetricsDefault = "write.metadata.metrics.default";
constexpr const char* kMetricsInferred = "write.metadata.metrics.max-inferred-column-defaults";
constexpr std::string_view kMetricsColumn = "write.metadata.metrics.column.";

// A page's length is an int32 in Parquet; its last value may exceed the limit.
constexpr int64_t kPageBytesMax = int64_t{1} << 30;

using Properties = std::map<std::string, std::string>;

Status OutOfRange(const std::string& name, const std::string& value, const std::string& allowed) {
  return MakeError(ErrorKind::kConfig, fmt::format("table property {} = '{}': {}", name, value, allowed),
                   fmt::format("Correct or remove the property {}.", name));
}

// Leaves `out` alone where the property is absent.
template <typename Int>
Status ReadInt(const Properties& properties, const std::string& name, Int& out) {
  const auto found = properties.find(name);
  if (found == properties.end()) return Status::OK();
  const std::string& text = found->second;
  Int value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return OutOfRange(name, text, "a whole number is wanted");
  out = value;
  return Status::OK();
}

Status CheckBytes(const char* name, int64_t value, int64_t max) {
  if (value >= 1 && value <= max) return Status::OK();
  return OutOfRange(name, std::to_string(value), fmt::format("1 to {} is allowed", max));
}

Status CheckLevel(arrow::Compression::type compression, int level) {
  if (compression != arrow::Compression::ZSTD && compression != arrow::Compression::GZIP) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const int min, arrow::util::Codec::MinimumCompressionLevel(compression));
  ARROW_ASSIGN_OR_RAISE(const int max, arrow::util::Codec::MaximumCompressionLevel(compression));
  if (level >= min && level <= max) return Status::OK();
  return OutOfRange(
      kLevel, std::to_string(level),
      fmt::format("{} to {} is allowed for {}", min, max, arrow::util::Codec::GetCodecAsString(compression)));
}

}  // namespace

Result<arrow::Compression::type> CompressionOf(const std::string& name) {
  const std::string lower = Lower(name);
  using arrow::Compression;
  static const std::map<std::string, Compression::type> kCodecs = {
      {"zstd", Compression::ZSTD},        {"gzip", Compression::GZIP}, {"brotli", Compression::BROTLI},
      {"snappy", Compression::SNAPPY},    {"lz4", Compression::LZ4},   {"uncompressed", Compression::UNCOMPRESSED},
      {"none", Compression::UNCOMPRESSED}};
  const auto found = kCodecs.find(lower);
  if (found == kCodecs.end() || !arrow::util::Codec::IsAvailable(found->second)) {
    return MakeError(ErrorKind::kConfig, fmt::format("table property {} = '{}': no such compression", kCodec, name),
                     "Use zstd, gzip, brotli, snappy, lz4 or uncompressed.");
  }
  return found->second;
}

Status CheckWriterOptions(const WriterOptions& options) {
  ARROW_RETURN_NOT_OK(CheckBytes(kTargetFileSize, options.target_file_bytes, INT64_MAX));
  ARROW_RETURN_NOT_OK(CheckBytes(kRowGroupSize, options.row_group_bytes, INT64_MAX));
  ARROW_RETURN_NOT_OK(CheckBytes(kPageSize, options.page_bytes, kPageBytesMax));
  ARROW_RETURN_NOT_OK(CheckBytes(kDictionarySize, options.dictionary_bytes, kPageBytesMax));
  if (options.page_rows_max < 0) return OutOfRange(kPageRows, std::to_string(options.page_rows_max), "negative");
  ARROW_ASSIGN_OR_RAISE(const auto compression, CompressionOf(options.compression));
  ARROW_RETURN_NOT_OK(CheckLevel(compression, options.compression_level));
  for (const auto& [path, mode] : options.metrics_modes) {
    const std::string name = path.empty() ? kMetricsDefault : std::string(kMetricsColumn) + path;
    ARROW_RETURN_NOT_OK(WithContext(ParseMetricsMode(mode).status(), "table property " + name));
  }
  return Status::OK();
}

Result<WriterOptions> WriterOptionsFromProperties(const Properties& properties, WriterOptions base) {
  ARROW_RETURN_NOT_OK(ReadInt(properties, kTargetFileSize, base.target_file_bytes));
  ARROW_RETURN_NOT_OK(ReadInt(properties, kRowGroupSize, base.row_group_bytes));
  ARROW_RETURN_NOT_OK(ReadInt(properties, kPageSize, base.page_bytes));
  ARROW_RETURN_NOT_OK(ReadInt(properties, kPageRows, base.page_rows_max));
  ARROW_RETURN_NOT_OK(ReadInt(properties, kDictionarySize, base.dictionary_bytes));
  ARROW_RETURN_NOT_OK(ReadInt(properties, kLevel, base.compression_level));
  ARROW_RETURN_NOT_OK(ReadInt(properties, kMetricsInferred, base.metrics_inferred_columns_max));
  if (const auto codec = properties.find(kCodec); codec != properties.end()) base.compression = codec->second;
  for (const auto& [name, value] : properties) {
    if (name == kMetricsDefault) base.metrics_modes[""] = value;
    if (name.starts_with(kMetricsColumn)) base.metrics_modes[name.substr(kMetricsColumn.size())] = value;
  }
  ARROW_RETURN_NOT_OK(CheckWriterOptions(base));
  return base;
}

}  // namespace calve::datafile
