#include "calve/catalog/sql_catalog.h"

#include <fmt/format.h>

#include <utility>

#include "calve/base/random.h"
#include "calve/catalog/commit_plan.h"

namespace calve::catalog {
namespace {

constexpr int kSqlLooksMax = 5;
constexpr const char* kMetadataPath = "write.metadata.path";

// A dot inside a level could not be told from the dot between two levels.
Result<SqlTableName> RowName(const TableIdent& ident) {
  SqlTableName name{"", ident.name};
  constexpr std::string_view kNever(".\0", 2);  // a database's client library may end a name at NUL
  bool bad = ident.name.empty() || ident.name.find('\0') != std::string::npos || ident.levels.empty();
  for (const std::string& level : ident.levels) {
    bad = bad || level.empty() || level.find_first_of(kNever) != std::string::npos;
    name.table_namespace += (name.table_namespace.empty() ? "" : ".") + level;
  }
  if (!bad) return name;
  return MakeError(ErrorKind::kConfig,
                   fmt::format("'{}' cannot be the name of a table in a sql catalog", ident.ToString()),
                   "Write it as namespace.table; a level of a namespace holds no dot.");
}

std::vector<std::string> LevelsOf(std::string_view table_namespace) {
  std::vector<std::string> levels;
  for (;;) {
    size_t dot = table_namespace.find('.');
    levels.emplace_back(table_namespace.substr(0, dot));
    if (dot == std::string_view::npos) return levels;
    table_namespace.remove_prefix(dot + 1);
  }
}

}  // namespace

Result<LoadedTable> SqlCatalog::LoadTable(const TableIdent& ident) {
  ARROW_ASSIGN_OR_RAISE(SqlTableName row_name, RowName(ident));
  std::string missing;
  for (int look = 0; look < kSqlLooksMax; ++look) {
    ARROW_ASSIGN_OR_RAISE(std::optional<SqlTableRow> row, store_->FindTable(row_name));
    if (!row)
      return MakeError(ErrorKind::kNotFound, fmt::format("there is no table {} in {}", ident.ToString(), name()));
    auto metadata = metadata_.Read(row->metadata_location);
    if (metadata.ok()) return LoadedTable{std::move(*metadata), row->metadata_location};
    if (KindOf(metadata.status()) != ErrorKind::kNotFound) {
      return WithContext(metadata.status(), "table " + ident.ToString());
    }
    // Trimmed by a newer commit since the row was read, unless the row still says the same.
    if (row->metadata_location == missing) break;
    missing = row->metadata_location;
  }
  return MakeError(ErrorKind::kCorrupt,
                   fmt::format("table {}: its metadata file {} is missing", ident.ToString(), missing),
                   "Restore that file from a backup, or register an older metadata file in the catalog.");
}

Result<std::string> SqlCatalog::LocationOf(const TableIdent& ident, const std::string& requested) const {
  if (!requested.empty()) return storage::JoinLocation(requested, "");
  if (warehouse_.empty()) {
    return MakeError(ErrorKind::kConfig, fmt::format("table {} has no place to be created at", ident.ToString()),
                     "Pass --warehouse file:///path/of/the/warehouse.");
  }
  std::string location = warehouse_;
  std::vector<std::string> parts = ident.levels;
  parts.push_back(ident.name);
  for (const std::string& part : parts) {
    if (part == "." || part == ".." || part.find('/') != std::string::npos || part.find('\0') != std::string::npos) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("'{}' of the table name {} cannot be a folder's name", part, ident.ToString()),
                       "Choose a name without slashes.");
    }
    location = storage::JoinLocation(location, part);
  }
  return location;
}

Result<std::string> SqlCatalog::WriteMetadata(const iceberg::TableMetadata& metadata, int64_t version) {
  ARROW_ASSIGN_OR_RAISE(MetadataCompression compression, CompressionOf(metadata));
  ARROW_ASSIGN_OR_RAISE(std::string bytes, EncodeMetadata(metadata, compression));
  std::string folder = metadata.Property(kMetadataPath, storage::JoinLocation(metadata.location, "metadata"));
  std::string location =
      storage::JoinLocation(folder, fmt::format("{:05}-{}{}", version, RandomUuid(), MetadataExtension(compression)));
  Status status = file_io_.WriteNew(location, bytes);
  // The name is ours alone and nothing refers to it: whatever became of the file, the table is unchanged.
  if (KindOf(status) == ErrorKind::kUnknownOutcome) status = WithKind(status, ErrorKind::kRetry, RemedyOf(status));
  if (!status.ok()) return status;
  return location;
}

Status SqlCatalog::Settle(const SqlTableName& row_name, const std::string& location, const Status& status) {
  if (status.ok()) return status;
  if (KindOf(status) != ErrorKind::kUnknownOutcome) {
    (void)file_io_.Delete(location);
    return status;
  }
  // Seen where it should be, or right below a commit that was made on top of it: then it is in. Its absence proves
  // nothing.
  auto row = store_->FindTable(row_name);
  bool seen =
      row.ok() && *row && ((*row)->metadata_location == location || (*row)->previous_metadata_location == location);
  return seen ? Status::OK() : status;
}

Result<LoadedTable> SqlCatalog::CreateTable(const TableIdent& ident, const CreateTableRequest& request) {
  ARROW_ASSIGN_OR_RAISE(SqlTableName row_name, RowName(ident));
  ARROW_ASSIGN_OR_RAISE(std::string location, LocationOf(ident, request.location));
  ARROW_ASSIGN_OR_RAISE(std::optional<SqlTableRow> row, store_->FindTable(row_name));
  if (row) return MakeError(ErrorKind::kAlreadyExists, fmt::format("table {} exists in {}", ident.ToString(), name()));
  LoadedTable table;
  ARROW_ASSIGN_OR_RAISE(table.metadata,
                        iceberg::NewTableMetadata(request.schema, request.spec, request.order, location,
                                                  request.properties, RandomUuid(), clock_.Now() / 1000));
  ARROW_ASSIGN_OR_RAISE(table.metadata_location, WriteMetadata(table.metadata, 0));
  Status inserted = Settle(row_name, table.metadata_location, store_->InsertTable(row_name, table.metadata_location));
  if (KindOf(inserted) != ErrorKind::kAlreadyExists) return inserted.ok() ? Result(std::move(table)) : inserted;
  ARROW_ASSIGN_OR_RAISE(row, store_->FindTable(row_name));
  if (row) return inserted;  // made at the same moment
  return MakeError(ErrorKind::kConfig, fmt::format("{} is a view in {}", ident.ToString(), name()),
                   "Give the table another name.");
}

Result<LoadedTable> SqlCatalog::RegisterTable(const TableIdent& ident, const std::string& metadata_location) {
  ARROW_ASSIGN_OR_RAISE(SqlTableName row_name, RowName(ident));
  LoadedTable table;
  table.metadata_location = metadata_location;
  ARROW_ASSIGN_OR_RAISE(table.metadata, ReadMetadata(file_io_, metadata_location));
  Status status = store_->InsertTable(row_name, metadata_location);
  if (KindOf(status) == ErrorKind::kUnknownOutcome) {
    auto row = store_->FindTable(row_name);
    if (row.ok() && *row && (*row)->metadata_location == metadata_location) status = Status::OK();
  }
  ARROW_RETURN_NOT_OK(status);
  return table;
}

Result<LoadedTable> SqlCatalog::CommitTable(const TableIdent& ident,
                                            std::span<const iceberg::TableRequirement> requirements,
                                            std::span<const iceberg::TableUpdate> updates) {
  ARROW_ASSIGN_OR_RAISE(SqlTableName row_name, RowName(ident));
  ARROW_ASSIGN_OR_RAISE(LoadedTable base, LoadTable(ident));
  if (updates.empty()) {
    ARROW_RETURN_NOT_OK(iceberg::CheckRequirements(&base.metadata, requirements));
    return base;
  }
  ARROW_ASSIGN_OR_RAISE(CommitPlan plan, PlanCommit(std::move(base.metadata), base.metadata_location, requirements,
                                                    updates, clock_.Now() / 1000));
  int64_t version = MetastoreVersionOf(base.metadata_location).value_or(-1) + 1;
  ARROW_ASSIGN_OR_RAISE(std::string location, WriteMetadata(plan.metadata, version));
  ARROW_RETURN_NOT_OK(Settle(row_name, location, store_->SwapMetadata(row_name, base.metadata_location, location)));
  metadata_.Forget(base.metadata_location);
  for (const std::string& file : plan.forgotten_files) (void)file_io_.Delete(file);
  return LoadedTable{std::move(plan.metadata), std::move(location)};
}

Result<std::vector<std::vector<std::string>>> SqlCatalog::ListNamespaces() {
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> names, store_->ListNamespaces());
  std::vector<std::vector<std::string>> namespaces;
  for (const std::string& table_namespace : names) namespaces.push_back(LevelsOf(table_namespace));
  return namespaces;
}

Result<std::vector<TableIdent>> SqlCatalog::ListTables(const std::vector<std::string>& levels) {
  ARROW_ASSIGN_OR_RAISE(SqlTableName probe, RowName({levels, "any"}));
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> names, store_->ListTables(probe.table_namespace));
  std::vector<TableIdent> tables;
  for (std::string& table : names) tables.push_back({levels, std::move(table)});
  return tables;
}

Status SqlCatalog::DropTable(const TableIdent& ident) {
  ARROW_ASSIGN_OR_RAISE(SqlTableName row_name, RowName(ident));
  return store_->DeleteTable(row_name);
}

}  // namespace calve::catalog
