#include "calve/source/table_identity.h"

#include <fmt/format.h>

namespace calve::source {

Result<TableIdentity> IdentityOf(Source& source, const SourceTable& table) {
  if (source.cluster() || !table.query.empty() || !table.engine.ends_with("MergeTree")) return TableIdentity{};
  const std::string name = QuoteString(table.name), database = QuoteString(table.database);
  if (!table.engine.starts_with("Replicated")) {
    if (table.uuid.empty()) return TableIdentity{};
    return TableIdentity{
        fmt::format("SELECT toString(uuid) FROM system.tables WHERE database = {} AND name = {}", database, name),
        table.uuid};
  }
  TableIdentity identity{
      fmt::format("SELECT zookeeper_path FROM system.replicas WHERE database = {} AND table = {}", database, name), ""};
  auto rows = QueryRows(source, identity.query);
  if (KindOf(rows.status()) == ErrorKind::kRetry || KindOf(rows.status()) == ErrorKind::kStopped) return rows.status();
  if (!rows.ok() || rows->empty()) return TableIdentity{};  // not for this user
  identity.answer = rows->front().at(0);
  return identity;
}

Status CheckIdentity(Source& source, const TableIdentity& identity, const std::string& table) {
  if (identity.query.empty()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto rows, QueryRows(source, identity.query));
  if (!rows.empty() && rows.front().at(0) == identity.answer) return Status::OK();
  const std::string has =
      rows.empty() ? "does not show it" : fmt::format("has another one of that name ({})", rows.front().at(0));
  return MakeError(
      ErrorKind::kConfig,
      fmt::format("the plan was made of the table {} ({}), and {} {}", table, identity.answer, source.name(), has),
      "Give the source that the plan was made of: --source, or --config.");
}

}  // namespace calve::source
