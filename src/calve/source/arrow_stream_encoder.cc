#include "calve/source/arrow_stream_encoder.h"

#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/compression.h>

#include <utility>

namespace calve::source {
namespace {

constexpr int64_t kBufferBytes = 1 << 20;

std::shared_ptr<arrow::Field> TravelField(const std::shared_ptr<arrow::Field>& field) {
  return arrow::field(field->name(), TravelType(field->type()), field->nullable());
}

}  // namespace

std::shared_ptr<arrow::DataType> TravelType(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case arrow::Type::DICTIONARY:
      return TravelType(static_cast<const arrow::DictionaryType&>(*type).value_type());
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(*type);
      return arrow::decimal128(decimal.precision(), decimal.scale());
    }
    case arrow::Type::LIST:
      return arrow::list(TravelField(type->field(0)));
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      return std::make_shared<arrow::MapType>(TravelField(map.key_field()), TravelField(map.item_field()));
    }
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields()) fields.push_back(TravelField(field));
      return arrow::struct_(std::move(fields));
    }
    default:
      return type;
  }
}

struct ArrowStreamEncoder::Impl {
  BatchProducer next;
  arrow::ipc::IpcWriteOptions options = arrow::ipc::IpcWriteOptions::Defaults();
  std::shared_ptr<arrow::RecordBatch> first;
  std::shared_ptr<arrow::Schema> schema;  // of what travels
  std::shared_ptr<arrow::io::BufferOutputStream> bytes;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer;
  bool ended = false;

  Status Begin() {
    ARROW_ASSIGN_OR_RAISE(first, next());
    if (!first) {
      ended = true;
      return Status::OK();
    }
    arrow::FieldVector fields;
    for (const auto& field : first->schema()->fields()) fields.push_back(TravelField(field));
    schema = arrow::schema(std::move(fields));
    ARROW_ASSIGN_OR_RAISE(bytes, arrow::io::BufferOutputStream::Create(kBufferBytes));
    ARROW_ASSIGN_OR_RAISE(writer, arrow::ipc::MakeStreamWriter(bytes, schema, options));
    return Status::OK();
  }

  Status Write(const arrow::RecordBatch& batch) {
    arrow::ArrayVector columns;
    for (int i = 0; i < batch.num_columns(); ++i) {
      const auto& type = schema->field(i)->type();
      auto column = batch.column(i);
      if (!column->type()->Equals(type)) {
        auto cast = arrow::compute::Cast(*column, type);
        if (!cast.ok()) {
          return MakeError(ErrorKind::kUnsupported,
                           fmt::format("column {}: {}", batch.schema()->field(i)->name(), MessageOf(cast.status())));
        }
        column = *std::move(cast);
      }
      columns.push_back(std::move(column));
    }
    return writer->WriteRecordBatch(*arrow::RecordBatch::Make(schema, batch.num_rows(), std::move(columns)));
  }

  Result<std::shared_ptr<arrow::Buffer>> Take() {
    ARROW_ASSIGN_OR_RAISE(auto taken, bytes->Finish());
    ARROW_RETURN_NOT_OK(bytes->Reset(kBufferBytes));
    return taken;
  }
};

ArrowStreamEncoder::ArrowStreamEncoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ArrowStreamEncoder::~ArrowStreamEncoder() = default;

Result<std::unique_ptr<ArrowStreamEncoder>> ArrowStreamEncoder::Make(BatchProducer next, bool compress) {
  auto impl = std::make_unique<Impl>();
  impl->next = std::move(next);
  impl->options.use_threads = false;
  if (compress && arrow::util::Codec::IsAvailable(arrow::Compression::LZ4_FRAME)) {
    ARROW_ASSIGN_OR_RAISE(impl->options.codec, arrow::util::Codec::Create(arrow::Compression::LZ4_FRAME));
  }
  ARROW_RETURN_NOT_OK(impl->Begin());
  return std::unique_ptr<ArrowStreamEncoder>(new ArrowStreamEncoder(std::move(impl)));
}

bool ArrowStreamEncoder::empty() const { return impl_->schema == nullptr; }

Result<std::shared_ptr<arrow::Buffer>> ArrowStreamEncoder::Next() {
  if (impl_->ended) return nullptr;
  auto batch = std::exchange(impl_->first, nullptr);
  if (!batch) {
    ARROW_ASSIGN_OR_RAISE(batch, impl_->next());
  }
  if (batch) {
    ARROW_RETURN_NOT_OK(impl_->Write(*batch));
  } else {
    impl_->ended = true;
    ARROW_RETURN_NOT_OK(impl_->writer->Close());
  }
  return impl_->Take();
}

}  // namespace calve::source
