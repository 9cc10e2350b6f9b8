#include "calve/iceberg/data_file_json.h"

#include <fmt/format.h>

#include <array>

namespace calve::iceberg {
namespace {

constexpr std::array<const char*, 3> kContents = {"DATA", "POSITION_DELETES", "EQUALITY_DELETES"};

std::string HexOf(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned char>(c));
  return text;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

Result<std::string> BytesOf(const JsonNode& node) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, node.AsString());
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = HexDigit(text[i]);
    const int low = i + 1 < text.size() ? HexDigit(text[i + 1]) : -1;
    if (high < 0 || low < 0) return node.Error("is no bytes in hex");
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

// Whether the literal is what `type` asks for: ToBytes takes it on trust.
bool IsOf(const Type& type, const Literal& value) {
  switch (type.id) {
    case TypeId::kBoolean:
      return std::holds_alternative<bool>(value);
    case TypeId::kInt:
    case TypeId::kDate:
      return std::holds_alternative<int32_t>(value);
    case TypeId::kFloat:
      return std::holds_alternative<float>(value);
    case TypeId::kDouble:
      return std::holds_alternative<double>(value);
    case TypeId::kDecimal:
      return std::holds_alternative<arrow::Decimal128>(value);
    case TypeId::kString:
    case TypeId::kUuid:
    case TypeId::kFixed:
    case TypeId::kBinary:
      return std::holds_alternative<std::string>(value);
    default:
      return type.is_primitive() && std::holds_alternative<int64_t>(value);
  }
}

Status WritePartition(const DataFile& file, const PartitionTypes& types, JsonWriter& writer) {
  const auto type = types.find(file.spec_id);
  if (type == types.end() || type->second.fields.size() != file.partition.size()) {
    return MakeError(ErrorKind::kFailed,
                     fmt::format("data file {} has {} partition values, which are not of its spec {}", file.file_path,
                                 file.partition.size(), file.spec_id));
  }
  writer.Key("partition");
  writer.BeginObject();
  for (size_t i = 0; i < file.partition.size(); ++i) {
    const NestedField& field = type->second.fields[i];
    writer.Key(fmt::to_string(field.id));
    if (IsNull(file.partition[i])) {
      writer.Null();
    } else if (IsOf(field.type, file.partition[i])) {
      writer.String(HexOf(ToBytes(field.type, file.partition[i])));
    } else {
      return MakeError(ErrorKind::kFailed, fmt::format("data file {}: the value of the partition field {} is no {}",
                                                       file.file_path, field.name, field.type.ToString()));
    }
  }
  writer.EndObject();
  return Status::OK();
}

Status ReadPartition(const JsonNode& node, const PartitionTypes& types, DataFile& file) {
  const auto type = types.find(file.spec_id);
  if (type == types.end())
    return node.Error(fmt::format("is of the partition spec {}, which is not known", file.spec_id));
  ARROW_ASSIGN_OR_RAISE(const JsonNode partition, node.Get("partition"));
  ARROW_RETURN_NOT_OK(partition.ExpectObject());
  if (partition.size() != type->second.fields.size())
    return partition.Error("has not the fields of the partition spec");
  for (const NestedField& field : type->second.fields) {
    const std::string key = fmt::to_string(field.id);
    if (!partition.value().contains(key)) return partition.Error("lacks the field " + key);
    const auto value = partition.Find(key);
    if (!value) {
      file.partition.emplace_back();
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const std::string bytes, BytesOf(*value));
    auto literal = FromBytes(field.type, bytes);
    if (!literal.ok()) return value->Error(MessageOf(literal.status()));
    file.partition.push_back(std::move(*literal));
  }
  return Status::OK();
}

void Put(JsonWriter& writer, int64_t value) { writer.Int(value); }
void Put(JsonWriter& writer, const std::string& bytes) { writer.String(HexOf(bytes)); }

// {"keys": […], "values": […]}; nothing where there is none.
template <typename Value>
void WriteByColumn(const char* name, const std::map<int, Value>& values, JsonWriter& writer) {
  if (values.empty()) return;
  writer.Key(name);
  writer.BeginObject();
  writer.Key("keys");
  writer.BeginArray();
  for (const auto& [id, value] : values) writer.Int(id);
  writer.EndArray();
  writer.Key("values");
  writer.BeginArray();
  for (const auto& [id, value] : values) Put(writer, value);
  writer.EndArray();
  writer.EndObject();
}

template <typename Value, typename Read>
Status ReadByColumn(const JsonNode& node, const char* name, Read read, std::map<int, Value>& values) {
  const auto member = node.Find(name);
  if (!member) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const JsonNode keys, member->Get("keys"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode read_from, member->Get("values"));
  ARROW_RETURN_NOT_OK(keys.ExpectArray());
  ARROW_RETURN_NOT_OK(read_from.ExpectArray());
  if (keys.size() != read_from.size()) return member->Error("has not as many keys as values");
  for (size_t i = 0; i < keys.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const int id, keys.At(i).AsInt());
    ARROW_ASSIGN_OR_RAISE(values[id], read(read_from.At(i)));
  }
  return Status::OK();
}

Status ReadMetrics(const JsonNode& node, DataFile& file) {
  const auto count = [](const JsonNode& value) { return value.AsInt64(); };
  ARROW_RETURN_NOT_OK(ReadByColumn(node, "column-sizes", count, file.column_sizes));
  ARROW_RETURN_NOT_OK(ReadByColumn(node, "value-counts", count, file.value_counts));
  ARROW_RETURN_NOT_OK(ReadByColumn(node, "null-value-counts", count, file.null_value_counts));
  ARROW_RETURN_NOT_OK(ReadByColumn(node, "nan-value-counts", count, file.nan_value_counts));
  ARROW_RETURN_NOT_OK(ReadByColumn(node, "lower-bounds", BytesOf, file.lower_bounds));
  return ReadByColumn(node, "upper-bounds", BytesOf, file.upper_bounds);
}

template <typename Number>
Status ReadNumbers(const JsonNode& node, const char* name, std::vector<Number>& numbers) {
  const auto member = node.Find(name);
  if (!member) return Status::OK();
  return member->ForEach([&](const JsonNode& element) -> Status {
    ARROW_ASSIGN_OR_RAISE(const int64_t number, element.AsInt64());
    numbers.push_back(static_cast<Number>(number));
    return Status::OK();
  });
}

template <typename Number>
void WriteNumbers(const char* name, const std::vector<Number>& numbers, JsonWriter& writer) {
  if (numbers.empty()) return;
  writer.Key(name);
  writer.BeginArray();
  for (const Number number : numbers) writer.Int(number);
  writer.EndArray();
}

}  // namespace

Status WriteDataFile(const DataFile& file, const PartitionTypes& types, JsonWriter& writer) {
  writer.BeginObject();
  writer.Field("spec-id", file.spec_id);
  writer.Field("content", kContents.at(static_cast<size_t>(file.content)));
  writer.Field("file-path", file.file_path);
  writer.Field("file-format", file.file_format);
  ARROW_RETURN_NOT_OK(WritePartition(file, types, writer));
  writer.Field("file-size-in-bytes", file.file_size_in_bytes);
  writer.Field("record-count", file.record_count);
  WriteByColumn("column-sizes", file.column_sizes, writer);
  WriteByColumn("value-counts", file.value_counts, writer);
  WriteByColumn("null-value-counts", file.null_value_counts, writer);
  WriteByColumn("nan-value-counts", file.nan_value_counts, writer);
  WriteByColumn("lower-bounds", file.lower_bounds, writer);
  WriteByColumn("upper-bounds", file.upper_bounds, writer);
  if (file.key_metadata) writer.Field("key-metadata", HexOf(*file.key_metadata));
  WriteNumbers("split-offsets", file.split_offsets, writer);
  WriteNumbers("equality-ids", file.equality_ids, writer);
  if (file.sort_order_id) writer.Field("sort-order-id", *file.sort_order_id);
  if (file.referenced_data_file) writer.Field("referenced-data-file", *file.referenced_data_file);
  if (file.first_row_id) writer.Field("first-row-id", *file.first_row_id);
  if (file.content_offset) writer.Field("content-offset", *file.content_offset);
  if (file.content_size_in_bytes) writer.Field("content-size-in-bytes", *file.content_size_in_bytes);
  writer.EndObject();
  return Status::OK();
}

Result<DataFile> ReadDataFile(const JsonNode& node, const PartitionTypes& types) {
  DataFile file;
  ARROW_ASSIGN_OR_RAISE(file.spec_id, node.GetInt("spec-id"));
  ARROW_ASSIGN_OR_RAISE(const JsonNode content, node.Get("content"));
  ARROW_ASSIGN_OR_RAISE(const std::string kind, content.AsString());
  const auto found = std::find(kContents.begin(), kContents.end(), kind);
  if (found == kContents.end()) return content.Error("is none of DATA, POSITION_DELETES, EQUALITY_DELETES");
  file.content = static_cast<FileContent>(found - kContents.begin());
  ARROW_ASSIGN_OR_RAISE(file.file_path, node.GetString("file-path"));
  ARROW_ASSIGN_OR_RAISE(file.file_format, node.GetString("file-format"));
  ARROW_RETURN_NOT_OK(ReadPartition(node, types, file));
  ARROW_ASSIGN_OR_RAISE(file.file_size_in_bytes, node.GetInt64("file-size-in-bytes"));
  ARROW_ASSIGN_OR_RAISE(file.record_count, node.GetInt64("record-count"));
  if (file.file_size_in_bytes < 0 || file.record_count < 0) return node.Error("has a negative size or count");
  ARROW_RETURN_NOT_OK(ReadMetrics(node, file));
  if (const auto key = node.Find("key-metadata")) {
    ARROW_ASSIGN_OR_RAISE(file.key_metadata, BytesOf(*key));
  }
  ARROW_RETURN_NOT_OK(ReadNumbers(node, "split-offsets", file.split_offsets));
  ARROW_RETURN_NOT_OK(ReadNumbers(node, "equality-ids", file.equality_ids));
  ARROW_ASSIGN_OR_RAISE(file.sort_order_id, node.FindInt("sort-order-id"));
  const std::string referenced = node.FindString("referenced-data-file", "").ValueOr("");
  if (!referenced.empty()) file.referenced_data_file = referenced;
  ARROW_ASSIGN_OR_RAISE(file.first_row_id, node.FindInt64("first-row-id"));
  ARROW_ASSIGN_OR_RAISE(file.content_offset, node.FindInt64("content-offset"));
  ARROW_ASSIGN_OR_RAISE(file.content_size_in_bytes, node.FindInt64("content-size-in-bytes"));
  return file;
}

}  // namespace calve::iceberg
