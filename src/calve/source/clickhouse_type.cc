#include "calve/source/clickhouse_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <optional>

namespace calve::source {
namespace {

constexpr size_t kTextMax = size_t{4} << 20;  // an Enum16 with all its values takes about one MiB
constexpr int kDepthMax = 64;
constexpr int kNodesMax = 20'000;
constexpr int kFixedStringMax = 0xFFFFFF;  // ClickHouse's MAX_FIXEDSTRING_SIZE

struct PlainType {
  std::string_view name;
  TypeKind kind;
};

constexpr auto kPlainTypes = std::to_array<PlainType>({
    {"Bool", TypeKind::kBool},           {"Int8", TypeKind::kInt8},         {"Int16", TypeKind::kInt16},
    {"Int32", TypeKind::kInt32},         {"Int64", TypeKind::kInt64},       {"Int128", TypeKind::kInt128},
    {"Int256", TypeKind::kInt256},       {"UInt8", TypeKind::kUInt8},       {"UInt16", TypeKind::kUInt16},
    {"UInt32", TypeKind::kUInt32},       {"UInt64", TypeKind::kUInt64},     {"UInt128", TypeKind::kUInt128},
    {"UInt256", TypeKind::kUInt256},     {"Float32", TypeKind::kFloat32},   {"Float64", TypeKind::kFloat64},
    {"BFloat16", TypeKind::kBFloat16},   {"String", TypeKind::kString},     {"UUID", TypeKind::kUuid},
    {"IPv4", TypeKind::kIpv4},           {"IPv6", TypeKind::kIpv6},         {"Date", TypeKind::kDate},
    {"Date32", TypeKind::kDate32},       {"DateTime", TypeKind::kDateTime}, {"Nothing", TypeKind::kNothing},
    {"JSON", TypeKind::kJson},           {"Dynamic", TypeKind::kDynamic},   {"Time", TypeKind::kTime},
    {"Point", TypeKind::kGeo},           {"Ring", TypeKind::kGeo},          {"LineString", TypeKind::kGeo},
    {"MultiLineString", TypeKind::kGeo}, {"Polygon", TypeKind::kGeo},       {"MultiPolygon", TypeKind::kGeo},
    {"Geometry", TypeKind::kGeo},
});

constexpr auto kNeedArguments =
    std::to_array<std::string_view>({"Nullable", "LowCardinality", "Array", "Map", "Tuple", "Nested", "Variant",
                                     "FixedString", "Enum8", "Enum16", "Time64", "Decimal", "Decimal32", "Decimal64",
                                     "Decimal128", "Decimal256", "SimpleAggregateFunction", "AggregateFunction"});

bool IsNameStart(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool IsNameByte(char c) { return IsNameStart(c) || std::isdigit(static_cast<unsigned char>(c)); }

class TypeParser {
 public:
  explicit TypeParser(std::string_view text) : text_(text) {}

  Result<ClickHouseType> ParseWhole() {
    ARROW_ASSIGN_OR_RAISE(ClickHouseType type, ParseType(0));
    SkipSpace();
    if (pos_ != text_.size()) return Refuse("text behind its end");
    return type;
  }

 private:
  Status Refuse(std::string_view why) const {
    constexpr size_t kShown = 200;
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("ClickHouse type {}{}: {} (at byte {})", text_.substr(0, kShown),
                                 text_.size() > kShown ? "…" : "", why, pos_),
                     "Leave the column out, or give it an expression that yields a supported type.");
  }

  char Peek() const { return pos_ < text_.size() ? text_[pos_] : '\0'; }
  void SkipSpace() {
    while (pos_ < text_.size() && (text_[pos_] == ' ' || text_[pos_] == '\n' || text_[pos_] == '\t')) ++pos_;
  }
  bool Accept(char c) {
    SkipSpace();
    if (Peek() != c || pos_ >= text_.size()) return false;
    ++pos_;
    return true;
  }
  Status Expect(char c) { return Accept(c) ? Status::OK() : Refuse(fmt::format("'{}' expected", c)); }

  std::string_view Word() {
    SkipSpace();
    const size_t begin = pos_;
    if (IsNameStart(Peek())) {
      while (IsNameByte(Peek())) ++pos_;
    }
    return text_.substr(begin, pos_ - begin);
  }

  Result<int> Integer(int min, int max) {
    SkipSpace();
    int value = 0;
    const auto [end, error] = std::from_chars(text_.data() + pos_, text_.data() + text_.size(), value);
    if (error != std::errc()) return Refuse("a number expected");
    pos_ = end - text_.data();
    if (value < min || value > max) return Refuse(fmt::format("{} is not between {} and {}", value, min, max));
    return value;
  }

  // 'text', `text` or "text" with backslash escapes; a doubled quote is one quote.
  Result<std::string> Quoted() {
    const char quote = Peek();
    ++pos_;
    std::string out;
    while (pos_ < text_.size()) {
      const char c = text_[pos_++];
      if (c == quote) {
        if (Peek() != quote || pos_ >= text_.size()) return out;
        ++pos_;
        out.push_back(quote);
      } else if (c == '\\' && pos_ < text_.size()) {
        ARROW_RETURN_NOT_OK(Escape(&out));
      } else {
        out.push_back(c);
      }
    }
    return Refuse("a quoted text without end");
  }

  Status Escape(std::string* out) {
    const char c = text_[pos_++];
    constexpr std::string_view kFrom = "ntr0bfave", kTo{"\n\t\r\0\b\f\a\v\x1b", 9};
    if (c == 'x') {
      unsigned value = 0;
      const char* begin = text_.data() + pos_;
      const char* end = text_.data() + std::min(pos_ + 2, text_.size());
      const auto [stop, error] = std::from_chars(begin, end, value, 16);
      if (error != std::errc() || stop != begin + 2) return Refuse("a bad \\x escape");
      pos_ += 2;
      out->push_back(static_cast<char>(value));
    } else if (const size_t at = kFrom.find(c); at != std::string_view::npos) {
      out->push_back(kTo[at]);
    } else {
      out->push_back(c);
    }
    return Status::OK();
  }

  // Skips to the parenthesis that closes the one just read (which is taken too).
  Status SkipBalanced() {
    for (int depth = 1; pos_ < text_.size();) {
      const char c = Peek();
      if (c == '\'' || c == '`' || c == '"') {
        ARROW_RETURN_NOT_OK(Quoted().status());
        continue;
      }
      ++pos_;
      if (c == '(') ++depth;
      if (c == ')' && --depth == 0) return Status::OK();
    }
    return Refuse("')' expected");
  }

  Result<ClickHouseType> ParseType(int depth) {
    if (depth > kDepthMax) return Refuse("nested too deeply");
    if (++nodes_ > kNodesMax) return Refuse("too many parts");
    SkipSpace();
    const size_t begin = pos_;
    const std::string_view name = Word();
    if (name.empty()) return Refuse("a type's name expected");
    ClickHouseType type;
    ARROW_RETURN_NOT_OK(ParseFamily(name, depth, &type));
    size_t end = pos_;
    while (end > begin && std::isspace(static_cast<unsigned char>(text_[end - 1]))) --end;
    type.text = text_.substr(begin, end - begin);
    return type;
  }

  Status ParseFamily(std::string_view name, int depth, ClickHouseType* type) {
    using K = TypeKind;
    const bool arguments = Accept('(');
    if (!arguments) return ParsePlain(name, type);
    if (name == "Nullable") return Wrapped(K::kNullable, depth, type);
    if (name == "LowCardinality") return Wrapped(K::kLowCardinality, depth, type);
    if (name == "Array") return Wrapped(K::kArray, depth, type);
    if (name == "Map") return Types(K::kMap, 2, 2, depth, type);
    if (name == "Variant") return Types(K::kVariant, 0, kNodesMax, depth, type);
    if (name == "Tuple") return Elements(K::kTuple, depth, type);
    if (name == "Nested") return Elements(K::kNested, depth, type);
    if (name == "FixedString") return FixedString(type);
    if (name == "Enum8")
      return Enum(K::kEnum8, std::numeric_limits<int8_t>::min(), std::numeric_limits<int8_t>::max(), type);
    if (name == "Enum16")
      return Enum(K::kEnum16, std::numeric_limits<int16_t>::min(), std::numeric_limits<int16_t>::max(), type);
    if (name == "DateTime") return TimeZone(K::kDateTime, type);
    if (name == "DateTime64") return Precision(K::kDateTime64, type);
    if (name == "Time64") return Precision(K::kTime64, type);
    if (name == "Decimal") return Decimal(type);
    if (name == "Decimal32") return Decimal(9, type);
    if (name == "Decimal64") return Decimal(18, type);
    if (name == "Decimal128") return Decimal(38, type);
    if (name == "Decimal256") return Decimal(76, type);
    if (name == "SimpleAggregateFunction") return Aggregate(K::kSimpleAggregateFunction, depth, type);
    if (name == "AggregateFunction") return Aggregate(K::kAggregateFunction, depth, type);
    type->kind = name == "JSON"      ? K::kJson
                 : name == "Object"  ? K::kObject
                 : name == "Dynamic" ? K::kDynamic
                                     : K::kOther;
    return SkipBalanced();
  }

  Status ParsePlain(std::string_view name, ClickHouseType* type) {
    const auto* found =
        std::find_if(kPlainTypes.begin(), kPlainTypes.end(), [&](const PlainType& t) { return t.name == name; });
    if (found != kPlainTypes.end()) {
      type->kind = found->kind;
    } else if (name.starts_with("Interval")) {
      type->kind = TypeKind::kInterval;
    } else if (name == "DateTime64") {
      type->kind = TypeKind::kDateTime64;
      type->precision = 3;
    } else if (std::find(kNeedArguments.begin(), kNeedArguments.end(), name) != kNeedArguments.end()) {
      return Refuse("'(' expected");
    } else {
      type->kind = TypeKind::kOther;
    }
    return Status::OK();
  }

  Status Wrapped(TypeKind kind, int depth, ClickHouseType* type) { return Types(kind, 1, 1, depth, type); }

  // T, T, … and the closing parenthesis.
  Status Types(TypeKind kind, size_t min, size_t max, int depth, ClickHouseType* type) {
    type->kind = kind;
    if (!Accept(')')) {
      do {
        ARROW_ASSIGN_OR_RAISE(ClickHouseType child, ParseType(depth + 1));
        type->children.push_back(std::move(child));
      } while (Accept(','));
      ARROW_RETURN_NOT_OK(Expect(')'));
    }
    if (type->children.size() < min || type->children.size() > max) return Refuse("the wrong number of arguments");
    return Status::OK();
  }

  // name T, `name` T, … (names are optional in a Tuple) and the closing parenthesis.
  Status Elements(TypeKind kind, int depth, ClickHouseType* type) {
    type->kind = kind;
    if (Accept(')')) return Status::OK();
    do {
      ARROW_ASSIGN_OR_RAISE(std::string name, ElementName());
      if (name.empty() && kind == TypeKind::kNested) return Refuse("an element's name expected");
      ARROW_ASSIGN_OR_RAISE(ClickHouseType child, ParseType(depth + 1));
      type->names.push_back(std::move(name));
      type->children.push_back(std::move(child));
    } while (Accept(','));
    return Expect(')');
  }

  // Empty where the element begins with its type: a name is followed by another word.
  Result<std::string> ElementName() {
    SkipSpace();
    if (Peek() == '`' || Peek() == '"') return Quoted();
    const size_t begin = pos_;
    const std::string_view word = Word();
    SkipSpace();
    if (!word.empty() && IsNameStart(Peek())) return std::string(word);
    pos_ = begin;
    return std::string();
  }

  Status FixedString(ClickHouseType* type) {
    type->kind = TypeKind::kFixedString;
    ARROW_ASSIGN_OR_RAISE(type->length, Integer(1, kFixedStringMax));
    return Expect(')');
  }

  Status Enum(TypeKind kind, int min, int max, ClickHouseType* type) {
    type->kind = kind;
    std::vector<int16_t> values;
    do {
      SkipSpace();
      if (Peek() != '\'') return Refuse("an enum value's name expected");
      ARROW_ASSIGN_OR_RAISE(std::string name, Quoted());
      ARROW_RETURN_NOT_OK(Expect('='));
      ARROW_ASSIGN_OR_RAISE(const int value, Integer(min, max));
      values.push_back(static_cast<int16_t>(value));
      type->enum_values.emplace_back(std::move(name), static_cast<int16_t>(value));
    } while (Accept(','));
    std::sort(values.begin(), values.end());
    if (std::adjacent_find(values.begin(), values.end()) != values.end())
      return Refuse("two enum values with one number");
    return Expect(')');
  }

  Status TimeZone(TypeKind kind, ClickHouseType* type) {
    type->kind = kind;
    SkipSpace();
    if (Peek() != '\'') return Refuse("a time zone expected");
    ARROW_ASSIGN_OR_RAISE(type->time_zone, Quoted());
    return Expect(')');
  }

  Status Precision(TypeKind kind, ClickHouseType* type) {
    type->kind = kind;
    ARROW_ASSIGN_OR_RAISE(type->precision, Integer(0, 9));
    return Accept(',') ? TimeZone(kind, type) : Expect(')');
  }

  Status Decimal(ClickHouseType* type) {
    type->kind = TypeKind::kDecimal;
    ARROW_ASSIGN_OR_RAISE(type->precision, Integer(1, 76));
    if (Accept(',')) {
      ARROW_ASSIGN_OR_RAISE(type->scale, Integer(0, type->precision));
    }
    return Expect(')');
  }

  Status Decimal(int precision, ClickHouseType* type) {
    type->kind = TypeKind::kDecimal;
    type->precision = precision;
    ARROW_ASSIGN_OR_RAISE(type->scale, Integer(0, precision));
    return Expect(')');
  }

  // [version,] function[(parameters)], T, …
  Status Aggregate(TypeKind kind, int depth, ClickHouseType* type) {
    SkipSpace();
    if (std::isdigit(static_cast<unsigned char>(Peek()))) {
      ARROW_RETURN_NOT_OK(Integer(0, std::numeric_limits<int>::max()).status());
      ARROW_RETURN_NOT_OK(Expect(','));
      SkipSpace();
    }
    const size_t begin = pos_;
    if (Word().empty()) return Refuse("an aggregate function's name expected");
    if (Peek() == '(') {
      ++pos_;
      ARROW_RETURN_NOT_OK(SkipBalanced());
    }
    type->function = text_.substr(begin, pos_ - begin);
    type->kind = kind;
    const size_t min = kind == TypeKind::kSimpleAggregateFunction ? 1 : 0;
    if (Accept(',')) return Types(kind, 1, kNodesMax, depth, type);
    return min == 0 ? Expect(')') : Refuse("an argument's type expected");
  }

  std::string_view text_;
  size_t pos_ = 0;
  int nodes_ = 0;
};

}  // namespace

const ClickHouseType& ClickHouseType::Unwrapped() const {
  const ClickHouseType* type = this;
  while ((type->kind == TypeKind::kNullable || type->kind == TypeKind::kLowCardinality ||
          type->kind == TypeKind::kSimpleAggregateFunction) &&
         !type->children.empty()) {
    type = &type->children.front();
  }
  return *type;
}

bool ClickHouseType::IsNullable() const {
  const ClickHouseType* type = this;
  while ((type->kind == TypeKind::kLowCardinality || type->kind == TypeKind::kSimpleAggregateFunction) &&
         !type->children.empty()) {
    type = &type->children.front();
  }
  return type->kind == TypeKind::kNullable;
}

Result<ClickHouseType> ParseClickHouseType(std::string_view text) {
  if (text.size() > kTextMax) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("a ClickHouse type of {} bytes: the limit is {}", text.size(), kTextMax));
  }
  return TypeParser(text).ParseWhole();
}

}  // namespace calve::source
