#include "calve/catalog/hadoop_catalog.h"

#include <fmt/format.h>

#include <algorithm>

#include "calve/base/random.h"
#include "calve/catalog/hadoop_publish.h"
#include "calve/catalog/hadoop_renames.h"
#include "calve/catalog/metadata_file.h"

namespace calve::catalog {
namespace {

// How often a version that vanishes between being found and being read is looked for again.
constexpr int kLooksMax = 5;
constexpr size_t kNamespaceDepthMax = 16;

Status NoSuchTable(const TableIdent& ident, const std::string& location) {
  return MakeError(ErrorKind::kNotFound, fmt::format("there is no table {} at {}", ident.ToString(), location));
}

// A level or name becomes one folder.
Status CheckFolderName(const std::string& part, const TableIdent& ident) {
  bool bad = part.empty() || part == "." || part == ".." || part.find('/') != std::string::npos ||
             part.find('\0') != std::string::npos;
  if (!bad) return Status::OK();
  return MakeError(ErrorKind::kConfig,
                   fmt::format("'{}' of the table name {} cannot be a folder's name", part, ident.ToString()),
                   "Choose a name without slashes.");
}

// What Java refuses as well: the layout decides where things are.
Status CheckRelocation(const std::string& location, const std::string& base_location,
                       const iceberg::TableMetadata& next) {
  if (next.location != base_location) {
    return MakeError(ErrorKind::kConfig, fmt::format("the table at {} cannot be moved to {}", location, next.location),
                     "Tables of a hadoop catalog stay where they are.");
  }
  if (next.properties.contains("write.metadata.path")) {
    return MakeError(ErrorKind::kConfig, fmt::format("the table at {} has the property write.metadata.path", location),
                     "Remove it: a hadoop catalog finds its metadata below the table alone.");
  }
  return Status::OK();
}

}  // namespace

Result<std::string> HadoopCatalog::TableLocation(const TableIdent& ident) const {
  std::string location = warehouse_;
  for (const std::string& level : ident.levels) {
    ARROW_RETURN_NOT_OK(CheckFolderName(level, ident));
    location = storage::JoinLocation(location, level);
  }
  ARROW_RETURN_NOT_OK(CheckFolderName(ident.name, ident));
  return storage::JoinLocation(location, ident.name);
}

Result<HadoopCatalog::Current> HadoopCatalog::Load(const TableIdent& ident, const HadoopVersion& version) {
  auto metadata = metadata_.Read(version.location);
  if (!metadata.ok()) return WithContext(metadata.status(), "table " + ident.ToString());
  return Current{{std::move(*metadata), version.location}, version.number};
}

Result<HadoopCatalog::Current> HadoopCatalog::LoadCurrent(const TableIdent& ident, HadoopVersions& versions) {
  for (int look = 0;; ++look) {
    ARROW_ASSIGN_OR_RAISE(std::optional<HadoopVersion> version, versions.FindCurrent());
    if (!version) return NoSuchTable(ident, versions.FileLocation(""));
    auto current = Load(ident, *version);
    // Trimmed by a newer commit between the look and the read.
    if (KindOf(current.status()) != ErrorKind::kNotFound || look >= kLooksMax) return current;
  }
}

Result<HadoopCatalog::Current> HadoopCatalog::LoadSettled(const TableIdent& ident, HadoopVersions& versions) {
  ARROW_ASSIGN_OR_RAISE(std::optional<HadoopVersion> version, versions.FindCurrent());
  for (int look = 0; look < kLooksMax && version; ++look) {
    // Those to this version may replace it; those to the next are about to win.
    const int64_t targets[] = {version->number, version->number + 1};
    ARROW_ASSIGN_OR_RAISE(bool awaited, AwaitRenames(file_io_, clock_, versions, targets));
    auto current = Load(ident, *version);
    const bool trimmed = KindOf(current.status()) == ErrorKind::kNotFound;
    if (!awaited && !trimmed) return current;
    ARROW_ASSIGN_OR_RAISE(std::optional<HadoopVersion> now, versions.FindCurrent());
    if (now && now->number == version->number) return current;  // it was there before the look for renames
    version = std::move(now);
  }
  if (!version) return NoSuchTable(ident, versions.FileLocation(""));
  return MakeError(ErrorKind::kConflict, fmt::format("table {} changes faster than it can be read", ident.ToString()),
                   "Try again.");
}

Result<LoadedTable> HadoopCatalog::LoadTable(const TableIdent& ident) {
  ARROW_ASSIGN_OR_RAISE(std::string location, TableLocation(ident));
  HadoopVersions versions(file_io_, location);
  ARROW_ASSIGN_OR_RAISE(Current current, LoadCurrent(ident, versions));
  return std::move(current.table);
}

Result<LoadedTable> HadoopCatalog::CreateTable(const TableIdent& ident, const CreateTableRequest& request) {
  ARROW_ASSIGN_OR_RAISE(std::string location, TableLocation(ident));
  if (!request.location.empty() && storage::JoinLocation(request.location, "") != location) {
    return MakeError(ErrorKind::kConfig,
                     fmt::format("table {} cannot be created at {}: a hadoop catalog puts it at {}", ident.ToString(),
                                 request.location, location),
                     "Leave the location out, or use a catalog of type sql.");
  }
  auto exists = [&] {
    return MakeError(ErrorKind::kAlreadyExists, fmt::format("table {} exists at {}", ident.ToString(), location));
  };
  HadoopVersions versions(file_io_, location);
  ARROW_ASSIGN_OR_RAISE(std::optional<HadoopVersion> there, versions.FindCurrent());
  if (there) return exists();
  LoadedTable table;
  ARROW_ASSIGN_OR_RAISE(table.metadata,
                        iceberg::NewTableMetadata(request.schema, request.spec, request.order, location,
                                                  request.properties, RandomUuid(), clock_.Now() / 1000));
  ARROW_RETURN_NOT_OK(CheckRelocation(location, table.metadata.location, table.metadata));
  // Never compressed: all who create the table race for one name.
  ARROW_ASSIGN_OR_RAISE(std::string bytes, EncodeMetadata(table.metadata, MetadataCompression::kNone));
  auto published = PublishVersion(file_io_, clock_, versions, {{}, table.metadata, {}, true},
                                  MetadataExtension(MetadataCompression::kNone), bytes);
  if (KindOf(published.status()) == ErrorKind::kConflict) return exists();
  ARROW_RETURN_NOT_OK(published.status());
  table.metadata_location = published->location;
  return table;
}

Result<LoadedTable> HadoopCatalog::CommitTable(const TableIdent& ident,
                                               std::span<const iceberg::TableRequirement> requirements,
                                               std::span<const iceberg::TableUpdate> updates) {
  ARROW_ASSIGN_OR_RAISE(std::string location, TableLocation(ident));
  HadoopVersions versions(file_io_, location);
  ARROW_ASSIGN_OR_RAISE(Current base, LoadSettled(ident, versions));
  const std::string base_location = std::move(base.table.metadata_location);
  iceberg::TableMetadata& base_metadata = base.table.metadata;
  if (updates.empty()) {
    ARROW_RETURN_NOT_OK(iceberg::CheckRequirements(&base_metadata, requirements));
    return LoadedTable{std::move(base_metadata), base_location};
  }
  const std::string table_location = base_metadata.location;
  // Of the base, not of what is written: all who plan on it must race for one name.
  const Result<MetadataCompression> compression = CompressionOf(base_metadata);
  ARROW_ASSIGN_OR_RAISE(CommitPlan plan, PlanCommit(std::move(base_metadata), base_location, requirements, updates,
                                                    clock_.Now() / 1000, kVersionAgeMinMs));
  ARROW_RETURN_NOT_OK(CheckRelocation(location, table_location, plan.metadata));
  ARROW_RETURN_NOT_OK(compression.status());
  ARROW_ASSIGN_OR_RAISE(std::string bytes, EncodeMetadata(plan.metadata, *compression));
  NextVersion next{{base.number, base_location}, plan.metadata, AddedSnapshots(updates)};
  ARROW_ASSIGN_OR_RAISE(HadoopVersion published,
                        PublishVersion(file_io_, clock_, versions, next, MetadataExtension(*compression), bytes));
  metadata_.Forget(base_location);
  for (const std::string& file : plan.forgotten_files) {
    if (!file_io_.Delete(file).ok()) break;  // older ones first, without a gap
  }
  return LoadedTable{std::move(plan.metadata), published.location};
}

Result<std::vector<std::vector<std::string>>> HadoopCatalog::ListNamespaces() {
  std::vector<std::vector<std::string>> found;
  ARROW_RETURN_NOT_OK(ListNamespacesBelow({}, found));
  std::sort(found.begin(), found.end());
  return found;
}

Status HadoopCatalog::ListNamespacesBelow(const std::vector<std::string>& levels,
                                          std::vector<std::vector<std::string>>& found) {
  if (levels.size() >= kNamespaceDepthMax) return Status::OK();
  std::string location = warehouse_;
  for (const std::string& level : levels) location = storage::JoinLocation(location, level);
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> folders, file_io_.ListFolders(location));
  for (const std::string& folder : folders) {
    if (folder.starts_with('.')) continue;
    ARROW_ASSIGN_OR_RAISE(std::vector<std::string> below,
                          file_io_.ListFolders(storage::JoinLocation(location, folder)));
    if (std::find(below.begin(), below.end(), "metadata") != below.end()) continue;
    std::vector<std::string> next = levels;
    next.push_back(folder);
    found.push_back(next);
    ARROW_RETURN_NOT_OK(ListNamespacesBelow(next, found));
  }
  return Status::OK();
}

Result<std::vector<TableIdent>> HadoopCatalog::ListTables(const std::vector<std::string>& levels) {
  TableIdent probe{levels, "any"};
  ARROW_RETURN_NOT_OK(TableLocation(probe).status());
  std::string location = warehouse_;
  for (const std::string& level : levels) location = storage::JoinLocation(location, level);
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> folders, file_io_.ListFolders(location));
  std::sort(folders.begin(), folders.end());
  std::vector<TableIdent> tables;
  for (const std::string& folder : folders) {
    HadoopVersions versions(file_io_, storage::JoinLocation(location, folder));
    ARROW_ASSIGN_OR_RAISE(std::optional<HadoopVersion> current, versions.FindCurrent());
    if (current) tables.push_back({levels, folder});
  }
  return tables;
}

Status HadoopCatalog::DropTable(const TableIdent& ident) {
  ARROW_ASSIGN_OR_RAISE(std::string location, TableLocation(ident));
  HadoopVersions versions(file_io_, location);
  ARROW_ASSIGN_OR_RAISE(std::optional<HadoopVersion> current, versions.FindCurrent());
  if (!current) return NoSuchTable(ident, location);
  ARROW_ASSIGN_OR_RAISE(std::string bytes, file_io_.Read(current->location));
  ARROW_RETURN_NOT_OK(file_io_.WriteNew(
      versions.FileLocation(fmt::format("dropped-v{}-{}.json", current->number, RandomUuid())), bytes));
  ARROW_RETURN_NOT_OK(versions.DeleteHint());
  // A commit may come in between; it is dropped as well.
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(std::vector<HadoopVersion> all, versions.All());
    if (all.empty()) return Status::OK();
    for (const HadoopVersion& version : all) ARROW_RETURN_NOT_OK(file_io_.Delete(version.location));
  }
}

}  // namespace calve::catalog
