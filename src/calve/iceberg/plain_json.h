// Reads forward through JSON text that is as programs write it: strings without escapes, whole numbers. Where it is
// not, a call says false, and the caller reads the text in the general way (json_reader.h), which knows all of JSON and
// says what is wrong with it. For long lists: it makes nothing but views.
#pragma once

#include <cstdint>
#include <string_view>

namespace calve::iceberg {

class PlainJson {
 public:
  explicit PlainJson(std::string_view text) : text_(text) {}

  // Each skips white space first. False leaves the place undefined: go back to where you were.
  bool Take(char bracket_or_comma) {  // where it is not there, nothing is taken
    SkipSpace();
    if (at_ >= text_.size() || text_[at_] != bracket_or_comma) return false;
    ++at_;
    return true;
  }
  bool String(std::string_view& out);
  bool Int(int64_t& out);
  bool Value(std::string_view& out);  // any value, as it stands there; not proven to be well-formed
  bool AtEnd();

  size_t size() const { return text_.size(); }
  size_t place() const { return at_; }
  void GoBack(size_t place) { at_ = place; }

  // Reads an object or array: `read` reads a value (its key given, for objects) and says whether it could.
  template <typename Read>
  bool Object(Read read) {
    if (!Take('{')) return false;
    if (Take('}')) return true;
    for (;;) {
      std::string_view key;
      if (!String(key) || !Take(':') || !read(key)) return false;
      if (Take(',')) continue;
      return Take('}');
    }
  }
  template <typename Read>
  bool Array(Read read) {
    if (!Take('[')) return false;
    if (Take(']')) return true;
    for (;;) {
      if (!read()) return false;
      if (Take(',')) continue;
      return Take(']');
    }
  }

 private:
  static bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  bool SkipString();

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace calve::iceberg
