// Against the real servers: Apache Iceberg's REST catalog, Project Nessie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "calve/base/random.h"
#include "calve/catalog/rest_catalog.h"
#include "calve/catalog/testing_catalog_conformance.h"
#include "calve/catalog/testing_nested_catalog.h"
#include "calve/catalog/testing_rest_server.h"

namespace calve::catalog {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A namespace of its own on Iceberg's server, with the tables' files in the place's folder.
struct IcebergPlace : CatalogPlace {
  explicit IcebergPlace(RestServer* rest_server) : server(rest_server) { options.uri = server->url(); }
  std::unique_ptr<Catalog> Open() override {
    auto rest = RestCatalog::Make(options, "", nullptr, clock, stop).ValueOrDie();
    return std::make_unique<NestedCatalog>(std::move(rest), above, "file://" + dir.path() + "/warehouse");
  }
  std::string refused_characters() const override { return "%"; }  // Jetty's "Ambiguous URI path encoding"

  RestServer* const server;
  const std::string above = "suite" + std::to_string(RandomPositiveInt64());
  StopToken stop;
  RestOptions options;
};

INSTANTIATE_TEST_SUITE_P(IcebergRestRealServer, CatalogConformance,
                         ::testing::Values(CatalogCase{"iceberg",
                                                       []() -> std::unique_ptr<CatalogPlace> {
                                                         RestServer* server = RestServer::Iceberg();
                                                         if (!server) return nullptr;
                                                         return std::make_unique<IcebergPlace>(server);
                                                       }}),
                         CatalogCaseName);

class RestRealServer : public ::testing::Test {
 protected:
  std::unique_ptr<RestCatalog> Open(RestOptions options, const RestServer& server) {
    options.uri = server.url();
    return RestCatalog::Make(options, "", nullptr, clock_, stop_).ValueOrDie();
  }

  SystemClock clock_;
  StopToken stop_;
  const TableIdent ident_{{"ns" + std::to_string(RandomPositiveInt64())}, "trades"};
};

TEST_F(RestRealServer, IcebergWithOAuth) {
  RestServer* server = RestServer::IcebergWithOAuth();
  if (!server) GTEST_SKIP() << "Iceberg's REST catalog is not installed (tools/setup servers)";
  RestOptions options;
  options.credential.value = std::string(RestServer::kClient) + ":" + RestServer::kSecret;
  EXPECT_TRUE(Open(options, *server)->CreateTable(ident_, TradesRequest()).ok());
  options.credential.value = std::string(RestServer::kClient) + ":nonsense";
  const Status wrong = Open(options, *server)->LoadTable(ident_).status();
  EXPECT_EQ(KindOf(wrong), ErrorKind::kConfig) << wrong.ToString();
  EXPECT_THAT(wrong.ToString(), Not(HasSubstr("nonsense")));
  options.credential = {};
  EXPECT_EQ(KindOf(Open(options, *server)->LoadTable(ident_).status()), ErrorKind::kConfig);
  options.token.value = RestServer::kToken;
  EXPECT_TRUE(Open(options, *server)->LoadTable(ident_).ok());
}

// Tokens that hold two seconds, under one catalog object that lives longer.
TEST_F(RestRealServer, IcebergsTokensEndAndAreRenewed) {
  for (const char* status : {"401", "419"}) {
    auto server = RestServer::MakeIceberg(
        {.oauth = true, .properties = {{"oauth.seconds", "1"}, {"oauth.expired-status", status}}});
    if (!server) GTEST_SKIP() << "Iceberg's REST catalog is not installed (tools/setup servers)";
    RestOptions options;
    options.credential.value = std::string(RestServer::kClient) + ":" + RestServer::kSecret;
    auto catalog = Open(options, *server);
    ASSERT_TRUE(catalog->CreateTable(ident_, TradesRequest()).ok());
    for (int i = 0; i < 6; ++i) {
      usleep(250'000);
      auto id = AppendRetrying(*catalog, ident_);
      EXPECT_TRUE(id.ok()) << id.status().ToString();
    }
  }
}

TEST_F(RestRealServer, Nessie) {
  RestServer* rest = RestServer::Nessie();
  if (!rest) GTEST_SKIP() << "Nessie is not installed (tools/setup servers)";
  auto catalog = Open({}, *rest);
  LoadedTable table = catalog->CreateTable(ident_, TradesRequest()).ValueOrDie();
  EXPECT_EQ(table.metadata.format_version, 2);
  std::vector<iceberg::TableUpdate> updates{iceberg::SetProperties{{{"k", "v"}}}};
  ASSERT_TRUE(catalog->CommitTable(ident_, {}, updates).ok());
  EXPECT_EQ(catalog->LoadTable(ident_)->metadata.Property("k", ""), "v");
  EXPECT_EQ(KindOf(catalog->LoadTable({ident_.levels, "other"}).status()), ErrorKind::kNotFound);
  std::vector<iceberg::TableRequirement> stale{iceberg::AssertCurrentSchemaId{7}};
  EXPECT_EQ(KindOf(catalog->CommitTable(ident_, stale, updates).status()), ErrorKind::kConflict);
  EXPECT_EQ(KindOf(catalog->CreateTable(ident_, TradesRequest()).status()), ErrorKind::kAlreadyExists);
}

// It shows the tip alone: that none of them was lost is told by the sequence number, which only ever rises by one.
TEST_F(RestRealServer, NessiesCommitsOfRacingThreadsLandExactlyOnce) {
  RestServer* rest = RestServer::Nessie();
  if (!rest) GTEST_SKIP() << "Nessie is not installed (tools/setup servers)";
  auto catalog = Open({}, *rest);
  ASSERT_TRUE(catalog->CreateTable(ident_, TradesRequest()).ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const auto own = i % 2 ? Open({}, *rest) : nullptr;
      for (int n = 0; n < 5; ++n) {
        const auto id = AppendRetrying(own ? *own : *catalog, ident_);
        EXPECT_TRUE(id.ok()) << id.status().ToString();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const iceberg::TableMetadata metadata = catalog->LoadTable(ident_)->metadata;
  EXPECT_EQ(metadata.last_sequence_number, 20);
  EXPECT_TRUE(metadata.HidesHistory());
  ASSERT_NE(metadata.CurrentSnapshot(), nullptr);
  EXPECT_EQ(metadata.CurrentSnapshot()->sequence_number, 20);
}

}  // namespace
}  // namespace calve::catalog
