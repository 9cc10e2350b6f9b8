#include "calve/datafile/testing_batches.h"

#include <cmath>
#include <limits>

#include "calve/datafile/arrow_schema.h"

namespace calve::datafile {
namespace {

using iceberg::Literal;
using iceberg::NestedField;
using iceberg::Schema;
using iceberg::Type;
using iceberg::TypeId;
using Random = std::mt19937_64;

int64_t Below(Random& random, int64_t limit) { return static_cast<int64_t>(random() % static_cast<uint64_t>(limit)); }

template <typename T>
T RandomInteger(Random& random) {
  switch (Below(random, 8)) {
    case 0:
      return std::numeric_limits<T>::min();
    case 1:
      return std::numeric_limits<T>::max();
    case 2:
      return static_cast<T>(random());
    default:
      return static_cast<T>(Below(random, 200) - 100);
  }
}

template <typename T>
T RandomFloat(Random& random) {
  switch (Below(random, 10)) {
    case 0:
      return std::numeric_limits<T>::quiet_NaN();
    case 1:
      return std::numeric_limits<T>::infinity();
    case 2:
      return -std::numeric_limits<T>::infinity();
    case 3:
      return T(-0.0);
    case 4:
      return T(0.0);
    default:
      return static_cast<T>(Below(random, 2000) - 1000) / 8;
  }
}

arrow::Decimal128 RandomDecimal(Random& random, int precision) {
  const arrow::Decimal128 max = arrow::Decimal128::GetMaxValue(precision);
  switch (Below(random, 5)) {
    case 0:
      return max;
    case 1:
      return -max;
    default:
      return arrow::Decimal128(static_cast<int64_t>(random()), random()) % max;
  }
}

std::string RandomText(Random& random) {
  static const std::vector<std::string> kPieces = {"a", "Z", "0", " ", "é", "中", "😀", "", "/", "~"};
  std::string text;
  const int64_t length = Below(random, 10) == 0 ? 60 : Below(random, 6);
  for (int64_t i = 0; i < length; ++i) text += kPieces[Below(random, static_cast<int64_t>(kPieces.size()))];
  return text;
}

std::string RandomBytes(Random& random, int64_t length) {
  std::string bytes;
  for (int64_t i = 0; i < length; ++i) bytes += static_cast<char>(random());
  return bytes;
}

std::shared_ptr<arrow::Array> RandomArray(const NestedField& field, const std::shared_ptr<arrow::DataType>& type,
                                          int64_t rows, Random& random);

template <typename Builder, typename Draw>
std::shared_ptr<arrow::Array> Drawn(const std::shared_ptr<arrow::DataType>& type, bool required, int64_t rows,
                                    Random& random, Draw draw) {
  Builder builder(type, arrow::default_memory_pool());
  for (int64_t i = 0; i < rows; ++i) {
    const bool is_null = !required && Below(random, 5) == 0;
    Must(is_null ? builder.AppendNull() : builder.Append(draw()));
  }
  return Must(builder.Finish());
}

std::shared_ptr<arrow::Array> RandomPrimitive(const NestedField& field, const std::shared_ptr<arrow::DataType>& type,
                                              int64_t rows, Random& random) {
  const bool required = field.required;
  const Type& target = field.type;
  switch (target.id) {
    case TypeId::kBoolean:
      return Drawn<arrow::BooleanBuilder>(type, required, rows, random, [&] { return random() % 2 == 0; });
    case TypeId::kInt:
      return Drawn<arrow::Int32Builder>(type, required, rows, random, [&] { return RandomInteger<int32_t>(random); });
    case TypeId::kDate:
      return Drawn<arrow::Date32Builder>(type, required, rows, random,
                                         [&] { return static_cast<int32_t>(Below(random, 2'000'000) - 700'000); });
    case TypeId::kLong:
      return Drawn<arrow::Int64Builder>(type, required, rows, random, [&] { return RandomInteger<int64_t>(random); });
    case TypeId::kTime:
      return Drawn<arrow::Time64Builder>(type, required, rows, random, [&] { return Below(random, 86'400'000'000); });
    case TypeId::kFloat:
      return Drawn<arrow::FloatBuilder>(type, required, rows, random, [&] { return RandomFloat<float>(random); });
    case TypeId::kDouble:
      return Drawn<arrow::DoubleBuilder>(type, required, rows, random, [&] { return RandomFloat<double>(random); });
    case TypeId::kDecimal: {
      const auto draw = [&] { return RandomDecimal(random, target.precision); };
      if (target.precision > 18) return Drawn<arrow::Decimal128Builder>(type, required, rows, random, draw);
      if (target.precision > 9) {
        return Drawn<arrow::Decimal64Builder>(
            type, required, rows, random, [&] { return arrow::Decimal64(static_cast<int64_t>(draw().low_bits())); });
      }
      return Drawn<arrow::Decimal32Builder>(type, required, rows, random,
                                            [&] { return arrow::Decimal32(static_cast<int32_t>(draw().low_bits())); });
    }
    case TypeId::kString:
      return Drawn<arrow::StringBuilder>(type, required, rows, random, [&] { return RandomText(random); });
    case TypeId::kBinary:
      return Drawn<arrow::BinaryBuilder>(type, required, rows, random,
                                         [&] { return RandomBytes(random, Below(random, 30)); });
    case TypeId::kUuid:
    case TypeId::kFixed: {
      const int width = target.id == TypeId::kUuid ? 16 : target.length;
      return Drawn<arrow::FixedSizeBinaryBuilder>(type, required, rows, random,
                                                  [&] { return RandomBytes(random, width); });
    }
    default:
      return Drawn<arrow::TimestampBuilder>(
          type, required, rows, random, [&] { return Below(random, 8'000'000'000'000'000) - 4'000'000'000'000'000; });
  }
}

std::shared_ptr<arrow::Buffer> RandomValidity(bool required, int64_t rows, Random& random, int64_t& nulls) {
  nulls = 0;
  if (required) return nullptr;
  auto bitmap = Must(arrow::AllocateEmptyBitmap(rows));
  for (int64_t i = 0; i < rows; ++i) {
    const bool valid = Below(random, 5) != 0;
    arrow::bit_util::SetBitTo(bitmap->mutable_data(), i, valid);
    nulls += !valid;
  }
  return bitmap;
}

std::shared_ptr<arrow::Array> RandomArray(const NestedField& field, const std::shared_ptr<arrow::DataType>& type,
                                          int64_t rows, Random& random) {
  if (field.type.is_primitive()) return RandomPrimitive(field, type, rows, random);
  int64_t nulls = 0;
  auto validity = RandomValidity(field.required, rows, random, nulls);
  const auto& fields = field.type.fields;
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  if (field.type.id == TypeId::kStruct) {
    for (size_t i = 0; i < fields.size(); ++i) {
      children.push_back(RandomArray(fields[i], type->field(static_cast<int>(i))->type(), rows, random)->data());
    }
    return arrow::MakeArray(arrow::ArrayData::Make(type, rows, {validity}, children, nulls));
  }
  auto offsets = Must(arrow::AllocateBuffer((rows + 1) * 4));
  auto* ends = reinterpret_cast<int32_t*>(offsets->mutable_data());
  ends[0] = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const bool valid = !validity || arrow::bit_util::GetBit(validity->data(), i);
    ends[i + 1] = ends[i] + static_cast<int32_t>(valid ? Below(random, 4) : 0);
  }
  const int64_t elements = ends[rows];
  if (field.type.id == TypeId::kList) {
    children.push_back(RandomArray(fields[0], type->field(0)->type(), elements, random)->data());
  } else {
    const auto& entries = type->field(0)->type();
    std::vector<std::shared_ptr<arrow::ArrayData>> columns;
    for (size_t i = 0; i < 2; ++i) {
      NestedField inner = fields[i];
      inner.required |= i == 0;
      columns.push_back(RandomArray(inner, entries->field(static_cast<int>(i))->type(), elements, random)->data());
    }
    children.push_back(arrow::ArrayData::Make(entries, elements, {nullptr}, columns, 0));
  }
  return arrow::MakeArray(arrow::ArrayData::Make(type, rows, {validity, std::move(offsets)}, children, nulls));
}

}  // namespace

std::shared_ptr<arrow::RecordBatch> OneColumn(const std::shared_ptr<arrow::Array>& array, bool nullable) {
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("c", array->type(), nullable)}), array->length(),
                                  {array});
}

NestedField Optional(int id, std::string name, Type type) { return {id, std::move(name), false, std::move(type), ""}; }
NestedField Required(int id, std::string name, Type type) { return {id, std::move(name), true, std::move(type), ""}; }

Schema EveryType() {
  Schema schema;
  int id = 0;
  const auto add = [&](const std::string& name, const Type& type, bool required = false) {
    schema.fields.push_back({++id, name, required, type, ""});
  };
  for (const TypeId type :
       {TypeId::kBoolean, TypeId::kInt, TypeId::kLong, TypeId::kFloat, TypeId::kDouble, TypeId::kDate, TypeId::kTime,
        TypeId::kTimestamp, TypeId::kTimestampTz, TypeId::kString, TypeId::kUuid, TypeId::kBinary}) {
    add(Type::Of(type).ToString(), Type::Of(type));
    add(Type::Of(type).ToString() + "_required", Type::Of(type), true);
  }
  for (const int precision : {1, 9, 10, 18, 19, 20, 28, 38}) {
    add(fmt::format("decimal_{}", precision), Type::Decimal(precision, precision / 2), precision % 2 == 0);
  }
  add("fixed", Type::Fixed(7));
  const Type text = Type::Of(TypeId::kString);
  add("list", Type::List(101, false, Type::Of(TypeId::kDouble)));
  add("list_required", Type::List(102, true, text), true);
  add("map", Type::Map(103, text, 104, false, Type::Of(TypeId::kLong)));
  add("struct", Type::Struct({Optional(105, "a", Type::Of(TypeId::kInt)), Required(106, "b", Type::Of(TypeId::kUuid)),
                              Optional(107, "c", Type::Of(TypeId::kFloat))}));
  add("nested",
      Type::List(108, false,
                 Type::Struct({Optional(109, "x", Type::Decimal(38, 8)),
                               Optional(110, "y", Type::List(111, false, Type::Of(TypeId::kLong))),
                               Optional(112, "z", Type::Map(113, text, 114, true, Type::Of(TypeId::kUuid)))})));
  return schema;
}

std::shared_ptr<arrow::RecordBatch> RandomBatch(const Schema& schema, int64_t rows, Random& random) {
  auto arrow_schema = Must(ToArrowSchema(schema));
  arrow::ArrayVector columns;
  for (size_t i = 0; i < schema.fields.size(); ++i) {
    columns.push_back(RandomArray(schema.fields[i], arrow_schema->field(static_cast<int>(i))->type(), rows, random));
  }
  auto batch = arrow::RecordBatch::Make(arrow_schema, rows, columns);
  Must(batch->ValidateFull());
  return batch;
}

Literal LiteralOf(const Type& type, const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return {};
  if (array.type_id() == arrow::Type::DICTIONARY) {
    const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
    return LiteralOf(type, *dictionary.dictionary(), dictionary.GetValueIndex(row));
  }
  switch (type.id) {
    case TypeId::kBoolean:
      return static_cast<const arrow::BooleanArray&>(array).Value(row);
    case TypeId::kInt:
    case TypeId::kDate:
      return array.data()->GetValues<int32_t>(1)[row];
    case TypeId::kFloat:
      return array.data()->GetValues<float>(1)[row];
    case TypeId::kDouble:
      return array.data()->GetValues<double>(1)[row];
    case TypeId::kDecimal:
      if (type.precision <= 9) return arrow::Decimal128(array.data()->GetValues<int32_t>(1)[row]);
      if (type.precision <= 18) return arrow::Decimal128(array.data()->GetValues<int64_t>(1)[row]);
      return arrow::Decimal128(static_cast<const arrow::Decimal128Array&>(array).GetValue(row));
    case TypeId::kString:
    case TypeId::kBinary:
      return static_cast<const arrow::BinaryArray&>(array).GetString(row);
    case TypeId::kUuid:
    case TypeId::kFixed:
      return static_cast<const arrow::FixedSizeBinaryArray&>(array).GetString(row);
    default:
      return array.data()->GetValues<int64_t>(1)[row];
  }
}

}  // namespace calve::datafile
