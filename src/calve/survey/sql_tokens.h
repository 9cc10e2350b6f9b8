// SQL as ClickHouse writes it back (create_table_query, sorting_key …), cut into tokens: enough to see which tables and
// columns a text names, not a parser. Pure; any bytes are taken.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace calve::survey {

struct Token {
  enum class Kind { kWord, kQuoted, kString, kNumber, kSign };  // kQuoted: `name` or "name"; kSign: one character
  Kind kind = Kind::kSign;
  std::string text;  // without quotes
  size_t begin = 0, end = 0;
  int depth = 0;  // open brackets around it; a bracket itself counts as outside

  // A keyword or a function, whatever its case.
  bool Is(std::string_view word) const;
  bool IsSign(char sign) const { return kind == Kind::kSign && text[0] == sign; }
  bool IsName() const { return kind == Kind::kWord || kind == Kind::kQuoted; }
};

// What is not closed ends with the text. At most the first 256 KiB are read.
std::vector<Token> Tokens(std::string_view sql);

// One element of a key: "toYYYYMM(ts)" of "(exchange, toYYYYMM(ts))".
struct KeyElement {
  std::string text;
  std::string column;              // where the element is a column and nothing else
  std::string function;            // the outermost one; may be empty
  std::vector<std::string> names;  // that are not functions, in order
};
// None for "" and "tuple()".
std::vector<KeyElement> KeyElements(const std::string& key);

}  // namespace calve::survey
