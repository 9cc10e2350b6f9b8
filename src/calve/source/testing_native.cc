#include "calve/source/testing_native.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_decimal.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/scalar.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <sstream>

#include "calve/base/time.h"

namespace calve::source::testing {

using nlohmann::ordered_json;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

ByteChunks Chunked(std::string bytes, std::function<int64_t()> size_of, Status error) {
  auto whole = std::make_shared<std::string>(std::move(bytes));
  auto at = std::make_shared<size_t>(0);
  return
      [whole, at, size_of = std::move(size_of), error = std::move(error)]() -> Result<std::shared_ptr<arrow::Buffer>> {
        if (*at == whole->size()) {
          ARROW_RETURN_NOT_OK(error);
          return std::shared_ptr<arrow::Buffer>();
        }
        const auto size = std::min<size_t>(static_cast<size_t>(size_of()), whole->size() - *at);
        // A copy of its own, so that a read beyond it is found.
        auto chunk = arrow::Buffer::FromString(whole->substr(*at, size));
        *at += size;
        return chunk;
      };
}

ByteChunks Whole(std::string bytes) {
  return Chunked(std::move(bytes), [] { return std::numeric_limits<int64_t>::max(); });
}

Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> DecodeAll(ByteChunks chunks, const NativeOptions& options) {
  NativeDecoder decoder(std::move(chunks), options);
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::RecordBatch> batch, decoder.Next());
    if (batch == nullptr) return batches;
    batches.push_back(std::move(batch));
  }
}

Result<std::shared_ptr<arrow::RecordBatch>> DecodeOne(const std::string& bytes, const NativeOptions& options) {
  NativeDecoder decoder(Whole(bytes), options);
  return decoder.Next();
}

Status Failure(const std::string& bytes, const NativeOptions& options) {
  return DecodeAll(Whole(bytes), options).status();
}

void ExpectFailure(const std::string& bytes, ErrorKind kind, std::string_view message, const NativeOptions& options) {
  const Status status = Failure(bytes, options);
  EXPECT_EQ(KindOf(status), kind) << status.ToString();
  EXPECT_NE(MessageOf(status).find(message), std::string::npos) << status.ToString();
}

namespace {

std::string TextOf(const ordered_json& json) { return json.is_string() ? json.get<std::string>() : json.dump(); }

std::string Compare(const std::string& got, const std::string& expected) {
  return got == expected ? "" : fmt::format("got {} where {} belongs", got, expected);
}

// 2299-12-31T23:59:59.9Z, or whole seconds since the epoch, in units of 10^-digits seconds.
int64_t Ticks(const std::string& text, int digits) {
  std::string whole = text, fraction;
  if (text.find('-') == std::string::npos) {
    whole = text;
  } else {
    if (const size_t dot = text.find('.'); dot != std::string::npos) {
      fraction = text.substr(dot + 1, text.size() - dot - 2);
      whole = text.substr(0, dot) + "Z";
    }
    whole = std::to_string(ParseTimestamp(whole).ValueOrDie() / kMicrosPerSecond);
  }
  fraction.resize(digits, '0');
  int64_t scale = 1;
  for (int i = 0; i < digits; ++i) scale *= 10;
  const __int128_t ticks =
      static_cast<__int128_t>(std::stoll(whole)) * scale + (digits == 0 ? 0 : std::stoll(fraction));
  return static_cast<int64_t>(ticks);
}

template <typename T>
std::string CompareFloat(T got, const ordered_json& expected) {
  const std::string text = TextOf(expected);
  const T value = sizeof(T) == 4 ? static_cast<T>(std::strtof(text.c_str(), nullptr))
                                 : static_cast<T>(std::strtod(text.c_str(), nullptr));
  if (std::isnan(got) && std::isnan(value)) return "";
  // The JSON parser loses the sign of -0.
  if (got == value && (std::signbit(got) == std::signbit(value) || got == 0)) return "";
  return fmt::format("got {} where {} belongs", got, text);
}

std::string UuidText(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", static_cast<uint8_t>(bytes[i]));
  }
  return out;
}

std::string CompareList(const arrow::Array& values, int64_t begin, int64_t size, const ordered_json& expected) {
  if (!expected.is_array() || static_cast<int64_t>(expected.size()) != size)
    return fmt::format("{} elements where {} belongs", size, expected.dump());
  for (int64_t i = 0; i < size; ++i) {
    if (std::string difference = Difference(values, begin + i, expected[i]); !difference.empty())
      return fmt::format("[{}]: {}", i, difference);
  }
  return "";
}

std::string CompareMap(const arrow::MapArray& map, int64_t row, const ordered_json& expected) {
  if (!expected.is_object() || static_cast<int64_t>(expected.size()) != map.value_length(row))
    return "another number of keys than " + expected.dump();
  int64_t at = map.value_offset(row);
  for (const auto& [key, value] : expected.items()) {
    if (std::string difference = Difference(*map.keys(), at, key); !difference.empty()) return "key: " + difference;
    if (std::string difference = Difference(*map.items(), at, value); !difference.empty())
      return fmt::format("[{}]: {}", key, difference);
    ++at;
  }
  return "";
}

std::string CompareStruct(const arrow::StructArray& tuple, int64_t row, const ordered_json& expected) {
  for (int i = 0; i < tuple.num_fields(); ++i) {
    const std::string& name = tuple.struct_type()->field(i)->name();
    const ordered_json& element = expected.is_array() ? expected.at(i) : expected.at(name);
    if (std::string difference = Difference(*tuple.field(i), row, element); !difference.empty())
      return fmt::format(".{}: {}", name, difference);
  }
  return expected.size() == static_cast<size_t>(tuple.num_fields()) ? "" : "another number of elements";
}

template <typename Type>
auto ValueOf(const arrow::Array& array, int64_t row) {
  return static_cast<const typename arrow::TypeTraits<Type>::ArrayType&>(array).Value(row);
}

// The digits of a decimal without its point and leading zeros.
std::string Digits(const std::string& text) {
  std::string digits;
  for (const char c : text) {
    if (c != '.' && c != '-' && (c != '0' || !digits.empty())) digits.push_back(c);
  }
  if (digits.empty()) return "0";
  return text.starts_with('-') ? "-" + digits : digits;
}

template <typename ArrayType, typename Value>
std::string DecimalText(const arrow::Array& array, int64_t row) {
  return Value(static_cast<const ArrayType&>(array).GetValue(row)).ToIntegerString();
}

}  // namespace

std::string Difference(const arrow::Array& array, int64_t row, const ordered_json& expected) {
  if (array.IsNull(row) || expected.is_null())
    return array.IsNull(row) && expected.is_null() ? "" : "NULL or not: " + expected.dump();
  const std::string text = expected.is_structured() ? "" : TextOf(expected);
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return Compare(ValueOf<arrow::BooleanType>(array, row) ? "true" : "false", text);
    case arrow::Type::FLOAT:
      return CompareFloat(ValueOf<arrow::FloatType>(array, row), expected);
    case arrow::Type::DOUBLE:
      return CompareFloat(ValueOf<arrow::DoubleType>(array, row), expected);
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return Compare(std::string(static_cast<const arrow::BinaryArray&>(array).GetView(row)), text);
    case arrow::Type::FIXED_SIZE_BINARY: {
      const std::string value(static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row));
      return Compare(text.size() == 36 ? UuidText(value) : value, text);
    }
    case arrow::Type::TIMESTAMP: {
      const int digits = 3 * static_cast<int>(static_cast<const arrow::TimestampType&>(*array.type()).unit());
      return Compare(std::to_string(ValueOf<arrow::TimestampType>(array, row)), std::to_string(Ticks(text, digits)));
    }
    case arrow::Type::DATE32:
      return Compare(std::to_string(ValueOf<arrow::Date32Type>(array, row) * kMicrosPerDay),
                     std::to_string(ParseTimestamp(text).ValueOrDie()));
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return Difference(*dictionary.dictionary(), dictionary.GetValueIndex(row), expected);
    }
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      return CompareList(*list.values(), list.value_offset(row), list.value_length(row), expected);
    }
    case arrow::Type::MAP:
      return CompareMap(static_cast<const arrow::MapArray&>(array), row, expected);
    case arrow::Type::STRUCT:
      return CompareStruct(static_cast<const arrow::StructArray&>(array), row, expected);
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
      return Compare(static_cast<const arrow::FixedSizeBinaryArray&>(array).byte_width() == 4
                         ? DecimalText<arrow::Decimal32Array, arrow::Decimal32>(array, row)
                     : static_cast<const arrow::FixedSizeBinaryArray&>(array).byte_width() == 8
                         ? DecimalText<arrow::Decimal64Array, arrow::Decimal64>(array, row)
                         : DecimalText<arrow::Decimal128Array, arrow::Decimal128>(array, row),
                     Digits(text));
    default:
      return Compare(array.GetScalar(row).ValueOrDie()->ToString(), text);
  }
}

Bytes& Bytes::VarUInt(uint64_t value) {
  while (value > 127) {
    bytes_.push_back(static_cast<char>(value | 128));
    value >>= 7;
  }
  bytes_.push_back(static_cast<char>(value));
  return *this;
}

Bytes& Bytes::Text(std::string_view text) { return VarUInt(text.size()).Raw(text); }

Bytes& Bytes::Raw(std::string_view bytes) {
  bytes_.append(bytes);
  return *this;
}

}  // namespace calve::source::testing
