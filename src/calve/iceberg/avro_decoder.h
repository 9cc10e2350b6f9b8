// Reads Avro's binary encoding from memory. Avro 1.11 specification, "Binary Encoding".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "calve/iceberg/avro_schema.h"

namespace calve::iceberg {

// Errors stick: after the first one every read yields zero or nothing, loops end, and status() tells. No length in the
// bytes is trusted: nothing is allocated here, counts are held against the bytes that are left, and the work of
// skipping is bounded by the size of the data, so that no schema (deep, circular, exponentially wide) makes it run
// away.
class AvroDecoder {
 public:
  explicit AvroDecoder(std::string_view data) : data_(data), steps_left_(kAvroDepthMax * (int64_t(data.size()) + 64)) {}

  bool ok() const { return error_.empty(); }
  Status status() const;  // kCorrupt with the offset
  bool at_end() const { return position_ == data_.size(); }
  size_t position() const { return position_; }
  size_t left() const { return data_.size() - position_; }
  void Fail(std::string message);

  bool Boolean();
  int64_t Long();
  int32_t Int();
  float Float();
  double Double();
  std::string_view Bytes();
  std::string_view Fixed(int64_t size);

  // Number of items of the next block of an array or map; 0 after the last.
  int64_t BlockCount();

  // The branch that follows, for a union; any other type as it is. Null on error.
  const AvroType* Branch(const AvroType& type);

  // A value of whichever writer's type can hold it, null resolved; nullopt for null and on error. Another type is an
  // error that names `what`.
  std::optional<int64_t> MaybeLong(const AvroType& type, const char* what);
  std::optional<int32_t> MaybeInt(const AvroType& type, const char* what);
  std::optional<bool> MaybeBoolean(const AvroType& type, const char* what);
  std::optional<std::string_view> MaybeBytes(const AvroType& type, const char* what);  // bytes, string, fixed

  void Skip(const AvroType& type) { Skip(type, 0); }

  // Calls item(const AvroType&) for each item of an array, which must consume it. Null is an array without items.
  template <typename Item>
  void Array(const AvroType& type, const char* what, Item item) {
    const AvroType* array = Branch(type);
    if (array == nullptr || array->kind == AvroKind::kNull) return;
    if (array->kind != AvroKind::kArray) return Fail(std::string(what) + " is not an array");
    for (int64_t count = BlockCount(); count > 0 && ok(); count = BlockCount()) {
      for (; count > 0 && ok(); --count) item(*array->children[0]);
    }
  }

  // Calls field(const AvroField&) for each field of a record in order; it must consume the value and may do so by Skip.
  // False for null.
  template <typename Field>
  bool Record(const AvroType& type, const char* what, Field field) {
    const AvroType* record = Branch(type);
    if (record == nullptr || record->kind == AvroKind::kNull) return false;
    if (record->kind != AvroKind::kRecord) {
      Fail(std::string(what) + " is not a record");
      return false;
    }
    for (const AvroField& each : record->fields) {
      if (!ok() || !Step()) return false;
      field(each);
    }
    return ok();
  }

 private:
  void Skip(const AvroType& type, int depth);
  bool Step();

  std::string_view data_;
  size_t position_ = 0;
  int64_t steps_left_;
  std::string error_;
};

}  // namespace calve::iceberg
