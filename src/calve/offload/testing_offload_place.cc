#include "calve/offload/testing_offload_place.h"

#include <arrow/array.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>

#include <filesystem>
#include <stdexcept>
#include <utility>

#include "calve/base/random.h"
#include "calve/catalog/postgres_store.h"
#include "calve/catalog/rest_catalog.h"
#include "calve/catalog/sql_catalog.h"
#include "calve/catalog/sqlite_store.h"
#include "calve/catalog/testing_fault_sql_store.h"
#include "calve/offload/plan_commit.h"
#include "calve/offload/plan_slices.h"
#include "calve/offload/slice.h"
#include "calve/offload/slice_lines.h"
#include "calve/offload/table_lease.h"
#include "calve/offload/write_planned_slice.h"
#include "calve/postgres/testing_postgres_server.h"
#include "calve/table/scan.h"
#include "calve/table/snapshot_manifests.h"
#include "calve/table/snapshot_producer.h"

namespace calve::offload {
namespace {

std::unique_ptr<catalog::Catalog> OpenOn(const OffloadPlace& place, storage::FileIO& file_io, const Clock& clock,
                                         storage::FaultList& faults) {
  if (place.kind == CatalogKind::kHadoop) {
    return catalog::OpenCatalog({"hadoop", place.Warehouse(), ""}, file_io, clock).ValueOrDie();
  }
  if (place.rest) {
    place.rest->faults = &faults;
    return catalog::RestCatalog::Make(place.rest->options, "", nullptr, clock, place.rest->stop).ValueOrDie();
  }
  std::unique_ptr<catalog::SqlStore> store;
  if (place.kind == CatalogKind::kPostgres) {
    postgres::ConnectOptions options;
    options.uri = place.database;
    store = catalog::PostgresStore::Make(options, "calve").ValueOrDie();
  } else {
    store = std::make_unique<catalog::SqliteStore>(place.folder + "/catalog.db", "calve");
  }
  return std::make_unique<catalog::SqlCatalog>(
      std::make_unique<catalog::FaultInjectingSqlStore>(std::move(store), faults), place.Warehouse(), file_io, clock);
}

template <typename T>
void Must(const Result<T>& result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
}

// The column's chunks as one; null where the file lacks it.
std::shared_ptr<arrow::Array> Column(const arrow::Table& table, const std::string& name) {
  auto chunks = table.GetColumnByName(name);
  if (!chunks) return nullptr;
  if (chunks->num_chunks() != 1) throw std::runtime_error("small files have one chunk");
  return chunks->chunk(0);
}

}  // namespace

const char* NameOf(CatalogKind kind) {
  switch (kind) {
    case CatalogKind::kHadoop:
      return "hadoop";
    case CatalogKind::kSql:
      return "sql";
    case CatalogKind::kPostgres:
      return "postgres";
    case CatalogKind::kRest:
      return "rest";
    case CatalogKind::kRestCurrent:
      return "rest_current";
  }
  return "";
}

RestServerPlace::RestServerPlace(catalog::FakeRestServer::OpenInner open, catalog::RestServerOptions server_options)
    : server(std::move(open), std::move(server_options)) {
  options.uri = server.url();
  options.retry = {.attempts_max = 3, .wait_min_ms = 0, .wait_max_ms = 1, .total_max_ms = 10'000};
  server.SetFaults([this](const http::SeenRequest& request) { return FaultOf(request); });
  server.Forget();
}

catalog::RestFault RestServerPlace::FaultOf(const http::SeenRequest& request) {
  storage::FaultList* list = faults;
  if (!list) return {};
  bool carried_out = false;
  const Status status = list->Guard(std::nullopt, "rest-" + request.method, request.target, [&] {
    carried_out = true;
    return Status::OK();
  });
  if (status.ok()) return {};
  return {carried_out ? catalog::RestFault::Kind::kLostAnswer : catalog::RestFault::Kind::kLostRequest};
}

OffloadPlace::OffloadPlace(CatalogKind catalog_kind, std::string in_folder)
    : kind(catalog_kind),
      folder(std::move(in_folder)),
      database(kind == CatalogKind::kPostgres ? postgres::PostgresServer::Get()->NextUri() : "") {
  request.source_table = "trades";
  request.target = {{"cold"}, "trades"};
  request.timestamp_column = "ts";
  request.sequence_column = "id";
  request.buffer_micros = 0;
  request.memory_bytes = 8 << 20;
  request.properties = {{"commit.retry.min-wait-ms", "0"}, {"commit.retry.max-wait-ms", "0"}};
  if (!IsRest(kind)) return;
  catalog::RestServerOptions options;
  options.offers_transactions = true;
  options.shows_only_current_snapshot = kind == CatalogKind::kRestCurrent;
  rest = std::make_unique<RestServerPlace>([this] { return OpenCatalog(); }, options);
}

std::unique_ptr<catalog::Catalog> OffloadPlace::OpenCatalog() {
  std::string name = kind == CatalogKind::kHadoop ? "hadoop" : "sqlite:///" + folder + "/catalog.db";
  return catalog::OpenCatalog({database.empty() ? name : database, Warehouse(), ""}, file_io, clock).ValueOrDie();
}

Result<catalog::LoadedTable> OffloadPlace::Look() {
  if (kind != CatalogKind::kPostgres) return OpenCatalog()->LoadTable(request.target);
  if (!looking_) looking_ = OpenCatalog();
  return looking_->LoadTable(request.target);
}

void OffloadPlace::Sql(const std::string& sql) const {
  const std::string schema = database.substr(database.rfind("%3D") + 3);
  postgres::PostgresServer::ExecuteAt(database, fmt::format(fmt::runtime(sql), schema, schema + "_kept"));
}

void OffloadPlace::Keep() {
  std::filesystem::copy(folder, Kept(), std::filesystem::copy_options::recursive);
  if (database.empty()) return;
  Sql(R"(CREATE SCHEMA {1};
DO $$ DECLARE t text; BEGIN
  FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = '{0}' LOOP
    EXECUTE format('CREATE TABLE {1}.%I AS TABLE {0}.%I', t, t);
  END LOOP;
END $$)");
}

void OffloadPlace::Restore() {
  std::filesystem::remove_all(folder);
  std::filesystem::copy(Kept(), folder, std::filesystem::copy_options::recursive);
  if (database.empty()) return;
  Sql(R"(DO $$ DECLARE t text; BEGIN
  FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = '{0}' LOOP
    IF to_regclass(format('{1}.%I', t)) IS NULL THEN
      EXECUTE format('DROP TABLE {0}.%I', t);
    ELSE
      EXECUTE format('DELETE FROM {0}.%I', t);
      EXECUTE format('INSERT INTO {0}.%I OVERRIDING SYSTEM VALUE TABLE {1}.%I', t, t);
    END IF;
  END LOOP;
END $$)");
}

OffloadProcess::OffloadProcess(OffloadPlace& place, storage::FaultList& faults)
    : place_(place),
      file_io_(place.file_io, faults),
      inner_catalog_(OpenOn(place, file_io_, place.clock, faults)),
      inner_journal_(journal::OpenJournal(place.JournalUri()).ValueOrDie()),
      catalog_(*inner_catalog_, faults),
      journal_(*inner_journal_, faults) {}

OffloadProcess::~OffloadProcess() {
  if (place_.rest) place_.rest->faults = nullptr;
}

Result<OffloadResult> OffloadProcess::Run() {
  OffloadContext context{place_.source, catalog_, file_io_, &journal_, place_.clock, stop_, *this};
  return OffloadTable(context, place_.request);
}

Result<OffloadResult> OffloadProcess::RunSlices() {
  const OffloadContext context{place_.source, catalog_, file_io_, &journal_, place_.clock, stop_, *this};
  PlanSlicesRequest options;
  options.slices = 3;
  options.resume = true;
  ARROW_ASSIGN_OR_RAISE(const PlannedSlices planned, PlanSlices(context, place_.request, options));
  if (planned.held_by) return MakeError(ErrorKind::kConflict, HolderOf(*planned.held_by) + " works here");
  if (planned.lines.empty()) return OffloadResult{};
  ARROW_ASSIGN_OR_RAISE(const auto types, PartitionTypesOf(planned.plan));
  PlanCommitRequest committing;
  for (const std::string& text : planned.lines) {
    ARROW_ASSIGN_OR_RAISE(const SliceLine line, ReadSliceLine(text));
    SliceWriteOptions writing;
    writing.memory_bytes = place_.request.memory_bytes;
    writing.attempts_max = 1;  // between two it waits
    ARROW_ASSIGN_OR_RAISE(const WrittenLine written,
                          WritePlannedSlice({place_.source, file_io_, stop_, *this}, planned.plan, line, writing));
    ARROW_ASSIGN_OR_RAISE(committing.lines.emplace_back(), WriteWrittenLine(written, types));
  }
  return CommitPlan({catalog_, file_io_, &journal_, place_.clock, *this}, committing);
}

Result<RepairResult> OffloadProcess::Repair() {
  const VerifyContext context{&place_.source, catalog_, file_io_, place_.clock, stop_, *this, &journal_};
  VerifyRequest request;
  request.source_table = place_.request.source_table;
  request.target = place_.request.target;
  request.timestamp_column = place_.request.timestamp_column;
  request.key = place_.request.key;
  request.memory_bytes = place_.request.memory_bytes;
  return RepairTable(context, request, place_.request.lease_micros);
}

std::vector<iceberg::DataFile> WriteRows(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                         const std::vector<SourceRow>& rows) {
  if (rows.empty()) return {};
  RowsSource engine;
  engine.InsertBlock(rows);
  SlicePlan slice;
  slice.queries = {{"SELECT `ts`, `id`, `symbol`", {}}};
  if (metadata.schema().FindField("extra")) slice.queries[0].sql += ", `extra`";
  slice.window.to = INT64_MAX;
  slice.write = {metadata.schema(), metadata.spec(), metadata.location + "/data", RandomUuid()};
  StopToken stop;
  auto written = WriteSlice(engine, file_io, slice, stop, [](int64_t, int64_t, int64_t) {});
  Must(written);
  return written->files;
}

Result<int64_t> CommitFiles(OffloadPlace& place, std::vector<iceberg::DataFile> added,
                            std::vector<iceberg::DataFile> removed) {
  const iceberg::TableMetadata metadata = place.Load().metadata;
  table::SnapshotProducer producer(
      place.file_io, {std::move(added), std::move(removed), {}, RandomUuid(), metadata.current_snapshot_id});
  ARROW_ASSIGN_OR_RAISE(auto prepared, producer.Prepare(metadata, place.clock.Now() / 1000));
  ARROW_RETURN_NOT_OK(
      place.OpenCatalog()->CommitTable(place.request.target, prepared.requirements, prepared.updates).status());
  return prepared.snapshot.snapshot_id;
}

std::vector<ColdRow> ReadDataFile(storage::FileIO& file_io, const std::string& location) {
  std::vector<ColdRow> rows;
  auto input = file_io.OpenInput(location);
  Must(input);
  auto reader = parquet::arrow::OpenFile(*input, arrow::default_memory_pool());
  Must(reader);
  (*reader)->set_use_threads(false);  // tests fork
  auto table = (*reader)->ReadTable();
  Must(table);
  auto ts = std::static_pointer_cast<arrow::TimestampArray>(Column(**table, "ts"));
  auto id = std::static_pointer_cast<arrow::Int64Array>(Column(**table, "id"));
  auto symbol = std::static_pointer_cast<arrow::StringArray>(Column(**table, "symbol"));
  auto extra = std::static_pointer_cast<arrow::Int32Array>(Column(**table, "extra"));
  for (int64_t i = 0; i < (*table)->num_rows(); ++i) {
    rows.push_back(
        {ts->Value(i), id->Value(i), symbol->GetString(i), extra && extra->IsValid(i) ? extra->Value(i) : -1});
  }
  return rows;
}

std::vector<ColdRow> ReadColdRows(storage::FileIO& file_io, const iceberg::TableMetadata& metadata) {
  std::vector<ColdRow> rows;
  const iceberg::Snapshot* tip = metadata.CurrentSnapshot();
  if (!tip) return rows;
  auto files = table::ListDataFiles(file_io, metadata, tip->snapshot_id);
  Must(files);
  for (const iceberg::DataFile& file : *files) {
    for (ColdRow& row : ReadDataFile(file_io, file.file_path)) rows.push_back(std::move(row));
  }
  return rows;
}

std::set<std::string> ReferencedFiles(storage::FileIO& file_io, const catalog::LoadedTable& table) {
  std::set<std::string> paths = {storage::LocalPath(table.metadata_location)};
  for (const auto& entry : table.metadata.metadata_log) paths.insert(storage::LocalPath(entry.metadata_file));
  for (const iceberg::Snapshot& snapshot : table.metadata.snapshots) {
    paths.insert(storage::LocalPath(snapshot.manifest_list));
    auto manifests = table::ReadManifests(file_io, table.metadata, snapshot);
    Must(manifests);
    for (const iceberg::ManifestFile& manifest : *manifests) {
      if (!paths.insert(storage::LocalPath(manifest.manifest_path)).second) continue;
      auto entries = table::ReadEntries(file_io, table.metadata, manifest);
      Must(entries);
      for (const iceberg::ManifestEntry& entry : *entries) {
        if (entry.status != iceberg::EntryStatus::kDeleted) paths.insert(storage::LocalPath(entry.data_file.file_path));
      }
    }
  }
  return paths;
}

std::set<std::string> FilesOnDisk(const OffloadPlace& place) {
  std::set<std::string> paths;
  std::string warehouse = storage::LocalPath(place.Warehouse());
  if (!std::filesystem::exists(warehouse)) return paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(warehouse)) {
    if (entry.is_regular_file() && entry.path().filename() != "version-hint.text") paths.insert(entry.path());
  }
  return paths;
}

}  // namespace calve::offload
