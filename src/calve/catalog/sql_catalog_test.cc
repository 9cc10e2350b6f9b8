#include "calve/catalog/sql_catalog.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>

#include "calve/catalog/sqlite_store.h"
#include "calve/catalog/testing_catalog_conformance.h"

namespace calve::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct SqlitePlace : CatalogPlace {
  TempDir db_dir;  // apart from the files, which tests count
  std::string db() const { return db_dir.path() + "/made/catalog.db"; }
  std::string warehouse() const { return "file://" + dir.path() + "/warehouse"; }
  std::unique_ptr<Catalog> Open() override {
    return OpenCatalog({"sqlite:///" + db(), warehouse(), ""}, faults, clock).ValueOrDie();
  }
  sqlite::Database Raw() { return sqlite::Database::Open(db(), 5'000).ValueOrDie(); }
  std::string Cell(const std::string& sql) {
    sqlite::Database raw = Raw();
    auto select = raw.Prepare(sql).ValueOrDie();
    return select.Step().ValueOrDie() ? select.IsNull(0) ? "NULL" : select.Text(0) : "no row";
  }
};

// The tables as Java's JdbcCatalog makes them before its schema V1.
constexpr const char* kV0 =
    "CREATE TABLE iceberg_tables(catalog_name VARCHAR(255) NOT NULL,table_namespace VARCHAR(255) NOT NULL,table_name "
    "VARCHAR(255) NOT NULL,metadata_location VARCHAR(1000),previous_metadata_location VARCHAR(1000),PRIMARY KEY "
    "(catalog_name, table_namespace, table_name));"
    "CREATE TABLE iceberg_namespace_properties(catalog_name VARCHAR(255) NOT NULL,namespace VARCHAR(255) NOT "
    "NULL,property_key VARCHAR(255),property_value VARCHAR(1000),PRIMARY KEY (catalog_name, namespace, property_key));";

// The conformance suite again, on a database that Java made.
struct SqliteV0Place : SqlitePlace {
  SqliteV0Place() { EXPECT_TRUE(Raw().Execute(kV0).ok()); }
};

INSTANTIATE_FILE_CATALOG_CONFORMANCE(
    Sqlite, ::testing::Values(CatalogCase{"sqlite", [] { return std::make_unique<SqlitePlace>(); }},
                              CatalogCase{"sqliteV0", [] { return std::make_unique<SqliteV0Place>(); }}));

// Looking at a catalog makes no database.
TEST(SqliteStore, LookingMakesNoFile) {
  SqlitePlace place;
  EXPECT_TRUE(place.Open()->ListNamespaces().ValueOrDie().empty());
  EXPECT_FALSE(std::filesystem::exists(place.db_dir.path() + "/made"));
}

class SqlCatalogTest : public ::testing::Test {
 protected:
  SqlitePlace place_;
  std::unique_ptr<Catalog> catalog_ = place_.Open();
  const TableIdent ident_{{"cold"}, "trades"};
};

TEST_F(SqlCatalogTest, ANewDatabaseIsAsPyIcebergMakesIt) {
  LoadedTable created = catalog_->CreateTable({{"a", "b"}, "t"}, TradesRequest()).ValueOrDie();
  LoadedTable next = SetProperty(*catalog_, {{"a", "b"}, "t"}, "k", "v").ValueOrDie();
  EXPECT_EQ(
      place_.Cell("SELECT catalog_name||'|'||table_namespace||'|'||table_name||'|'||iceberg_type FROM iceberg_tables"),
      "calve|a.b|t|TABLE");
  EXPECT_EQ(place_.Cell("SELECT metadata_location FROM iceberg_tables"), next.metadata_location);
  EXPECT_EQ(place_.Cell("SELECT previous_metadata_location FROM iceberg_tables"), created.metadata_location);
  EXPECT_EQ(place_.Cell("SELECT catalog_name||'|'||namespace||'|'||property_key||'|'||property_value FROM "
                        "iceberg_namespace_properties"),
            "calve|a.b|exists|true");
  EXPECT_THAT(created.metadata_location,
              ::testing::MatchesRegex(".*/a/b/t/metadata/00000-[0-9a-f-]{36}\\.metadata\\.json"));
  EXPECT_THAT(next.metadata_location,
              ::testing::MatchesRegex(".*/a/b/t/metadata/00001-[0-9a-f-]{36}\\.metadata\\.json"));
}

TEST_F(SqlCatalogTest, AnotherCatalogNameSeesOtherTables) {
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  auto other =
      OpenCatalog({"sqlite:///" + place_.db(), place_.warehouse(), "demo"}, place_.local, place_.clock).ValueOrDie();
  EXPECT_EQ(KindOf(other->LoadTable(ident_).status()), ErrorKind::kNotFound);
  EXPECT_TRUE(other->ListNamespaces().ValueOrDie().empty());
  EXPECT_TRUE(other->CreateTable(ident_, TradesRequest()).ok());
}

TEST_F(SqlCatalogTest, JavasSchemaWithoutTypesIsUsedAsItIs) {
  ASSERT_TRUE(place_.Raw().Execute(kV0).ok());
  const std::string schema = "SELECT group_concat(sql) FROM sqlite_master";
  std::string before = place_.Cell(schema);
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  LoadedTable next = SetProperty(*catalog_, ident_, "k", "v").ValueOrDie();
  EXPECT_EQ(place_.Open()->LoadTable(ident_)->metadata_location, next.metadata_location);
  EXPECT_THAT(catalog_->ListTables({"cold"}).ValueOrDie(), ElementsAre(ident_));
  EXPECT_THAT(catalog_->ListNamespaces().ValueOrDie(), ElementsAre(ElementsAre("cold")));
  EXPECT_EQ(place_.Cell(schema), before) << "never migrated";
  // Java migrates it while we hold it open: our row has no type now.
  ASSERT_TRUE(place_.Raw().Execute("ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)").ok());
  ASSERT_TRUE(SetProperty(*catalog_, ident_, "k", "w").ok());
  EXPECT_EQ(place_.Open()->LoadTable(ident_)->metadata.Property("k", ""), "w");
  EXPECT_TRUE(catalog_->DropTable(ident_).ok());
}

TEST_F(SqlCatalogTest, ViewsAreNoTables) {
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  ASSERT_TRUE(place_.Raw()
                  .Execute("INSERT INTO iceberg_tables VALUES ('calve', 'cold', 'v', 'file:///v.json', NULL, 'VIEW')")
                  .ok());
  TableIdent view{{"cold"}, "v"};
  EXPECT_EQ(KindOf(catalog_->LoadTable(view).status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(SetProperty(*catalog_, view, "k", "v").status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(catalog_->DropTable(view)), ErrorKind::kNotFound);
  Status create = catalog_->CreateTable(view, TradesRequest()).status();
  EXPECT_EQ(KindOf(create), ErrorKind::kConfig) << "it can never be made";
  EXPECT_THAT(MessageOf(create), HasSubstr("cold.v is a view"));
  EXPECT_THAT(catalog_->ListTables({"cold"}).ValueOrDie(), ElementsAre(ident_));
  EXPECT_EQ(place_.Cell("SELECT count(*) FROM iceberg_tables"), "2");
  EXPECT_TRUE(place_.local.List(place_.dir.path() + "/warehouse/cold/v").ValueOrDie().empty())
      << "its metadata is removed";
}

TEST_F(SqlCatalogTest, LocationsOfTableAndMetadataAreHonoured) {
  CreateTableRequest request = TradesRequest();
  request.location = place_.dir.path() + "/elsewhere/";
  request.properties["write.metadata.path"] = "file://" + place_.dir.path() + "/apart/";
  LoadedTable table = catalog_->CreateTable(ident_, request).ValueOrDie();
  EXPECT_EQ(table.metadata.location, place_.dir.path() + "/elsewhere");
  EXPECT_THAT(table.metadata_location, ::testing::StartsWith("file://" + place_.dir.path() + "/apart/00000-"));
  EXPECT_THAT(SetProperty(*catalog_, ident_, "k", "v")->metadata_location, HasSubstr("/apart/00001-"));
}

TEST_F(SqlCatalogTest, ALockedDatabaseIsRetriedAndLeavesNoFile) {
  LoadedTable base = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  SqlCatalog impatient(std::make_unique<SqliteStore>(place_.db(), "calve", 50), place_.warehouse(), place_.local,
                       place_.clock);
  sqlite::Database raw = place_.Raw();
  size_t files = place_.local.List(place_.warehouse())->size();
  {
    auto held = sqlite::Transaction::Begin(raw).ValueOrDie();
    EXPECT_EQ(KindOf(SetProperty(impatient, ident_, "k", "v").status()), ErrorKind::kRetry);
  }
  {  // A reader in the middle of a row keeps COMMIT from finishing; that is certain too.
    auto reading = raw.Prepare("SELECT * FROM iceberg_tables").ValueOrDie();
    ASSERT_TRUE(reading.Step().ValueOrDie());
    EXPECT_EQ(KindOf(SetProperty(impatient, ident_, "k", "v").status()), ErrorKind::kRetry);
  }
  EXPECT_EQ(place_.local.List(place_.warehouse())->size(), files);
  EXPECT_EQ(impatient.LoadTable(ident_)->metadata_location, base.metadata_location);
  EXPECT_TRUE(SetProperty(impatient, ident_, "k", "v").ok());
}

TEST_F(SqlCatalogTest, ADatabaseThatIsDeletedTakesNoMoreCommits) {
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  std::filesystem::remove(place_.db());
  EXPECT_EQ(KindOf(SetProperty(*catalog_, ident_, "k", "v").status()), ErrorKind::kNotFound);
  EXPECT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  EXPECT_TRUE(place_.Open()->LoadTable(ident_).ok());
}

TEST_F(SqlCatalogTest, WhatIsNoDatabaseIsCorrupt) {
  ASSERT_TRUE(place_.local.WriteNew(place_.db(), std::string(4000, 'x')).ok());
  for (const Status& status :
       {catalog_->LoadTable(ident_).status(), catalog_->CreateTable(ident_, TradesRequest()).status()}) {
    EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt) << status.ToString();
    EXPECT_THAT(MessageOf(status), HasSubstr(place_.db()));
  }
  EXPECT_EQ(place_.local.Read(place_.db())->size(), 4000u);
}

TEST_F(SqlCatalogTest, AMissingMetadataFileIsCorrupt) {
  LoadedTable table = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  ASSERT_TRUE(place_.local.Delete(table.metadata_location).ok());
  Status status = catalog_->LoadTable(ident_).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt);
  EXPECT_THAT(MessageOf(status), HasSubstr(table.metadata_location));
}

// A store whose answers get lost, as those of a database behind a network do.
class LossyStore : public SqlStore {
 public:
  explicit LossyStore(std::unique_ptr<SqlStore> inner) : inner_(std::move(inner)) {}
  enum class Loss { kNone, kBefore, kAfter } loss = Loss::kNone;
  std::function<void()> after_change = [] {};

  std::string name() const override { return inner_->name(); }
  Result<std::optional<SqlTableRow>> FindTable(const SqlTableName& name) override { return inner_->FindTable(name); }
  Status InsertTable(const SqlTableName& name, const std::string& location) override {
    return Lose([&] { return inner_->InsertTable(name, location); });
  }
  Status SwapMetadata(const SqlTableName& name, const std::string& from, const std::string& to) override {
    return Lose([&] { return inner_->SwapMetadata(name, from, to); });
  }
  Status DeleteTable(const SqlTableName& name) override { return inner_->DeleteTable(name); }
  Result<std::vector<std::string>> ListNamespaces() override { return inner_->ListNamespaces(); }
  Result<std::vector<std::string>> ListTables(const std::string& ns) override { return inner_->ListTables(ns); }

 private:
  Status Lose(const std::function<Status()>& change) {
    Loss now = std::exchange(loss, Loss::kNone);
    Status status = now == Loss::kBefore ? Status::OK() : change();
    if (now == Loss::kNone) return status;
    std::exchange(after_change, [] {})();
    return MakeError(ErrorKind::kUnknownOutcome, "the connection was lost");
  }
  std::unique_ptr<SqlStore> inner_;
};

class SqlCatalogWithLosses : public SqlCatalogTest {
 protected:
  LossyStore* store_ = new LossyStore(std::make_unique<SqliteStore>(place_.db(), "calve"));  // owned by lossy_
  SqlCatalog lossy_{std::unique_ptr<SqlStore>(store_), place_.warehouse(), place_.local, place_.clock};
};

TEST_F(SqlCatalogWithLosses, ACommitWhoseAnswerIsLostIsLookedForAndNeverDeleted) {
  LoadedTable base = lossy_.CreateTable(ident_, TradesRequest()).ValueOrDie();
  size_t files = place_.local.List(place_.warehouse())->size();
  store_->loss = LossyStore::Loss::kBefore;
  EXPECT_EQ(KindOf(SetProperty(lossy_, ident_, "k", "1").status()), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(place_.local.List(place_.warehouse())->size(), files + 1) << "it may still arrive";
  EXPECT_EQ(lossy_.LoadTable(ident_)->metadata_location, base.metadata_location);

  store_->loss = LossyStore::Loss::kAfter;
  auto seen = SetProperty(lossy_, ident_, "k", "2");
  ASSERT_TRUE(seen.ok()) << seen.status().ToString();
  EXPECT_EQ(lossy_.LoadTable(ident_)->metadata.Property("k", ""), "2");

  // Another commit on top of ours still names ours as the one before.
  store_->loss = LossyStore::Loss::kAfter;
  store_->after_change = [&] { ASSERT_TRUE(SetProperty(*catalog_, ident_, "other", "x").ok()); };
  EXPECT_TRUE(SetProperty(lossy_, ident_, "k", "3").ok());
  EXPECT_EQ(lossy_.LoadTable(ident_)->metadata.Property("k", ""), "3");

  // Two, and the row says nothing about ours any more.
  store_->loss = LossyStore::Loss::kAfter;
  store_->after_change = [&] {
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(SetProperty(*catalog_, ident_, "other", std::to_string(i)).ok());
  };
  EXPECT_EQ(KindOf(SetProperty(lossy_, ident_, "k", "4").status()), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(lossy_.LoadTable(ident_)->metadata.Property("k", ""), "4");
}

TEST_F(SqlCatalogWithLosses, ACreationWhoseAnswerIsLostIsLookedFor) {
  store_->loss = LossyStore::Loss::kBefore;
  EXPECT_EQ(KindOf(lossy_.CreateTable(ident_, TradesRequest()).status()), ErrorKind::kUnknownOutcome);
  store_->loss = LossyStore::Loss::kAfter;
  EXPECT_TRUE(lossy_.CreateTable(ident_, TradesRequest()).ok());
  EXPECT_TRUE(lossy_.LoadTable(ident_).ok());
}

TEST_F(SqlCatalogTest, ALostRaceLeavesNoMetadataFile) {
  LoadedTable base = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  SqliteStore store(place_.db(), "calve");
  ASSERT_TRUE(SetProperty(*catalog_, ident_, "k", "v").ok());
  Status swap = store.SwapMetadata({"cold", "trades"}, base.metadata_location, "file:///elsewhere");
  EXPECT_EQ(KindOf(swap), ErrorKind::kConflict);
  EXPECT_THAT(MessageOf(swap), HasSubstr("cold.trades"));
  EXPECT_EQ(KindOf(store.SwapMetadata({"cold", "gone"}, "a", "b")), ErrorKind::kNotFound);
  // A requirement that fails is noticed before anything is written.
  size_t files = place_.local.List(place_.warehouse())->size();
  LoadedTable before = catalog_->LoadTable(ident_).ValueOrDie();
  std::vector<iceberg::TableRequirement> stale{iceberg::AssertTableUuid{"00000000-0000-4000-8000-000000000000"}};
  std::vector<iceberg::TableUpdate> update{iceberg::SetProperties{{{"k", "w"}}}};
  EXPECT_EQ(KindOf(catalog_->CommitTable(ident_, stale, update).status()), ErrorKind::kConflict);
  EXPECT_EQ(place_.local.List(place_.warehouse())->size(), files);
}

}  // namespace
}  // namespace calve::catalog
