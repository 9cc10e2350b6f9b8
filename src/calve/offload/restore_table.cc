#include "calve/offload/restore_table.h"

#include "calve/offload/verify_plan.h"

namespace calve::offload {
namespace {

using source::QuoteIdentifier;
using source::QuoteString;

constexpr int kMajorMin = 21, kMinorMin = 12;

std::string QuotedName(const source::SourceTable& table) {
  return fmt::format("{}.{}", QuoteIdentifier(table.database), QuoteIdentifier(table.name));
}

}  // namespace

Status CheckServer(source::Source& source) {
  ARROW_ASSIGN_OR_RAISE(const source::ServerInfo server, source::AskServer(source));
  if (server.major > kMajorMin || (server.major == kMajorMin && server.minor >= kMinorMin)) return Status::OK();
  return MakeError(
      ErrorKind::kUnsupported,
      fmt::format("{} is ClickHouse {}: rows are restored as ArrowStream, with conversions that {}.{} was the "
                  "first to have",
                  source.name(), server.version, kMajorMin, kMinorMin),
      "Restore into a newer ClickHouse, or let another engine read the Iceberg table.");
}

Status CheckNoneRuns(source::Source& source, const source::SourceTable& table, std::vector<std::string>& notes) {
  auto running = source::QueryRows(
      source, fmt::format("SELECT query_id, toString(elapsed) FROM system.processes WHERE startsWith(query, {}) AND "
                          "position(query, '/* calve-restore */') > 0",
                          QuoteString(fmt::format("INSERT INTO {} (", QuotedName(table)))));
  if (!running.ok()) {
    ARROW_RETURN_NOT_OK(KindOf(running.status()) == ErrorKind::kStopped ? running.status() : Status::OK());
    notes.push_back(fmt::format("it could not be asked whether another restore is still inserting: {}",
                                MessageOf(running.status())));
    return Status::OK();
  }
  if (running->empty()) return Status::OK();
  const std::string& id = running->front().at(0);
  return MakeError(
      ErrorKind::kConflict,
      fmt::format("an INSERT of a restore into {}.{} is still running (query_id {}, for {} s)", table.database,
                  table.name, id, running->front().at(1)),
      fmt::format("Wait for it, or end it with KILL QUERY WHERE query_id = {}; then run this again.", QuoteString(id)));
}

Result<std::vector<std::string>> ViewsFed(source::Source& source, const source::SourceTable& table) {
  ARROW_ASSIGN_OR_RAISE(
      auto rows, source::QueryRows(source, fmt::format("SELECT concat(d, '.', v) FROM system.tables ARRAY JOIN "
                                                       "dependencies_database AS d, dependencies_table AS v WHERE "
                                                       "database = {} AND name = {}",
                                                       QuoteString(table.database), QuoteString(table.name))));
  std::vector<std::string> views;
  for (const auto& row : rows) views.push_back(row.at(0));
  return views;
}

std::optional<std::string> RowTtl(const std::string& create_table) {
  const size_t engine = create_table.find("ENGINE =");
  if (engine == std::string::npos) return std::nullopt;
  size_t begin = std::min(create_table.find("\nTTL ", engine), create_table.find(" TTL ", engine));
  if (begin == std::string::npos) return std::nullopt;
  begin += 5;
  const size_t end = std::min(create_table.find("\nSETTINGS", begin), create_table.find(" SETTINGS ", begin));
  std::string text = create_table.substr(begin, end == std::string::npos ? end : end - begin);
  for (const char* clause : {" WHERE ", " GROUP BY ", " TO DISK ", " TO VOLUME ", " RECOMPRESS ", " SET "}) {
    if (text.find(clause) != std::string::npos) return std::nullopt;
  }
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ',' && depth == 0) return std::nullopt;
  }
  if (text.ends_with(" DELETE")) text.resize(text.size() - 7);
  return text;
}

TtlOutlook LookAtTtl(source::Source& source, const source::SourceTable& table, const Cursor& cursor,
                     TimestampMicros oldest, TimestampMicros newest) {
  TtlOutlook outlook;
  auto text = source::QueryText(source, "SHOW CREATE TABLE " + QuotedName(table));
  if (!text.ok() || text->front().empty() || !HasTtl(text->front().front())) return outlook;
  outlook.has_ttl = true;
  const auto ttl = RowTtl(text->front().front());
  if (!ttl) return outlook;
  auto expired = [&](TimestampMicros time) -> std::optional<bool> {
    auto answer =
        source::QueryRows(source, fmt::format("SELECT toString(toDateTime({}) <= now()) FROM (SELECT {} AS {})", *ttl,
                                              CursorLiteral(time, cursor), QuoteIdentifier(cursor.column)));
    if (!answer.ok() || answer->size() != 1) return std::nullopt;
    return answer->front().at(0) == "1";
  };
  outlook.oldest_expired = expired(oldest);
  outlook.newest_expired = expired(newest);
  return outlook;
}

}  // namespace calve::offload
