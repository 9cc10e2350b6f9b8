#include "calve/catalog/postgres_store.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "calve/catalog/testing_postgres_place.h"

namespace calve::catalog {
namespace {

using postgres::PostgresServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Named RealServer, so that they share one server (http/testing_server_process.h). The conformance suite, on a database
// that has nothing yet and on one that Java made. Registered where there is a server: the suite makes its place before
// a test could be skipped.
std::vector<CatalogCase> Cases() {
  if (!PostgresServer::IsInstalled()) return {};
  return {CatalogCase{"postgres", [] { return std::make_unique<PostgresPlace>(*PostgresServer::Get()); }},
          CatalogCase{"postgresV0", [] { return std::make_unique<PostgresPlace>(*PostgresServer::Get(), kJavaV0); }}};
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CatalogConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TableHistoryConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MetadataFileConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FaultyFileConformance);
INSTANTIATE_FILE_CATALOG_CONFORMANCE(PostgresRealServer, ::testing::ValuesIn(Cases()));

class PostgresRealServer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!PostgresServer::Get()) GTEST_SKIP() << "there is no PostgreSQL on this machine";
    place_ = std::make_unique<PostgresPlace>(*PostgresServer::Get());
    catalog_ = place_->Open();
  }
  std::unique_ptr<PostgresStore> Store(const std::string& uri) {
    postgres::ConnectOptions options;
    options.uri = uri;
    return PostgresStore::Make(options, "calve").ValueOrDie();
  }

  std::unique_ptr<PostgresPlace> place_;
  std::unique_ptr<Catalog> catalog_;
  const TableIdent ident_{{"cold"}, "trades"};
};

TEST_F(PostgresRealServer, LookingMakesNoTables) {
  EXPECT_TRUE(catalog_->ListNamespaces().ValueOrDie().empty());
  EXPECT_TRUE(catalog_->ListTables({"cold"}).ValueOrDie().empty());
  EXPECT_EQ(KindOf(catalog_->LoadTable(ident_).status()), ErrorKind::kNotFound);
  EXPECT_EQ(place_->Sql("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"), "0");
}

TEST_F(PostgresRealServer, ANewDatabaseIsAsPyIcebergMakesIt) {
  LoadedTable created = catalog_->CreateTable({{"a", "b"}, "t"}, TradesRequest()).ValueOrDie();
  LoadedTable next = SetProperty(*catalog_, {{"a", "b"}, "t"}, "k", "v").ValueOrDie();
  EXPECT_EQ(
      place_->Sql("SELECT concat_ws('|', catalog_name, table_namespace, table_name, iceberg_type) FROM iceberg_tables"),
      "calve|a.b|t|TABLE");
  EXPECT_EQ(place_->Sql("SELECT metadata_location FROM iceberg_tables"), next.metadata_location);
  EXPECT_EQ(place_->Sql("SELECT previous_metadata_location FROM iceberg_tables"), created.metadata_location);
  EXPECT_EQ(place_->Sql("SELECT concat_ws('|', catalog_name, namespace, property_key, property_value) FROM "
                        "iceberg_namespace_properties"),
            "calve|a.b|exists|true");
}

TEST_F(PostgresRealServer, JavasSchemaWithoutTypesIsUsedAsItIs) {
  place_->Sql(kJavaV0);
  const std::string columns =
      "SELECT string_agg(table_name || '.' || column_name, ',' ORDER BY 1) FROM information_schema.columns WHERE "
      "table_schema = current_schema()";
  std::string before = place_->Sql(columns);
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  LoadedTable next = SetProperty(*catalog_, ident_, "k", "v").ValueOrDie();
  EXPECT_EQ(place_->Open()->LoadTable(ident_)->metadata_location, next.metadata_location);
  EXPECT_EQ(place_->Sql(columns), before) << "never migrated";
  // Java or PyIceberg migrates it while we hold it open: our row has no type now.
  place_->Sql("ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)");
  ASSERT_TRUE(SetProperty(*catalog_, ident_, "k", "w").ok());
  EXPECT_EQ(place_->Open()->LoadTable(ident_)->metadata.Property("k", ""), "w");
  EXPECT_TRUE(catalog_->DropTable(ident_).ok());
}

TEST_F(PostgresRealServer, ViewsAreNoTables) {
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  place_->Sql("INSERT INTO iceberg_tables VALUES ('calve', 'cold', 'v', 'file:///v.json', NULL, 'VIEW')");
  TableIdent view{{"cold"}, "v"};
  EXPECT_EQ(KindOf(catalog_->LoadTable(view).status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(SetProperty(*catalog_, view, "k", "v").status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(catalog_->DropTable(view)), ErrorKind::kNotFound);
  Status create = catalog_->CreateTable(view, TradesRequest()).status();
  EXPECT_EQ(KindOf(create), ErrorKind::kConfig) << "it can never be made";
  EXPECT_THAT(MessageOf(create), HasSubstr("cold.v is a view"));
  EXPECT_THAT(catalog_->ListTables({"cold"}).ValueOrDie(), ElementsAre(ident_));
  EXPECT_EQ(place_->Sql("SELECT count(*) FROM iceberg_tables"), "2");
  EXPECT_TRUE(place_->local.List(place_->dir.path() + "/warehouse/cold/v").ValueOrDie().empty())
      << "its metadata is removed";
}

TEST_F(PostgresRealServer, AnotherCatalogNameSeesOtherTables) {
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  auto other = OpenCatalog({place_->uri, place_->warehouse(), "demo"}, place_->local, place_->clock).ValueOrDie();
  EXPECT_EQ(KindOf(other->LoadTable(ident_).status()), ErrorKind::kNotFound);
  EXPECT_TRUE(other->ListNamespaces().ValueOrDie().empty());
  EXPECT_TRUE(other->CreateTable(ident_, TradesRequest()).ok());
}

TEST_F(PostgresRealServer, TheFirstTablesOnTheSearchPathAreMeant) {
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  const std::string there = place_->Sql("SELECT current_schema()"), empty = there + "_empty";
  place_->Sql("CREATE SCHEMA " + empty);
  auto store = Store(place_->server.Uri("postgres", empty + "," + there));
  EXPECT_TRUE(store->FindTable({"cold", "trades"}).ValueOrDie().has_value());
  ASSERT_TRUE(store->InsertTable({"cold", "other"}, "file:///x.json").ok());
  EXPECT_EQ(place_->Sql("SELECT count(*) FROM iceberg_tables"), "2");
  auto apart = Store(place_->server.Uri("postgres", empty));
  EXPECT_FALSE(apart->FindTable({"cold", "trades"}).ValueOrDie().has_value());
  ASSERT_TRUE(apart->InsertTable({"cold", "trades"}, "file:///x.json").ok());
  EXPECT_EQ(place_->Sql("SELECT count(*) FROM iceberg_tables"), "2");
  Status nowhere =
      Store(place_->server.Uri("postgres", "no_such_schema"))->InsertTable({"cold", "t"}, "file:///x.json");
  EXPECT_EQ(KindOf(nowhere), ErrorKind::kConfig) << nowhere.ToString();
  EXPECT_THAT(RemedyOf(nowhere), HasSubstr("schema"));
}

// Eight programs at once on a database without tables.
TEST_F(PostgresRealServer, OfProgramsThatMakeTheTablesAtOnceAllGoOn) {
  for (int round = 0; round < 3; ++round) {
    PostgresPlace place(place_->server);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        Status made = place.Open()->CreateTable({{"cold"}, "t" + std::to_string(i)}, TradesRequest()).status();
        EXPECT_TRUE(made.ok()) << made.ToString();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(place.Sql("SELECT count(*) FROM iceberg_tables"), "8");
    EXPECT_EQ(place.Sql("SELECT count(*) FROM iceberg_namespace_properties"), "1");
  }
}

TEST_F(PostgresRealServer, WhatTheUserMayNotDoIsSaid) {
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  const std::string schema = place_->Sql("SELECT current_schema()");
  place_->Sql("CREATE ROLE viewer_" + schema + " LOGIN; GRANT USAGE ON SCHEMA " + schema + " TO viewer_" + schema +
              "; GRANT SELECT ON ALL TABLES IN SCHEMA " + schema + " TO viewer_" + schema);
  auto store = Store(place_->server.Uri("viewer_" + schema, schema));
  EXPECT_TRUE(store->FindTable({"cold", "trades"}).ValueOrDie().has_value());
  EXPECT_THAT(store->ListTables("cold").ValueOrDie(), ElementsAre("trades"));
  for (const Status& status :
       {store->InsertTable({"cold", "t"}, "x"), store->SwapMetadata({"cold", "trades"}, "a", "b"),
        store->DeleteTable({"cold", "trades"})}) {
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << status.ToString();
    EXPECT_THAT(MessageOf(status), HasSubstr("iceberg_tables"));
    EXPECT_THAT(RemedyOf(status), HasSubstr("docs/catalogs.md"));
  }
  place_->Sql("DROP OWNED BY viewer_" + schema + "; DROP ROLE viewer_" + schema);
}

TEST_F(PostgresRealServer, ALocationThatIsTooLongIsRefusedAndLeavesNoFile) {
  TableIdent long_name{{"cold"}, std::string(300, 'x')};
  Status status = catalog_->CreateTable(long_name, TradesRequest()).status();
  EXPECT_FALSE(status.ok());
  auto store = Store(place_->uri);
  Status insert = store->InsertTable({"cold", std::string(300, 'x')}, "file:///x.json");
  EXPECT_EQ(KindOf(insert), ErrorKind::kConfig) << insert.ToString();
  EXPECT_THAT(RemedyOf(insert), HasSubstr("shorter"));
  EXPECT_TRUE(place_->local.List(place_->warehouse()).ValueOrDie().empty());
}

TEST_F(PostgresRealServer, CommitsWaitForTheDiskWhateverTheDefaultIs) {
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  place_->Sql("CREATE TABLE seen (value TEXT)");
  place_->Sql(
      "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES "
      "(current_setting('synchronous_commit')); RETURN NULL; END $$");
  place_->Sql("CREATE TRIGGER see AFTER UPDATE ON iceberg_tables FOR EACH ROW EXECUTE FUNCTION see()");
  for (const auto& [setting, expected] :
       {std::pair("off", "on"), std::pair("local", "local"), std::pair("remote_apply", "remote_apply")}) {
    auto catalog = OpenCatalog({place_->uri + "%20-csynchronous_commit%3D" + setting, place_->warehouse(), ""},
                               place_->local, place_->clock)
                       .ValueOrDie();
    ASSERT_TRUE(SetProperty(*catalog, ident_, "k", setting).ok());
    EXPECT_EQ(place_->Sql("SELECT value FROM seen"), expected);
    place_->Sql("TRUNCATE seen");
  }
}

TEST_F(PostgresRealServer, OneStoreServesManyThreads) {
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  auto store = Store(place_->uri);
  const std::string base = store->FindTable({"cold", "trades"}).ValueOrDie()->metadata_location;
  std::atomic<int> won = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      Status swap = store->SwapMetadata({"cold", "trades"}, base, "file:///" + std::to_string(i));
      if (swap.ok()) ++won;
      EXPECT_TRUE(swap.ok() || KindOf(swap) == ErrorKind::kConflict) << swap.ToString();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
}

}  // namespace
}  // namespace calve::catalog
