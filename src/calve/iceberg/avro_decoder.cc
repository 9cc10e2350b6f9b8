#include "calve/iceberg/avro_decoder.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <limits>
#include <utility>

namespace calve::iceberg {

static_assert(std::endian::native == std::endian::little, "Avro's floats are copied as they lie in memory");

Status AvroDecoder::status() const {
  if (ok()) return Status::OK();
  return MakeError(ErrorKind::kCorrupt, error_);
}

void AvroDecoder::Fail(std::string message) {
  if (!ok()) return;
  error_ = fmt::format("{} (byte {} of {})", message, position_, data_.size());
  position_ = data_.size();
}

bool AvroDecoder::Step() {
  if (--steps_left_ >= 0) return true;
  Fail("the schema asks for more values than the data can hold");
  return false;
}

bool AvroDecoder::Boolean() {
  const std::string_view byte = Fixed(1);
  if (byte.empty()) return false;
  if (static_cast<unsigned char>(byte[0]) > 1) Fail("a boolean that is neither 0 nor 1");
  return byte[0] == 1;
}

int64_t AvroDecoder::Long() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (position_ == data_.size()) {
      Fail("the data ends inside a number");
      return 0;
    }
    const auto byte = static_cast<unsigned char>(data_[position_++]);
    if (shift == 63 && byte > 1) break;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }
  Fail("a number longer than 64 bits");
  return 0;
}

int32_t AvroDecoder::Int() {
  const int64_t value = Long();
  if (value >= std::numeric_limits<int32_t>::min() && value <= std::numeric_limits<int32_t>::max()) {
    return static_cast<int32_t>(value);
  }
  Fail("a number that does not fit an int");
  return 0;
}

float AvroDecoder::Float() {
  const std::string_view bytes = Fixed(sizeof(float));
  float value = 0;
  if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

double AvroDecoder::Double() {
  const std::string_view bytes = Fixed(sizeof(double));
  double value = 0;
  if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

std::string_view AvroDecoder::Bytes() { return Fixed(Long()); }

std::string_view AvroDecoder::Fixed(int64_t size) {
  if (size < 0 || static_cast<uint64_t>(size) > left()) {
    Fail(fmt::format("a length of {} where {} bytes are left", size, left()));
    return {};
  }
  const std::string_view bytes = data_.substr(position_, static_cast<size_t>(size));
  position_ += static_cast<size_t>(size);
  return bytes;
}

int64_t AvroDecoder::BlockCount() {
  if (!ok()) return 0;
  int64_t count = Long();
  if (count < 0) {
    Long();  // the block's size in bytes, for those who skip it
    if (count == std::numeric_limits<int64_t>::min()) {
      Fail("a block with an impossible count");
      return 0;
    }
    count = -count;
  }
  // Every item that Iceberg puts into arrays takes a byte at least.
  if (static_cast<uint64_t>(count) > left()) {
    Fail(fmt::format("a block of {} items where {} bytes are left", count, left()));
    return 0;
  }
  return ok() ? count : 0;
}

const AvroType* AvroDecoder::Branch(const AvroType& type) {
  if (!ok()) return nullptr;
  if (type.kind != AvroKind::kUnion) return &type;
  const int64_t index = Long();
  if (!ok()) return nullptr;
  if (index < 0 || static_cast<uint64_t>(index) >= type.children.size()) {
    Fail(fmt::format("branch {} of a union of {}", index, type.children.size()));
    return nullptr;
  }
  const AvroType* branch = type.children[static_cast<size_t>(index)];
  if (branch->kind == AvroKind::kUnion) {
    Fail("a union directly inside a union");
    return nullptr;
  }
  return branch;
}

std::optional<int64_t> AvroDecoder::MaybeLong(const AvroType& type, const char* what) {
  const AvroType* branch = Branch(type);
  if (branch == nullptr || branch->kind == AvroKind::kNull) return std::nullopt;
  if (branch->kind != AvroKind::kLong && branch->kind != AvroKind::kInt) {
    Fail(std::string(what) + " is not a number");
    return std::nullopt;
  }
  const int64_t value = Long();
  return ok() ? std::optional(value) : std::nullopt;
}

std::optional<int32_t> AvroDecoder::MaybeInt(const AvroType& type, const char* what) {
  const std::optional<int64_t> value = MaybeLong(type, what);
  if (!value) return std::nullopt;
  if (*value < std::numeric_limits<int32_t>::min() || *value > std::numeric_limits<int32_t>::max()) {
    Fail(std::string(what) + " does not fit an int");
    return std::nullopt;
  }
  return static_cast<int32_t>(*value);
}

std::optional<bool> AvroDecoder::MaybeBoolean(const AvroType& type, const char* what) {
  const AvroType* branch = Branch(type);
  if (branch == nullptr || branch->kind == AvroKind::kNull) return std::nullopt;
  if (branch->kind != AvroKind::kBoolean) {
    Fail(std::string(what) + " is not a boolean");
    return std::nullopt;
  }
  const bool value = Boolean();
  return ok() ? std::optional(value) : std::nullopt;
}

std::optional<std::string_view> AvroDecoder::MaybeBytes(const AvroType& type, const char* what) {
  const AvroType* branch = Branch(type);
  if (branch == nullptr || branch->kind == AvroKind::kNull) return std::nullopt;
  std::string_view value;
  if (branch->kind == AvroKind::kBytes || branch->kind == AvroKind::kString) {
    value = Bytes();
  } else if (branch->kind == AvroKind::kFixed) {
    value = Fixed(branch->fixed_size);
  } else {
    Fail(std::string(what) + " is neither text nor bytes");
  }
  return ok() ? std::optional(value) : std::nullopt;
}

void AvroDecoder::Skip(const AvroType& type, int depth) {
  if (!ok() || !Step()) return;
  if (depth > kAvroDepthMax) return Fail("nested too deeply");
  switch (type.kind) {
    case AvroKind::kNull:
      return;
    case AvroKind::kBoolean:
      Fixed(1);
      return;
    case AvroKind::kInt:
    case AvroKind::kLong:
    case AvroKind::kEnum:
      Long();
      return;
    case AvroKind::kFloat:
      Fixed(sizeof(float));
      return;
    case AvroKind::kDouble:
      Fixed(sizeof(double));
      return;
    case AvroKind::kBytes:
    case AvroKind::kString:
      Bytes();
      return;
    case AvroKind::kFixed:
      Fixed(type.fixed_size);
      return;
    case AvroKind::kArray:
    case AvroKind::kMap:
      for (int64_t count = BlockCount(); count > 0 && ok(); count = BlockCount()) {
        for (; count > 0 && ok(); --count) {
          if (type.kind == AvroKind::kMap) Bytes();
          Skip(*type.children[0], depth + 1);
        }
      }
      return;
    case AvroKind::kUnion:
      if (const AvroType* branch = Branch(type)) Skip(*branch, depth + 1);
      return;
    case AvroKind::kRecord:
      for (const AvroField& field : type.fields) Skip(*field.type, depth + 1);
      return;
  }
}

}  // namespace calve::iceberg
