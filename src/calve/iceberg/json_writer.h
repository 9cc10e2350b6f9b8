// Writing JSON: straight into a string, members in the order in which they are written.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "calve/iceberg/string_map.h"

namespace calve::iceberg {

class JsonWriter {
 public:
  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  // Inside an object, before each value.
  void Key(std::string_view key);

  void String(std::string_view value);
  void Int(int64_t value);
  void Bool(bool value);
  void Null();

  void Field(std::string_view key, std::string_view value) { Key(key), String(value); }
  void Field(std::string_view key, const char* value) { Key(key), String(value); }
  void Field(std::string_view key, int64_t value) { Key(key), Int(value); }
  void Field(std::string_view key, int value) { Key(key), Int(value); }
  void Field(std::string_view key, bool value) { Key(key), Bool(value); }
  void Field(std::string_view key, const std::map<std::string, std::string>& values);
  void Field(std::string_view key, const StringMap& values);
  // Copies the members of `object`, a JSON object; nothing where it is empty.
  void Members(std::string_view object);

  std::string& text() { return text_; }

 private:
  void Open(char bracket);
  void Close(char bracket);
  void Separate();
  void Quote(std::string_view value);

  std::string text_;
  bool comma_ = false;  // before the next value or key
};

}  // namespace calve::iceberg
