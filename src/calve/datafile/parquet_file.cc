#include "calve/datafile/parquet_file.h"

#include <arrow/util/byte_size.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>

#include "calve/datafile/writer_options.h"
#include "calve/datafile/written_arrays.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::datafile {
namespace {

// Values between two looks at the page's size; fewer where values are large, so that pages stay near their limit.
constexpr int64_t kWriteBatchValues = 8192;
constexpr int64_t kWriteBatchValuesMin = 64;
// Row groups end here whatever they weigh: readers count rows in 32 bits.
constexpr int64_t kGroupRowsMax = 100'000'000;
// Longer values have no statistics in the file, and no bounds in the metadata.
constexpr size_t kStatisticsBytesMax = 64 << 10;

parquet::WriterProperties::Builder BaseProperties(const FileFormat& format) {
  const WriterOptions& options = format.options;
  parquet::WriterProperties::Builder builder;
  builder.version(parquet::ParquetVersion::PARQUET_2_6)
      ->data_page_version(parquet::ParquetDataPageVersion::V1)
      ->enable_store_decimal_as_integer()
      ->compression(format.compression)
      ->max_row_group_length(INT64_MAX)
      ->max_rows_per_page(options.page_rows_max > 0 ? options.page_rows_max : INT64_MAX)
      ->dictionary_pagesize_limit(options.dictionary_bytes)
      ->max_statistics_size(kStatisticsBytesMax)
      ->set_size_statistics_level(parquet::SizeStatisticsLevel::None)
      ->enable_write_page_index()
      ->enable_page_checksum()
      ->disable_dictionary()
      ->created_by("calve version " CALVE_VERSION);
  if (format.compression == arrow::Compression::ZSTD || format.compression == arrow::Compression::GZIP) {
    builder.compression_level(options.compression_level);
  }
  return builder;
}

}  // namespace

Result<std::unique_ptr<FileFormat>> FileFormat::Make(const iceberg::Schema& schema, const WriterOptions& options) {
  auto format = std::make_unique<FileFormat>();
  format->schema = schema;
  format->options = options;
  ARROW_ASSIGN_OR_RAISE(format->written, ToWrittenSchema(schema));
  ARROW_ASSIGN_OR_RAISE(format->compression, CompressionOf(options.compression));
  std::shared_ptr<parquet::SchemaDescriptor> columns;
  ARROW_RETURN_NOT_OK(parquet::arrow::ToParquetSchema(format->written.get(), *BaseProperties(*format).build(),
                                                      *parquet::default_arrow_writer_properties(), &columns));
  ARROW_ASSIGN_OR_RAISE(format->leaves, LeavesOf(schema, *columns));
  ARROW_ASSIGN_OR_RAISE(format->metrics_modes,
                        ModesOf(schema, format->leaves, options.metrics_modes, options.metrics_inferred_columns_max));
  return format;
}

ParquetFile::ParquetFile(storage::FileIO& file_io, const FileFormat& format, const std::string& location)
    : format_(format),
      location_(location),
      pool_(arrow::default_memory_pool()),
      sink_(std::make_shared<DeferredStream>(file_io, location, format.options.store_time)) {}

ParquetFile::~ParquetFile() { Discard(); }

Result<std::unique_ptr<ParquetFile>> ParquetFile::Make(storage::FileIO& file_io, const FileFormat& format,
                                                       std::string location, const arrow::RecordBatch& first,
                                                       int64_t page_bytes, arrow::internal::Executor* executor) {
  std::unique_ptr<ParquetFile> file(new ParquetFile(file_io, format, location));
  file->is_threaded_ = executor != nullptr;
  const auto leaves = LeafArrays(first);
  auto properties = BaseProperties(format);
  properties.memory_pool(&file->pool_)->data_pagesize(page_bytes);
  properties.write_batch_size(
      std::clamp(page_bytes / (8 * WidestValueBytes(leaves)), kWriteBatchValuesMin, kWriteBatchValues));
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (DictionaryPays(*leaves[i])) properties.enable_dictionary(format.leaves[i].parquet_path);
  }
  parquet::ArrowWriterProperties::Builder arrow_properties;
  if (executor != nullptr) arrow_properties.set_use_threads(true)->set_executor(executor);
  ARROW_ASSIGN_OR_RAISE(file->writer_, parquet::arrow::FileWriter::Open(*format.written, &file->pool_, file->sink_,
                                                                        properties.build(), arrow_properties.build()));
  // The schema as Java's writer leaves it: readers that know no field ids can match by it.
  ARROW_RETURN_NOT_OK(file->writer_->AddKeyValueMetadata(
      arrow::key_value_metadata({"iceberg.schema"}, {iceberg::WriteSchemaJson(format.schema)})));
  return file;
}

Status ParquetFile::BeginRowGroup() {
  ARROW_RETURN_NOT_OK(writer_->NewBufferedRowGroup());  // writes out the one before
  flushed_raw_bytes_ += group_raw_bytes_;
  group_rows_ = group_raw_bytes_ = 0;
  group_is_full_ = false;
  return Status::OK();
}

Status ParquetFile::Append(const arrow::RecordBatch& batch) {
  // Only rows begin a row group: an empty one is an error to older readers.
  if (batch.num_rows() == 0) return Status::OK();
  if (group_is_full_) ARROW_RETURN_NOT_OK(BeginRowGroup());
  ARROW_RETURN_NOT_OK(CountNans(format_.schema, batch, nan_counts_));
  ARROW_ASSIGN_OR_RAISE(auto written, ToWrittenBatch(batch, format_.written));
  ARROW_RETURN_NOT_OK(writer_->WriteRecordBatch(*written));
  ARROW_ASSIGN_OR_RAISE(const int64_t raw_bytes, arrow::util::ReferencedBufferSize(*written));
  rows_ += batch.num_rows();
  group_rows_ += batch.num_rows();
  group_raw_bytes_ += raw_bytes;
  const int64_t flushed = sink_->Tell().ValueOr(0);
  group_is_full_ = bytes_estimate() - flushed >= format_.options.row_group_bytes || group_rows_ >= kGroupRowsMax;
  return Status::OK();
}

int64_t ParquetFile::bytes_estimate() const {
  const int64_t flushed = sink_ ? sink_->Tell().ValueOr(0) : 0;
  // What is encoded is in the pool, next to pages that are not compressed yet: an upper bound. Once a row group is in
  // the file, it tells how well the others will compress.
  const int64_t held = pool_.bytes_allocated();
  if (flushed_raw_bytes_ == 0) return flushed + std::min(held, group_raw_bytes_);
  const double ratio = static_cast<double>(flushed) / static_cast<double>(flushed_raw_bytes_);
  return flushed + std::min(held, static_cast<int64_t>(ratio * static_cast<double>(group_raw_bytes_)));
}

Result<iceberg::DataFile> ParquetFile::WriteFooter() {
  ARROW_RETURN_NOT_OK(writer_->Close());
  iceberg::DataFile file;
  file.file_path = location_;
  file.record_count = rows_;
  ARROW_ASSIGN_OR_RAISE(file.file_size_in_bytes, sink_->Tell());
  try {
    AddFooterMetrics(format_.leaves, format_.metrics_modes, *writer_->metadata(), nan_counts_, file);
  } catch (const parquet::ParquetException& error) {
    return MakeError(ErrorKind::kFailed, fmt::format("{}: reading back its footer: {}", location_, error.what()));
  }
  writer_.reset();
  return file;
}

void ParquetFile::Discard() {
  // The stream first: a Parquet writer that is let go writes what it has.
  if (sink_ && !sink_->closed()) (void)sink_->Abort();
  writer_.reset();
  sink_.reset();
}

}  // namespace calve::datafile
