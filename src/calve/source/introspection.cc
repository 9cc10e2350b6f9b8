#include "calve/source/introspection.h"

#include <arrow/array.h>
#include <arrow/scalar.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "calve/source/cluster_table.h"
#include "calve/source/distributed_table.h"
#include "calve/source/nearest_name.h"

namespace calve::source {
namespace {

constexpr int64_t kTextRowsMax = 1'000'000;
constexpr const char* kNoUuid = "00000000-0000-0000-0000-000000000000";

// As server_exception.h words it.
bool HasCode(const Status& status, int code) {
  return MessageOf(status).find(fmt::format("Code {}:", code)) != std::string::npos;
}

Result<std::string> TextOf(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return std::string();
  switch (array.type_id()) {
    case arrow::Type::BINARY:
    case arrow::Type::STRING:
      return std::string(static_cast<const arrow::BinaryArray&>(array).GetView(row));
    case arrow::Type::FIXED_SIZE_BINARY:
      return std::string(static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row));
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return TextOf(*dictionary.dictionary(), dictionary.GetValueIndex(row));
    }
    default: {
      ARROW_ASSIGN_OR_RAISE(auto scalar, array.GetScalar(row));
      return scalar->ToString();
    }
  }
}

std::optional<int64_t> NumberOf(const std::string& text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

struct TableName {
  std::string database, name;
  std::string Text() const { return database + "." + name; }
};

// One part of "db.t", from *at on: up to the next dot, or inside `backticks` or "quotes" as ClickHouse reads them.
Result<std::string> NamePart(const std::string& text, size_t* at) {
  std::string part;
  const char quote = *at < text.size() && (text[*at] == '`' || text[*at] == '"') ? text[*at] : '\0';
  if (quote == '\0') {
    const size_t end = std::min(text.find('.', *at), text.size());
    part = text.substr(*at, end - *at);
    *at = end;
  } else {
    bool closed = false;
    for (++*at; *at < text.size() && !closed; ++*at) {
      const char c = text[*at];
      const bool has_next = *at + 1 < text.size();
      if (c == '\\' && has_next) {
        part += text[++*at];
      } else if (c == quote && has_next && text[*at + 1] == quote) {
        part += text[++*at];
      } else if (c == quote) {
        closed = true;
      } else {
        part += c;
      }
    }
    if (!closed) part.clear();
  }
  if (part.empty())
    return MakeError(ErrorKind::kConfig, "'" + text + "' is no table name", "use table or database.table");
  return part;
}

Result<TableName> ParseTableName(const std::string& text, const std::string& database) {
  size_t at = 0;
  ARROW_ASSIGN_OR_RAISE(auto first, NamePart(text, &at));
  if (at == text.size()) return TableName{database, first};
  if (text[at] == '.') {
    ++at;
    ARROW_ASSIGN_OR_RAISE(auto second, NamePart(text, &at));
    if (at == text.size()) return TableName{first, second};
  }
  return MakeError(ErrorKind::kConfig, "'" + text + "' is no table name", "use table or database.table");
}

std::vector<std::string> FirstColumn(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::string> out;
  for (const auto& row : rows) out.push_back(row[0]);
  return out;
}

// What helps whoever named a table that is not there: a name that was meant, or the database where it is.
Status TableNotFound(Source& source, const TableName& table) {
  const std::string message = source.name() + ": there is no table " + table.Text();
  auto names = QueryRows(
      source, "SELECT name FROM system.tables WHERE database = " + QuoteString(table.database) + " LIMIT 100000");
  ARROW_RETURN_NOT_OK(names.status());
  auto elsewhere = QueryRows(source, "SELECT database FROM system.tables WHERE name = " + QuoteString(table.name) +
                                         " ORDER BY database LIMIT 5");
  ARROW_RETURN_NOT_OK(elsewhere.status());
  if (!elsewhere->empty()) {
    return MakeError(ErrorKind::kNotFound, message,
                     "there is one in another database: " + elsewhere->front()[0] + "." + table.name);
  }
  if (const auto nearest = NearestName(table.name, FirstColumn(*names)); !nearest.empty()) {
    return MakeError(ErrorKind::kNotFound, message, "did you mean " + table.database + "." + nearest + "?");
  }
  if (!names->empty())
    return MakeError(ErrorKind::kNotFound, message,
                     "check the name; SHOW TABLES FROM " + QuoteIdentifier(table.database));
  auto databases = QueryRows(source, "SELECT name FROM system.databases LIMIT 100000");
  ARROW_RETURN_NOT_OK(databases.status());
  const auto known = FirstColumn(*databases);
  if (std::find(known.begin(), known.end(), table.database) != known.end()) {
    return MakeError(ErrorKind::kNotFound, message,
                     "the database has no table that this user can see: check the name and the user's rights");
  }
  const auto nearest = NearestName(table.database, known);
  return MakeError(
      ErrorKind::kNotFound, message + ": there is no database " + table.database,
      nearest.empty() ? "check the name; SHOW DATABASES" : "did you mean " + nearest + "." + table.name + "?");
}

Result<bool> ReadTable(Source& source, const TableName& name, SourceTable* out);

// Keys and engine of the tables that a Distributed one stands for, of which this server has one as a rule.
Status ReadBehind(Source& source, const std::string& from, SourceTable* out) {
  ARROW_ASSIGN_OR_RAISE(auto full, QueryText(source, "SELECT engine_full" + from));
  const auto over = ParseDistributed(full.front().front());
  if (!over) return Status::OK();
  out->sharding_key = over->sharding_key;
  SourceTable behind;
  const TableName name{over->database.empty() ? out->database : over->database, over->table};
  ARROW_ASSIGN_OR_RAISE(const bool listed, ReadTable(source, name, &behind));
  if (!listed || !behind.engine.ends_with("MergeTree")) return Status::OK();
  out->engine_behind = behind.engine;
  out->engine_arguments = behind.engine_arguments;
  out->partition_key = behind.partition_key;
  out->sorting_key = behind.sorting_key;
  return Status::OK();
}

// False where system.tables does not list it, or may not be read.
Result<bool> ReadTable(Source& source, const TableName& name, SourceTable* out) {
  const std::string from = fmt::format(" FROM system.tables WHERE database = {} AND name = {}",
                                       QuoteString(name.database), QuoteString(name.name));
  auto rows = QueryRows(
      source,
      "SELECT engine, partition_key, sorting_key, toString(uuid), toString(total_rows), toString(total_bytes)" + from);
  if (!rows.ok() && HasCode(rows.status(), 47)) {  // before 20.5 it has fewer columns
    rows = QueryRows(source, "SELECT engine, partition_key, sorting_key, '', '', ''" + from);
  }
  if (!rows.ok() && HasCode(rows.status(), 497)) return false;
  ARROW_RETURN_NOT_OK(rows.status());
  if (rows->empty()) return false;
  const auto& row = rows->front();
  out->engine = row[0];
  out->partition_key = row[1];
  out->sorting_key = row[2];
  out->uuid = row[3] == kNoUuid ? "" : row[3];
  out->total_rows = NumberOf(row[4]);
  out->total_bytes = NumberOf(row[5]);
  if (out->engine.find("Replacing") != std::string::npos || out->engine.find("Collapsing") != std::string::npos) {
    ARROW_ASSIGN_OR_RAISE(auto full, QueryText(source, "SELECT engine_full" + from));
    out->engine_arguments = EngineColumns(full.front().front());
  }
  if (out->engine == "Distributed") ARROW_RETURN_NOT_OK(ReadBehind(source, from, out));
  return true;
}

SourceColumn ColumnOf(const std::vector<std::string>& row) {
  SourceColumn column;
  column.name = row[0];
  column.default_kind = row[2];
  column.comment = row[3];
  // A type that calve does not know is no reason to refuse the table: the column may be left out, or have an
  // expression.
  if (auto type = ParseClickHouseType(row[1]); type.ok()) {
    column.type = *std::move(type);
  } else {
    column.type.text = row[1];
  }
  return column;
}

Status ReadColumns(Source& source, const TableName& name, SourceTable* out) {
  auto rows = QueryRows(
      source,
      fmt::format("SELECT name, type, default_kind, comment FROM system.columns WHERE database = {} AND table = {}",
                  QuoteString(name.database), QuoteString(name.name)));
  if (!rows.ok() && !HasCode(rows.status(), 497)) return rows.status();
  if (!rows.ok() || rows->empty()) {
    // DESCRIBE takes other rights than system.columns, and knows tables that the latter does not list.
    ARROW_ASSIGN_OR_RAISE(auto described,
                          QueryRows(source, fmt::format("DESCRIBE TABLE {}.{}", QuoteIdentifier(name.database),
                                                        QuoteIdentifier(name.name))));
    rows = std::vector<std::vector<std::string>>();
    for (auto& row : described) {
      row.resize(std::max<size_t>(row.size(), 5));
      rows->push_back({row[0], row[1], row[2], row[4]});
    }
  }
  for (const auto& row : *rows) out->columns.push_back(ColumnOf(row));
  return Status::OK();
}

}  // namespace

Result<std::vector<std::vector<std::string>>> QueryRows(Source& source, const std::string& sql,
                                                        const QueryOptions& options) {
  ARROW_ASSIGN_OR_RAISE(auto stream, source.Query(sql, options));
  std::vector<std::vector<std::string>> rows;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto block, stream->Next());
    if (!block) return rows;
    if (static_cast<int64_t>(rows.size()) + block->num_rows() > kTextRowsMax) {
      return MakeError(ErrorKind::kCorrupt, source.name() + ": more than a million rows where a few were expected");
    }
    const size_t first = rows.size();
    rows.resize(first + block->num_rows());
    for (const auto& column : block->columns()) {
      for (int64_t row = 0; row < block->num_rows(); ++row) {
        ARROW_ASSIGN_OR_RAISE(auto text, TextOf(*column, row));
        rows[first + row].push_back(std::move(text));
      }
    }
  }
}

Result<std::vector<std::vector<std::string>>> QueryText(Source& source, const std::string& sql,
                                                        const QueryOptions& options) {
  ARROW_ASSIGN_OR_RAISE(auto rows, QueryRows(source, sql, options));
  if (rows.empty())
    return MakeError(ErrorKind::kCorrupt, source.name() + ": no row where one was expected: " + sql.substr(0, 200));
  return rows;
}

Result<ServerInfo> AskServer(Source& source) {
  if (source.cluster()) return AskCluster(source);
  auto rows = QueryText(source, "SELECT version(), toString(serverUUID()), toString(toUnixTimestamp64Micro(now64(6)))");
  if (!rows.ok() && HasCode(rows.status(), 46)) {
    // Before 21.12. Whole seconds, rounded down: a window's end fixed by them is never in the future.
    rows = QueryText(source, "SELECT version(), '', concat(toString(toUnixTimestamp(now())), '000000')");
  }
  ARROW_RETURN_NOT_OK(rows.status());
  const auto& row = rows->front();
  ServerInfo info;
  info.version = row[0];
  info.uuid = row[1] == kNoUuid ? "" : row[1];
  const auto now = NumberOf(row[2]);
  const size_t dot = info.version.find('.');
  const auto major = NumberOf(info.version.substr(0, dot));
  const auto minor = dot == std::string::npos
                         ? std::nullopt
                         : NumberOf(info.version.substr(dot + 1, info.version.find('.', dot + 1) - dot - 1));
  if (!now || !major || !minor) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("{}: version '{}' at time '{}' is not an answer of ClickHouse",
                                                      source.name(), row[0], row[2]));
  }
  info.now = *now;
  info.major = static_cast<int>(*major);
  info.minor = static_cast<int>(*minor);
  return info;
}

Result<std::pair<std::string, std::string>> ParseQualifiedName(const std::string& table, const std::string& database) {
  ARROW_ASSIGN_OR_RAISE(TableName name, ParseTableName(table, database));
  return std::pair(std::move(name.database), std::move(name.name));
}

std::string BareTableName(const std::string& table) {
  auto name = ParseTableName(table, "");
  return name.ok() ? name->name : table;
}

Result<SourceTable> DescribeTable(Source& source, const std::string& table) {
  if (source.cluster()) return DescribeOnCluster(source, table);
  ARROW_ASSIGN_OR_RAISE(const TableName name, ParseTableName(table, source.database()));
  SourceTable out;
  out.database = name.database;
  out.name = name.name;
  ARROW_ASSIGN_OR_RAISE(const bool listed, ReadTable(source, name, &out));
  const Status columns = ReadColumns(source, name, &out);
  if (!listed && (!columns.ok() || out.columns.empty())) {
    if (columns.ok() || HasCode(columns, 60) || HasCode(columns, 81)) return TableNotFound(source, name);
  }
  ARROW_RETURN_NOT_OK(columns);
  if (out.columns.empty())
    return MakeError(ErrorKind::kConfig,
                     source.name() + ": table " + name.Text() + " has no column that this user may read");
  return out;
}

Result<SourceTable> DescribeQuery(Source& source, const std::string& name, const std::string& query) {
  if (source.cluster()) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("{} is a query, and a cluster would run it on each shard by itself", name),
                     "Name the table that each shard has, with a condition (where) and expressions of columns; or run "
                     "the query over a Distributed table through one server.");
  }
  // The line breaks end a comment that the query may end with.
  auto described = QueryRows(source, fmt::format("DESCRIBE TABLE (\n{}\n)", query));
  if (!described.ok()) {
    return WithContext(
        WithKind(described.status(),
                 KindOf(described.status()) == ErrorKind::kFailed ? ErrorKind::kConfig : KindOf(described.status()),
                 RemedyOf(described.status())),
        fmt::format("the query of {}", name));
  }
  SourceTable out;
  out.database = source.database();
  out.name = name;
  out.query = query;
  for (auto& row : *described) {
    row.resize(std::max<size_t>(row.size(), 2));
    out.columns.push_back(ColumnOf({row[0], row[1], "", ""}));
  }
  return out;
}

std::vector<std::string> EngineColumns(const std::string& engine_full) {
  std::vector<std::string> columns;
  size_t at = engine_full.find('(');
  // A table without arguments may have parentheses further on.
  if (at == std::string::npos || engine_full.find(' ') < at) return columns;
  std::string name;
  bool quoted = false;
  for (++at; at < engine_full.size(); ++at) {
    const char c = engine_full[at];
    if (c == '\'' || c == '`') {
      const size_t begin = at + 1;
      for (++at; at < engine_full.size() && engine_full[at] != c; ++at) at += engine_full[at] == '\\';
      if (c == '`') name = engine_full.substr(begin, std::min(at, engine_full.size()) - begin);
      quoted |= c == '\'';
    } else if (c == ',' || c == ')') {
      if (!name.empty() && !quoted) columns.push_back(name);
      name.clear();
      quoted = false;
      if (c == ')') break;
    } else if (c != ' ') {
      name += c;
    }
  }
  return columns;
}

std::string QuoteIdentifier(const std::string& name) {
  std::string out = "`";
  for (const char c : name) {
    if (c == '`' || c == '\\') out += c;  // doubled, or escaped by itself
    out += c;
  }
  return out + "`";
}

std::string QuoteString(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

}  // namespace calve::source
