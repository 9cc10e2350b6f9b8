#include "calve/survey/sql_tokens.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace calve::survey {
namespace {

constexpr size_t kBytesMax = 256 << 10;

bool BeginsWord(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80) != 0; }
bool GoesOn(char c) { return BeginsWord(c) || std::isdigit(static_cast<unsigned char>(c)) || c == '$'; }

// The text inside of the quotes that open at sql[*at], which is left behind them.
std::string Quoted(std::string_view sql, size_t* at) {
  const char quote = sql[*at];
  std::string text;
  for (++*at; *at < sql.size(); ++*at) {
    const bool more = *at + 1 < sql.size();
    if (sql[*at] == '\\' && more) {
      text += sql[++*at];
    } else if (sql[*at] != quote) {
      text += sql[*at];
    } else if (more && sql[*at + 1] == quote) {
      text += sql[++*at];
    } else {
      ++*at;
      break;
    }
  }
  return text;
}

// Whether the first token opens a bracket that only the last one closes.
bool IsWrapped(const std::vector<Token>& tokens) {
  if (tokens.size() < 2 || !tokens.front().IsSign('(') || !tokens.back().IsSign(')')) return false;
  return std::none_of(tokens.begin() + 1, tokens.end() - 1, [](const Token& token) { return token.depth < 1; });
}

KeyElement ElementOf(const std::vector<Token>& tokens, size_t begin, size_t end, const std::string& key) {
  KeyElement element;
  element.text = key.substr(tokens[begin].begin, tokens[end - 1].end - tokens[begin].begin);
  for (size_t i = begin; i < end; ++i) {
    if (!tokens[i].IsName()) continue;
    const bool calls = i + 1 < end && tokens[i + 1].IsSign('(');
    if (calls && i == begin) element.function = tokens[i].text;
    if (!calls) element.names.push_back(tokens[i].text);
  }
  if (end - begin == 1 && tokens[begin].IsName()) element.column = tokens[begin].text;
  return element;
}

}  // namespace

bool Token::Is(std::string_view word) const {
  return kind == Kind::kWord && text.size() == word.size() &&
         std::equal(text.begin(), text.end(), word.begin(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

std::vector<Token> Tokens(std::string_view sql) {
  sql = sql.substr(0, kBytesMax);
  std::vector<Token> tokens;
  int depth = 0;
  for (size_t at = 0; at < sql.size();) {
    if (std::isspace(static_cast<unsigned char>(sql[at]))) {
      ++at;
      continue;
    }
    Token token;
    token.begin = at;
    const char c = sql[at];
    if (c == '`' || c == '"' || c == '\'') {
      token.kind = c == '\'' ? Token::Kind::kString : Token::Kind::kQuoted;
      token.text = Quoted(sql, &at);
    } else if (BeginsWord(c) || std::isdigit(static_cast<unsigned char>(c))) {
      token.kind = BeginsWord(c) ? Token::Kind::kWord : Token::Kind::kNumber;
      while (at < sql.size() && (GoesOn(sql[at]) || (token.kind == Token::Kind::kNumber && sql[at] == '.'))) ++at;
      token.text = std::string(sql.substr(token.begin, at - token.begin));
    } else {
      token.text = std::string(1, c);
      ++at;
      if (c == ')' || c == ']') --depth;
    }
    token.end = at;
    token.depth = depth;
    if (token.IsSign('(') || token.IsSign('[')) ++depth;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::vector<KeyElement> KeyElements(const std::string& key) {
  std::vector<Token> tokens = Tokens(key);
  size_t begin = 0, end = tokens.size();
  int depth = 0;
  if (IsWrapped(tokens)) ++begin, --end, ++depth;
  std::vector<KeyElement> elements;
  for (size_t from = begin, i = begin; i <= end; ++i) {
    if (i < end && !(tokens[i].IsSign(',') && tokens[i].depth == depth)) continue;
    if (i > from) elements.push_back(ElementOf(tokens, from, i, key));
    from = i + 1;
  }
  if (elements.size() == 1 && elements[0].text == "tuple()") elements.clear();
  return elements;
}

}  // namespace calve::survey
