#include "calve/survey/view_statement.h"

#include <algorithm>
#include <utility>

#include "calve/survey/sql_tokens.h"
#include "calve/survey/time_span.h"

namespace calve::survey {
namespace {

// The name that begins at tokens[*at], which is left behind it; none where there stands no name.
std::optional<TableName> NameAt(const std::vector<Token>& tokens, size_t* at, const std::string& database) {
  if (*at >= tokens.size() || !tokens[*at].IsName()) return std::nullopt;
  TableName name{database, tokens[(*at)++].text};
  if (*at + 1 < tokens.size() && tokens[*at].IsSign('.') && tokens[*at + 1].IsName()) {
    name = TableName{name.name, tokens[*at + 1].text};
    *at += 2;
  }
  return name;
}

// The place of AS before the view's SELECT (or WITH); the end where there is none.
size_t FindSelect(const std::vector<Token>& tokens) {
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (tokens[i].depth != 0 || !tokens[i].Is("AS")) continue;
    if (tokens[i + 1].Is("SELECT") || tokens[i + 1].Is("WITH") || tokens[i + 1].IsSign('(')) return i + 1;
  }
  return tokens.size();
}

// Where the expression that ends before `end` begins: behind a comma of its depth, SELECT or an opening bracket.
size_t ExpressionBefore(const std::vector<Token>& tokens, size_t end) {
  const int depth = tokens[end].depth;
  size_t begin = end;
  while (begin > 0) {
    const Token& before = tokens[begin - 1];
    const bool ends = before.depth < depth || (before.depth == depth && (before.IsSign(',') || before.Is("SELECT") ||
                                                                         before.Is("DISTINCT") || before.Is("WITH")));
    if (ends) break;
    --begin;
  }
  return begin;
}

}  // namespace

ViewStatement ReadView(const TableName& name, const std::string& create) {
  ViewStatement view;
  view.name = name;
  const std::vector<Token> tokens = Tokens(create);
  const size_t select = FindSelect(tokens);
  for (size_t i = 0; i < select; ++i) {
    view.is_materialised |= tokens[i].Is("MATERIALIZED") && tokens[i].depth == 0;
    if (view.writes || tokens[i].depth != 0 || !tokens[i].Is("TO")) continue;
    // TO INNER UUID '…': the view's own table.
    if (i + 2 < select && tokens[i + 1].Is("INNER") && tokens[i + 2].Is("UUID")) continue;
    size_t at = i + 1;
    view.writes = NameAt(tokens, &at, name.database);
  }
  if (select == tokens.size()) return view;
  view.select = create.substr(tokens[select].begin);
  for (size_t i = select; i < tokens.size(); ++i) {
    if (!tokens[i].Is("FROM") && !tokens[i].Is("JOIN")) continue;
    size_t at = i + 1;
    const std::optional<TableName> table = NameAt(tokens, &at, name.database);
    const bool is_function = at < tokens.size() && tokens[at].IsSign('(');
    if (table && !is_function && std::ranges::find(view.reads, *table) == view.reads.end())
      view.reads.push_back(*table);
  }
  return view;
}

std::optional<int64_t> IntervalOf(const std::string& select, const std::string& column) {
  const std::vector<Token> tokens = Tokens(select);
  for (size_t i = 1; i + 1 < tokens.size(); ++i) {
    if (!tokens[i].Is("AS") || !tokens[i + 1].IsName() || tokens[i + 1].text != column) continue;
    const size_t begin = ExpressionBefore(tokens, i);
    for (size_t at = begin; at < i; ++at) {
      if (!tokens[at].Is("toStartOfInterval")) {
        if (auto span = StartOfSpan(tokens[at].text)) return span;
        continue;
      }
      for (size_t inside = at; inside < i; ++inside) {
        if (auto span = IntervalAt(tokens, inside)) return span;
      }
    }
  }
  return std::nullopt;
}

}  // namespace calve::survey
