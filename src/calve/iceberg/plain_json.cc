#include "calve/iceberg/plain_json.h"

#include <charconv>

#include "calve/iceberg/plain_bytes.h"
#include "calve/iceberg/utf8.h"

namespace calve::iceberg {

bool PlainJson::AtEnd() {
  SkipSpace();
  return at_ == text_.size();
}

bool PlainJson::String(std::string_view& out) {
  if (!Take('"')) return false;
  const size_t begin = at_;
  bool ascii = true;
  for (;; ++at_) {
    at_ += PlainBytes(text_.substr(at_));
    if (at_ == text_.size()) return false;
    const auto byte = static_cast<uint8_t>(text_[at_]);
    if (byte >= 0x80) {
      ascii = false;
    } else if (byte == '"') {
      out = text_.substr(begin, at_++ - begin);
      return ascii || IsUtf8(out);
    } else {
      return false;
    }
  }
}

bool PlainJson::Int(int64_t& out) {
  SkipSpace();
  const char* begin = text_.data() + at_;
  const char* end = text_.data() + text_.size();
  const auto [stop, error] = std::from_chars(begin, end, out);
  if (error != std::errc() || stop == end) return false;
  const char* digits = begin + (*begin == '-' ? 1 : 0);
  if (*digits == '0' && stop - digits > 1) return false;
  at_ += static_cast<size_t>(stop - begin);
  return *stop == ',' || *stop == '}' || *stop == ']' || IsSpace(*stop);
}

bool PlainJson::SkipString() {
  for (++at_; at_ < text_.size(); ++at_) {
    if (text_[at_] == '\\') {
      ++at_;
    } else if (text_[at_] == '"') {
      ++at_;
      return true;
    }
  }
  return false;
}

bool PlainJson::Value(std::string_view& out) {
  SkipSpace();
  const size_t begin = at_;
  int64_t depth = 0;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (depth == 0 && at_ > begin && (c == ',' || c == '}' || c == ']')) break;
    if (c == '"') {
      if (!SkipString()) return false;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth < 0) return false;
    ++at_;
  }
  out = text_.substr(begin, at_ - begin);
  return depth == 0 && !out.empty() && at_ < text_.size();
}

}  // namespace calve::iceberg
