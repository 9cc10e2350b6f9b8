#include "calve/datafile/parquet_rows.h"

#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <utility>

#include "calve/base/text.h"

namespace calve::datafile {
namespace {

using parquet::Encoding;

// Parquet's reader walks down schemas by recursion.
constexpr int kSchemaDepthMax = 256;
// Rows of a batch are counted in 32 bits.
constexpr int64_t kBatchRowsMax = 1 << 24;

}  // namespace

Status CheckReadable(const iceberg::DataFile& file) {
  const std::string format = Lower(file.file_format);
  if (format == "puffin") {
    return MakeError(ErrorKind::kUnsupported, fmt::format("{}: deletion vectors cannot be read", file.file_path),
                     "Compact the table with the engine that wrote it, and set write.delete.mode to copy-on-write.");
  }
  if (format != "parquet") {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("{}: files of the format {} cannot be read", file.file_path, file.file_format),
                     "Rewrite it as Parquet with the engine that wrote it.");
  }
  if (file.key_metadata) return MakeError(ErrorKind::kUnsupported, file.file_path + ": the file is encrypted");
  return Status::OK();
}

namespace {

// Every data page refers to the dictionary, as far as the footer tells.
bool IsDictionary(const parquet::ColumnChunkMetaData& chunk) {
  if (!chunk.has_dictionary_page()) return false;
  const auto is_indices = [](Encoding::type encoding) {
    return encoding == Encoding::RLE_DICTIONARY || encoding == Encoding::PLAIN_DICTIONARY;
  };
  if (!chunk.encoding_stats().empty()) {
    return std::all_of(chunk.encoding_stats().begin(), chunk.encoding_stats().end(), [&](const auto& stats) {
      return stats.page_type == parquet::PageType::DICTIONARY_PAGE || is_indices(stats.encoding);
    });
  }
  const auto& encodings = chunk.encodings();
  return std::none_of(encodings.begin(), encodings.end(),
                      [](Encoding::type encoding) { return encoding == Encoding::PLAIN; });
}

bool IsTextAtTop(const parquet::ColumnDescriptor& column) {
  return column.path()->ToDotVector().size() == 1 && column.max_repetition_level() == 0 &&
         column.physical_type() == parquet::Type::BYTE_ARRAY && column.logical_type() != nullptr &&
         column.logical_type()->is_string();
}

// In every row group, so that all batches of a file have one schema.
std::vector<int> DictionaryColumns(const parquet::FileMetaData& metadata) {
  std::vector<int> columns;
  for (int i = 0; i < metadata.num_columns(); ++i) {
    bool is_dictionary = metadata.num_row_groups() > 0 && IsTextAtTop(*metadata.schema()->Column(i));
    for (int group = 0; is_dictionary && group < metadata.num_row_groups(); ++group) {
      is_dictionary = IsDictionary(*metadata.RowGroup(group)->ColumnChunk(i));
    }
    if (is_dictionary) columns.push_back(i);
  }
  return columns;
}

}  // namespace

Status FileError(const std::string& location, const Status& status) {
  if (MessageOf(status).starts_with(location)) return status;  // said below
  if (status.detail() != nullptr) return WithContext(status, location);
  return MakeError(ErrorKind::kCorrupt, fmt::format("{}: {}", location, MessageOf(status)),
                   "Restore the file from a copy.");
}

ParquetRows::ParquetRows(std::string location, std::unique_ptr<parquet::arrow::FileReader> reader)
    : location_(std::move(location)), reader_(std::move(reader)), metadata_(reader_->parquet_reader()->metadata()) {}

Result<std::unique_ptr<ParquetRows>> ParquetRows::Open(storage::FileIO& file_io, const iceberg::DataFile& file,
                                                       bool dictionaries, int64_t batch_rows) {
  ARROW_RETURN_NOT_OK(CheckReadable(file));
  ARROW_ASSIGN_OR_RAISE(auto input, file_io.OpenInput(file.file_path));
  parquet::ReaderProperties properties(arrow::default_memory_pool());
  properties.set_page_checksum_verification(true);
  properties.set_schema_depth_limit(kSchemaDepthMax);
  // The caller runs readers side by side; a row group's columns are read one by one, each in one piece.
  parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
  arrow_properties.set_pre_buffer(false);
  arrow_properties.set_batch_size(std::clamp<int64_t>(batch_rows, 1, kBatchRowsMax));
  arrow_properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  arrow_properties.set_smallest_decimal_enabled(true);
  return GuardParquet(file.file_path, [&]() -> Result<std::unique_ptr<ParquetRows>> {
    auto parquet_reader = parquet::ParquetFileReader::Open(input, properties);
    if (dictionaries) {
      for (const int column : DictionaryColumns(*parquet_reader->metadata())) {
        arrow_properties.set_read_dictionary(column, true);
      }
    }
    ARROW_ASSIGN_OR_RAISE(auto reader, parquet::arrow::FileReader::Make(arrow::default_memory_pool(),
                                                                        std::move(parquet_reader), arrow_properties));
    std::unique_ptr<ParquetRows> rows(new ParquetRows(file.file_path, std::move(reader)));
    ARROW_RETURN_NOT_OK(rows->Check(file));
    rows->group_begins_.push_back(0);
    for (int group = 0; group < rows->metadata_->num_row_groups(); ++group) {
      rows->group_begins_.push_back(rows->group_begins_.back() + rows->metadata_->RowGroup(group)->num_rows());
    }
    return rows;
  });
}

Status ParquetRows::Check(const iceberg::DataFile& file) const {
  int64_t rows = 0;
  for (int group = 0; group < metadata_->num_row_groups(); ++group) {
    const int64_t in_group = metadata_->RowGroup(group)->num_rows();
    if (in_group < 0 || __builtin_add_overflow(rows, in_group, &rows)) {
      return Status::Invalid(fmt::format("row group {} with {} rows", group, in_group));
    }
  }
  if (rows != metadata_->num_rows()) {
    return Status::Invalid(fmt::format("the footer says {} rows, its row groups {}", metadata_->num_rows(), rows));
  }
  if (rows != file.record_count) {
    return Status::Invalid(fmt::format("{} rows in the file, {} in the table's metadata", rows, file.record_count));
  }
  return Status::OK();
}

void ParquetRows::Select(std::vector<int> row_groups, std::vector<int> leaves) {
  row_groups_ = std::move(row_groups);
  leaves_ = std::move(leaves);
  next_group_ = 0;
  batches_.reset();
}

Status ParquetRows::BeginRowGroup() {
  const int group = row_groups_[next_group_++];
  ARROW_ASSIGN_OR_RAISE(batches_, reader_->GetRecordBatchReader({group}, leaves_));
  next_row_ = group_begins_[static_cast<size_t>(group)];
  group_end_ = group_begins_[static_cast<size_t>(group) + 1];
  return Status::OK();
}

Status ParquetRows::EndRowGroup() const {
  if (next_row_ == group_end_) return Status::OK();
  return Status::Invalid(
      fmt::format("row group {} ends {} rows early", row_groups_[next_group_ - 1], group_end_ - next_row_));
}

Result<std::shared_ptr<arrow::RecordBatch>> ParquetRows::Next() {
  return GuardParquet(location_, [&]() -> Result<std::shared_ptr<arrow::RecordBatch>> {
    for (;;) {
      if (!batches_) {
        if (next_group_ == row_groups_.size()) return nullptr;
        ARROW_RETURN_NOT_OK(BeginRowGroup());
      }
      std::shared_ptr<arrow::RecordBatch> batch;
      ARROW_RETURN_NOT_OK(batches_->ReadNext(&batch));
      if (!batch) {
        batches_.reset();
        ARROW_RETURN_NOT_OK(EndRowGroup());
        continue;
      }
      if (batch->num_rows() == 0) continue;
      first_row_ = next_row_;
      next_row_ += batch->num_rows();
      if (next_row_ > group_end_) return Status::Invalid("more rows than the footer says");
      return batch;
    }
  });
}

}  // namespace calve::datafile
