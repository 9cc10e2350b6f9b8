#include "calve/iceberg/json_writer.h"

#include <algorithm>
#include <charconv>

#include "calve/iceberg/plain_bytes.h"
#include "calve/iceberg/utf8.h"

namespace calve::iceberg {

void JsonWriter::Open(char bracket) {
  Separate();
  text_ += bracket;
  comma_ = false;
}

void JsonWriter::Close(char bracket) {
  text_ += bracket;
  comma_ = true;
}

void JsonWriter::Separate() {
  if (comma_) text_ += ',';
  comma_ = true;
}

void JsonWriter::Key(std::string_view key) {
  Separate();
  Quote(key);
  text_ += ':';
  comma_ = false;
}

void JsonWriter::String(std::string_view value) {
  Separate();
  Quote(value);
}

void JsonWriter::Int(int64_t value) {
  Separate();
  char buffer[24];
  auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, value);
  text_.append(buffer, end);
}

void JsonWriter::Bool(bool value) {
  Separate();
  text_ += value ? "true" : "false";
}

void JsonWriter::Null() {
  Separate();
  text_ += "null";
}

void JsonWriter::Field(std::string_view key, const std::map<std::string, std::string>& values) {
  Key(key);
  BeginObject();
  for (const auto& [name, value] : values) Field(name, std::string_view(value));
  EndObject();
}

void JsonWriter::Field(std::string_view key, const StringMap& values) {
  Key(key);
  BeginObject();
  for (const auto& [name, value] : values) Field(name, value);
  EndObject();
}

void JsonWriter::Members(std::string_view object) {
  if (object.size() <= 2) return;  // "" or "{}"
  Separate();
  text_ += object.substr(1, object.size() - 2);
}

void JsonWriter::Quote(std::string_view value) {
  constexpr char kHex[] = "0123456789abcdef";
  const size_t plain_bytes = PlainBytes(value);
  if (plain_bytes == value.size()) {
    text_.append(value.size() + 2, '"');
    std::copy(value.begin(), value.end(), text_.end() - 1 - static_cast<std::ptrdiff_t>(value.size()));
    return;
  }
  text_ += '"';
  size_t plain = 0;  // what is not copied yet begins here
  auto flush = [&](size_t end) { text_ += value.substr(plain, end - plain); };
  for (size_t i = plain_bytes; i < value.size();) {
    auto byte = static_cast<uint8_t>(value[i]);
    if (IsPlainByte(value[i])) {
      ++i;
      continue;
    }
    int bytes = byte < 0x80 ? 1 : FirstCodePoint(value.substr(i)).bytes;
    if (bytes > 1) {
      i += static_cast<size_t>(bytes);
      continue;
    }
    flush(i);
    plain = ++i;
    if (bytes == 0) {
      text_ += "\\ufffd";  // a file that no reader could parse would take the whole table with it
    } else if (byte == '"' || byte == '\\') {
      text_ += '\\';
      text_ += static_cast<char>(byte);
    } else if (byte == '\n') {
      text_ += "\\n";
    } else {
      text_ += "\\u00";
      text_ += kHex[byte >> 4];
      text_ += kHex[byte & 0xf];
    }
  }
  flush(value.size());
  text_ += '"';
}

}  // namespace calve::iceberg
