#include "calve/catalog/rest_wire.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "calve/catalog/testing_rest_place.h"

namespace calve::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(RestWire, ErrorsInEveryDress) {
  auto full = ParseRestError(R"({"error":{"message":"m","type":"T","code":404,"stack":["a"]}})");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->type, "T");
  EXPECT_EQ(full->message, "m");
  EXPECT_EQ(ParseRestError(R"({"type":"T","message":"m"})")->type, "T");
  EXPECT_EQ(ParseRestError(R"({"error":"invalid_client","error_description":"d"})")->message, "d");
  EXPECT_EQ(ParseRestError(R"({"error":{"type":7,"message":"m"}})")->type, "");
  for (const char* none : {"", "null", "[]", "7", "<html>", "{}", R"({"error":null})", R"({"error":{}})",
                           R"({"error":[]})", R"({"status":404,"path":"/v1"})"}) {
    EXPECT_FALSE(ParseRestError(none)) << none;
  }
}

TEST(RestWire, AConfigurationMayLackAnything) {
  auto empty = ParseRestConfig("{}").ValueOrDie();
  EXPECT_FALSE(empty.endpoints);
  EXPECT_FALSE(empty.takes_idempotency_keys);
  auto config = ParseRestConfig(R"({"defaults":{"a":1,"b":true,"c":null},"overrides":{"d":"e"},"endpoints":[],
                                    "idempotency-key-lifetime":"PT30M","unknown":{}})")
                    .ValueOrDie();
  EXPECT_EQ(config.defaults, (std::map<std::string, std::string>{{"a", "1"}, {"b", "true"}}));
  EXPECT_THAT(*config.endpoints, SizeIs(0));
  EXPECT_TRUE(config.takes_idempotency_keys);
  for (const char* bad : {"", "[]", "null", R"({"defaults":[]})", R"({"endpoints":{}})", R"({"defaults":{"a":{}}})"}) {
    EXPECT_EQ(KindOf(ParseRestConfig(bad).status()), ErrorKind::kCorrupt) << bad;
  }
}

TEST(RestWire, ATableWithAndWithoutWhatMayComeWithIt) {
  RestPlace place;
  LoadedTable table = place.OpenRest()->CreateTable({{"ns"}, "t"}, TradesRequest()).ValueOrDie();
  const std::string metadata = iceberg::WriteTableMetadata(table.metadata);
  auto bare = ParseRestTable(R"({"metadata-location":null,"metadata":)" + metadata + "}").ValueOrDie();
  EXPECT_EQ(bare.table.metadata_location, "");
  EXPECT_EQ(iceberg::WriteTableMetadata(bare.table.metadata), metadata);
  auto full = ParseRestTable(R"({"metadata-location":"l","config":{"token":"x","n":5},"storage-credentials":
      [{"prefix":"s3://b","config":{"s3.access-key-id":"k"}}],"metadata":)" +
                             metadata + "}")
                  .ValueOrDie();
  EXPECT_EQ(full.config.at("n"), "5");
  ASSERT_THAT(full.credentials, SizeIs(1));
  EXPECT_EQ(full.credentials[0].config.at("s3.access-key-id"), "k");
  // An escape anywhere outside of the metadata has the whole read in the general way, to the same end.
  auto general = ParseRestTable(R"({"metadata\u002dlocation":"l","metadata":)" + metadata + "}").ValueOrDie();
  EXPECT_EQ(general.table.metadata_location, "l");
  EXPECT_EQ(iceberg::WriteTableMetadata(general.table.metadata), metadata);
  EXPECT_EQ(KindOf(ParseRestTable(R"({"metadata-location":"l"})").status()), ErrorKind::kCorrupt);
  // Cut anywhere, or with any one byte gone, it is corrupt or still says something: it never does worse.
  const std::string whole = R"({"metadata-location":"l","metadata":)" + metadata + "}";
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(KindOf(ParseRestTable(whole.substr(0, i)).status()), ErrorKind::kCorrupt) << i;
    (void)ParseRestTable(whole.substr(0, i) + whole.substr(i + 1));
  }
}

TEST(RestWire, ListsAndTheirPages) {
  auto page = ParseNamespacePage(R"({"namespaces":[["a"],["a","b"]],"next-page-token":"n"})").ValueOrDie();
  EXPECT_THAT(page.namespaces, ElementsAre(ElementsAre("a"), ElementsAre("a", "b")));
  EXPECT_EQ(page.next_page_token, "n");
  auto tables =
      ParseTablePage(R"({"identifiers":[{"namespace":["a"],"name":"t"}],"next-page-token":null})").ValueOrDie();
  EXPECT_THAT(tables.tables, ElementsAre(TableIdent{{"a"}, "t"}));
  EXPECT_EQ(tables.next_page_token, "");
  for (const char* bad : {"{}", R"({"namespaces":7,"identifiers":7})", R"({"namespaces":[7],"identifiers":[7]})"}) {
    EXPECT_EQ(KindOf(ParseNamespacePage(bad).status()), ErrorKind::kCorrupt) << bad;
    EXPECT_EQ(KindOf(ParseTablePage(bad).status()), ErrorKind::kCorrupt) << bad;
  }
}

TEST(RestWire, Tokens) {
  EXPECT_EQ(ParseOAuthToken(R"({"access_token":"t","expires_in":3600})")->expires_in_seconds, 3600);
  EXPECT_EQ(ParseOAuthToken(R"({"access_token":"t","expires_in":"60"})")->expires_in_seconds, 60);
  for (const char* odd : {R"("soon")", "1.5", "null", "true", R"("99999999999999999999")"}) {
    EXPECT_FALSE(ParseOAuthToken(std::string(R"({"access_token":"t","expires_in":)") + odd + "}")->expires_in_seconds);
  }
}

TEST(RestWire, BodiesAsTheSpecHasThem) {
  using nlohmann::json;
  EXPECT_EQ(json::parse(CreateNamespaceBody({"a", "b"})), json::parse(R"({"namespace":["a","b"],"properties":{}})"));
  EXPECT_EQ(json::parse(RegisterTableBody({{"a"}, "t"}, "l")), json::parse(R"({"name":"t","metadata-location":"l"})"));
  const json create = json::parse(CreateTableBody({{"a"}, "t"}, TradesRequest()));
  EXPECT_EQ(create["name"], "t");
  EXPECT_EQ(create["stage-create"], false);
  EXPECT_FALSE(create.contains("location"));
  EXPECT_EQ(create["partition-spec"]["fields"][0]["transform"], "day");
  EXPECT_EQ(create["write-order"], json::parse(R"({"order-id":0,"fields":[]})"));
  std::vector<iceberg::TableRequirement> requirements{iceberg::AssertRefSnapshotId{"main", std::nullopt}};
  std::vector<iceberg::TableUpdate> updates{iceberg::RemoveProperties{{"k"}}};
  EXPECT_EQ(json::parse(CommitTableBody({{"a", "b"}, "t"}, requirements, updates)),
            json::parse(R"({"identifier":{"namespace":["a","b"],"name":"t"},
                            "requirements":[{"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":null}],
                            "updates":[{"action":"remove-properties","removals":["k"]}]})"));
}

// --- credentials that come with tables

RestServerOptions Vending() {
  RestServerOptions options;
  options.defaults = {{"s3.endpoint", "http://store"}, {"s3.region", "eu"}};
  options.table_config = {{"s3.path-style-access", "true"}, {"s3.region", "us"}};
  options.storage_credentials = R"([{"prefix":"file://","config":{"s3.access-key-id":"key1"}}])";
  return options;
}

TEST(VendedCredentials, ComeWithTheTableAndHoldWhatTheCatalogSaysOfIt) {
  RestPlace place(Vending());
  storage::StorageCredentials book;
  auto catalog = place.OpenRest(&book);
  LoadedTable table = catalog->CreateTable({{"ns"}, "t"}, TradesRequest()).ValueOrDie();
  auto found = book.Find(table.metadata.location + "/data/x.parquet");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->config, (std::map<std::string, std::string>{{"s3.access-key-id", "key1"},
                                                               {"s3.endpoint", "http://store"},
                                                               {"s3.path-style-access", "true"},
                                                               {"s3.region", "us"}}));
  // Renewed where the catalog says so, else by asking for the table once more.
  ASSERT_TRUE(book.Refresh(table.metadata.location + "/data/x.parquet", found->config).ok());
  EXPECT_THAT(place.server.seen().back().target, HasSubstr("/tables/t/credentials"));
  EXPECT_EQ(book.Find(table.metadata.location)->config, found->config);
  RestServerOptions options = Vending();
  options.lists_endpoints = false;
  RestPlace lists_nothing(options);
  auto other = lists_nothing.OpenRest(&book);
  table = other->CreateTable({{"ns"}, "t"}, TradesRequest()).ValueOrDie();
  ASSERT_TRUE(book.Refresh(table.metadata.location, book.Find(table.metadata.location)->config).ok());
  EXPECT_THAT(lists_nothing.server.seen().back().target, ::testing::EndsWith("/tables/t"));
  const Status foreign = book.Refresh("file:///elsewhere", book.Find("file:///elsewhere")->config);
  EXPECT_EQ(KindOf(foreign), ErrorKind::kConfig);
  other.reset();
  EXPECT_EQ(KindOf(book.Refresh(table.metadata.location, found->config)), ErrorKind::kConfig);
}

TEST(VendedCredentials, OfATableWithoutThemWhatTheCatalogSaysStandsUnderItsLocation) {
  RestServerOptions options = Vending();
  options.storage_credentials = R"([{"prefix":"s3://elsewhere","config":{"s3.access-key-id":"key1"}}])";
  RestPlace place(options);
  storage::StorageCredentials book;
  LoadedTable table = place.OpenRest(&book)->CreateTable({{"ns"}, "t"}, TradesRequest()).ValueOrDie();
  auto found = book.Find(table.metadata.location + "/data/x.parquet");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->prefix, table.metadata.location);
  EXPECT_EQ(found->config.at("s3.path-style-access"), "true");
  EXPECT_EQ(found->config.count("s3.access-key-id"), 0u);
}

}  // namespace
}  // namespace calve::catalog
