// The writer's schema of an Avro file, as a tree that the decoder walks. Avro 1.11 specification, "Schema Declaration";
// Iceberg's attributes (field-id, logicalType) as in the table spec's appendix A.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/error.h"

namespace calve::iceberg {

enum class AvroKind {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  kFixed,
  kEnum,
  kArray,
  kMap,
  kUnion,
  kRecord
};

struct AvroType;

struct AvroField {
  std::string name;
  int field_id = -1;  // -1: the writer gave none
  const AvroType* type = nullptr;
};

struct AvroType {
  AvroKind kind = AvroKind::kNull;
  int64_t fixed_size = 0;                 // kFixed: bytes
  std::vector<const AvroType*> children;  // kArray: the item; kMap: the value; kUnion: its branches
  std::vector<AvroField> fields;          // kRecord
};

// Owns the types of one schema. They may refer to each other in circles (named types), so whoever walks them limits the
// depth.
class AvroSchema {
 public:
  // kCorrupt where the text is no Avro schema, or one nested deeper than kAvroDepthMax.
  static Result<AvroSchema> Parse(std::string_view json);

  const AvroType& root() const { return *root_; }

 private:
  friend class AvroSchemaParser;
  std::deque<AvroType> types_;  // a deque: addresses stay when it grows and when it is moved
  const AvroType* root_ = nullptr;
};

inline constexpr int kAvroDepthMax = 64;

}  // namespace calve::iceberg
