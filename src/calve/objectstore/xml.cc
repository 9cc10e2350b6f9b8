#include "calve/objectstore/xml.h"

#include <fmt/format.h>

#include <charconv>

namespace calve::objectstore {
namespace {

constexpr int kDepthMax = 32;

Status NotXml(size_t at) { return MakeError(ErrorKind::kCorrupt, fmt::format("no well-formed XML at byte {}", at)); }

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    *out += static_cast<char>(code);
  } else if (code < 0x800) {
    *out += {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
  } else if (code < 0x10000) {
    *out += {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3f)),
             static_cast<char>(0x80 | (code & 0x3f))};
  } else {
    *out += {static_cast<char>(0xf0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 0x3f)),
             static_cast<char>(0x80 | (code >> 6 & 0x3f)), static_cast<char>(0x80 | (code & 0x3f))};
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<XmlElement> Run() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
    ARROW_RETURN_NOT_OK(SkipMisc());
    XmlElement root;
    ARROW_RETURN_NOT_OK(Element(&root, 0));
    ARROW_RETURN_NOT_OK(SkipMisc());
    return at_ == text_.size() ? Result<XmlElement>(std::move(root)) : NotXml(at_);
  }

 private:
  bool Take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }

  Status SkipPast(std::string_view end) {
    const size_t found = text_.find(end, at_);
    if (found == std::string_view::npos) return NotXml(at_);
    at_ = found + end.size();
    return Status::OK();
  }

  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }

  // What may stand around the root: space, comments, processing instructions.
  Status SkipMisc() {
    while (true) {
      SkipSpace();
      if (Take("<?")) {
        ARROW_RETURN_NOT_OK(SkipPast("?>"));
      } else if (Take("<!--")) {
        ARROW_RETURN_NOT_OK(SkipPast("-->"));
      } else {
        return Status::OK();
      }
    }
  }

  Result<std::string> Name() {
    const size_t begin = at_;
    while (at_ < text_.size() && !IsSpace(text_[at_]) && text_[at_] != '>' && text_[at_] != '/' && text_[at_] != '=') {
      ++at_;
    }
    if (at_ == begin) return NotXml(at_);
    std::string_view name = text_.substr(begin, at_ - begin);
    if (const size_t colon = name.rfind(':'); colon != std::string_view::npos) name.remove_prefix(colon + 1);
    return std::string(name);
  }

  // From "<" on.
  Status Element(XmlElement* out, int depth) {
    if (depth > kDepthMax || !Take("<")) return NotXml(at_);
    ARROW_ASSIGN_OR_RAISE(out->name, Name());
    while (true) {
      SkipSpace();
      if (Take("/>")) return Status::OK();
      if (Take(">")) break;
      ARROW_RETURN_NOT_OK(SkipAttribute());
    }
    return Content(out, depth);
  }

  Status SkipAttribute() {
    ARROW_RETURN_NOT_OK(Name().status());
    SkipSpace();
    if (!Take("=")) return NotXml(at_);
    SkipSpace();
    if (Take("\"")) return SkipPast("\"");
    return Take("'") ? SkipPast("'") : NotXml(at_);
  }

  Status Content(XmlElement* out, int depth) {
    while (at_ < text_.size()) {
      if (Take("</")) {
        ARROW_ASSIGN_OR_RAISE(const std::string name, Name());
        SkipSpace();
        return name == out->name && Take(">") ? Status::OK() : NotXml(at_);
      }
      if (Take("<!--")) {
        ARROW_RETURN_NOT_OK(SkipPast("-->"));
      } else if (Take("<![CDATA[")) {
        const size_t begin = at_;
        ARROW_RETURN_NOT_OK(SkipPast("]]>"));
        out->text.append(text_.substr(begin, at_ - begin - 3));
      } else if (Take("<?")) {
        ARROW_RETURN_NOT_OK(SkipPast("?>"));
      } else if (text_[at_] == '<') {
        out->children.emplace_back();
        ARROW_RETURN_NOT_OK(Element(&out->children.back(), depth + 1));
      } else {
        ARROW_RETURN_NOT_OK(Text(&out->text));
      }
    }
    return NotXml(at_);
  }

  Status Text(std::string* out) {
    while (at_ < text_.size() && text_[at_] != '<') {
      if (text_[at_] != '&') {
        *out += text_[at_++];
      } else {
        ARROW_RETURN_NOT_OK(Entity(out));
      }
    }
    return Status::OK();
  }

  Status Entity(std::string* out) {
    if (Take("&amp;")) return Append('&', out);
    if (Take("&lt;")) return Append('<', out);
    if (Take("&gt;")) return Append('>', out);
    if (Take("&quot;")) return Append('"', out);
    if (Take("&apos;")) return Append('\'', out);
    const size_t begin = at_;
    if (!Take("&#")) return NotXml(at_);
    const int base = Take("x") ? 16 : 10;
    uint32_t code = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), code, base);
    if (error != std::errc() || code == 0 || code > 0x10ffff) return NotXml(begin);
    at_ = static_cast<size_t>(end - text_.data());
    if (!Take(";")) return NotXml(begin);
    AppendUtf8(code, out);
    return Status::OK();
  }

  static Status Append(char c, std::string* out) {
    *out += c;
    return Status::OK();
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

const XmlElement* XmlElement::Child(std::string_view child) const {
  for (const XmlElement& element : children) {
    if (element.name == child) return &element;
  }
  return nullptr;
}

const std::string& XmlElement::ChildText(std::string_view child) const {
  static const std::string kNone;
  const XmlElement* found = Child(child);
  return found ? found->text : kNone;
}

std::vector<const XmlElement*> XmlElement::Children(std::string_view child) const {
  std::vector<const XmlElement*> found;
  for (const XmlElement& element : children) {
    if (element.name == child) found.push_back(&element);
  }
  return found;
}

Result<XmlElement> ParseXml(std::string_view text) { return Parser(text).Run(); }

std::string XmlEscaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace calve::objectstore
