#include "calve/source/native_decoder.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "calve/source/native_block_header.h"
#include "calve/source/native_byte_reader.h"
#include "calve/source/native_column.h"
#include "calve/source/server_exception.h"

namespace calve::source {
namespace {

using BatchResult = Result<std::shared_ptr<arrow::RecordBatch>>;

// Printable, for messages about bytes that may be anything.
std::string Shown(const std::string& name) {
  std::string out;
  for (const char c : name.substr(0, 60)) out.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c);
  return name.size() > 60 ? out + "…" : out;
}

}  // namespace

class NativeDecoder::Impl {
 public:
  Impl(ByteChunks chunks, NativeOptions options) : in_(std::move(chunks)), options_(std::move(options)) {}

  BatchResult Next() {
    ARROW_RETURN_NOT_OK(failure_);
    BatchResult batch = ReadUntilRows();
    if (!batch.ok()) {
      failure_ = Explain(batch.status());
      return failure_;
    }
    return batch;
  }

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

 private:
  struct Column {
    ColumnHeader header;
    std::unique_ptr<ColumnReader> reader;
  };

  BatchResult ReadUntilRows() {
    if (options_.revision > kNativeRevisionMax) {
      return MakeError(ErrorKind::kUnsupported, fmt::format("Native at revision {}: up to {} is understood",
                                                            options_.revision, kNativeRevisionMax));
    }
    while (true) {
      block_start_ = in_.position();
      ARROW_ASSIGN_OR_RAISE(const bool end, in_.AtEnd());
      if (end) {
        ARROW_RETURN_NOT_OK(CheckEnd());
        return std::shared_ptr<arrow::RecordBatch>();
      }
      ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::RecordBatch> batch, ReadBlock());
      if (batch->num_rows() > 0) return batch;
    }
  }

  BatchResult ReadBlock() {
    ARROW_ASSIGN_OR_RAISE(const BlockHeader header, ReadBlockHeader(in_, options_.revision, options_.rows_max));
    const bool first = schema_ == nullptr;
    if (!first && header.columns != columns_.size()) {
      return MakeError(ErrorKind::kCorrupt,
                       fmt::format("a block of {} columns behind one of {}", header.columns, columns_.size()));
    }
    if (header.columns == 0) {
      return MakeError(ErrorKind::kCorrupt, "a block without columns");
    }
    std::vector<std::shared_ptr<arrow::ArrayData>> arrays;
    arrow::FieldVector fields;
    for (size_t i = 0; i < header.columns; ++i) {
      ARROW_ASSIGN_OR_RAISE(Column * column, ReadHeaderOf(i, first, &fields));
      ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::ArrayData> array, ReadColumn(*column, header.rows));
      arrays.push_back(std::move(array));
    }
    if (first) schema_ = arrow::schema(std::move(fields));
    return arrow::RecordBatch::Make(schema_, header.rows, std::move(arrays));
  }

  // The column's header is that of the first block; there it makes its reader.
  Result<Column*> ReadHeaderOf(size_t i, bool first, arrow::FieldVector* fields) {
    column_start_ = in_.position();
    ARROW_ASSIGN_OR_RAISE(ColumnHeader header, ReadColumnHeader(in_, options_.revision));
    if (first) {
      // Types that calve cannot read were refused when the query was planned: here such a text means damaged bytes.
      const auto type = ParseClickHouseType(header.type);
      if (!type.ok()) return WithKind(type.status(), ErrorKind::kCorrupt);
      ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Field> field, ArrowFieldOf(header.name, *type));
      ARROW_ASSIGN_OR_RAISE(std::unique_ptr<ColumnReader> reader,
                            MakeColumnReader(header.name, *type, {options_.rows_max, options_.bytes_max}));
      // A first block that failed half-way is not repeated, so that i is always the end.
      columns_.push_back({std::move(header), std::move(reader)});
      fields->push_back(std::move(field));
      return &columns_.back();
    }
    Column& column = columns_[i];
    if (header.name != column.header.name || header.type != column.header.type) {
      return MakeError(ErrorKind::kCorrupt,
                       fmt::format("column {} {} where {} {} belongs", Shown(header.name), Shown(header.type),
                                   Shown(column.header.name), Shown(column.header.type)));
    }
    column.header.custom = header.custom;
    return &column;
  }

  Result<std::shared_ptr<arrow::ArrayData>> ReadColumn(const Column& column, int64_t rows) {
    column.reader->ResetKinds();
    if (column.header.custom) ARROW_RETURN_NOT_OK(column.reader->ReadKinds(in_));
    if (rows == 0) {
      ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Array> empty, arrow::MakeEmptyArray(column.reader->type()));
      return empty->data();
    }
    ARROW_RETURN_NOT_OK(column.reader->ReadPrefix(in_));
    ColumnRequest request;
    request.rows = rows;
    return column.reader->Read(in_, request);
  }

  // The stream ended where a block did. An exception's text may still be its end, if it filled the last column to the
  // byte: a tag proves it, and so do numbers that spell it. Texts are left alone, for a value may well quote one.
  Status CheckEnd() const {
    constexpr int64_t kTextMax = 16 << 10;
    const bool numbers = !columns_.empty() && columns_.back().reader->NumberWidthAtEnd() > 1;
    if (options_.exception_tag.empty() && !numbers) return Status::OK();
    const std::optional<ServerException> exception = ExceptionAtEnd(in_.Tail(kTextMax), options_.exception_tag);
    return exception ? exception->ToStatus() : Status::OK();
  }

  // The server's exception, if it is what stands in the place of data; else the failure itself.
  Status Explain(const Status& failure) {
    if (KindOf(failure) == ErrorKind::kStopped) return failure;
    if (in_.Drain()) {
      // Blocks are written whole, and their columns too: nearly always the text begins where one of them would.
      const std::string tail = in_.Tail(ByteReader::kTailBytes);
      const int64_t tail_start = in_.position() - static_cast<int64_t>(tail.size());
      std::optional<ServerException> exception;
      for (const int64_t start : {block_start_, column_start_}) {
        if (exception || start < tail_start) continue;
        exception = ExceptionAtStart(std::string_view(tail).substr(start - tail_start), options_.exception_tag);
      }
      // Elsewhere a text without a tag counts only where the bytes make no sense otherwise.
      const bool senseless = KindOf(failure) == ErrorKind::kCorrupt || !in_.source_error().ok();
      if (!exception && (senseless || !options_.exception_tag.empty()))
        exception = ExceptionAtEnd(tail, options_.exception_tag);
      if (exception) return exception->ToStatus();
    }
    // A connection that broke explains the block that ends too early.
    if (!in_.source_error().ok()) return in_.source_error();
    return failure;
  }

  ByteReader in_;
  const NativeOptions options_;
  std::vector<Column> columns_;
  std::shared_ptr<arrow::Schema> schema_;
  int64_t block_start_ = 0;   // where the block at hand begins in the stream
  int64_t column_start_ = 0;  // where the column at hand does
  Status failure_;
};

NativeDecoder::NativeDecoder(ByteChunks chunks, NativeOptions options)
    : impl_(std::make_unique<Impl>(std::move(chunks), std::move(options))) {}
NativeDecoder::~NativeDecoder() = default;

BatchResult NativeDecoder::Next() { return impl_->Next(); }
std::shared_ptr<arrow::Schema> NativeDecoder::schema() const { return impl_->schema(); }

}  // namespace calve::source
