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
#include "calve/storage/testing_s3_place.h"

namespace calve::catalog {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A namespace of its own on a server.
struct RestServerPlace : CatalogPlace {
  RestServerPlace(RestServer* rest_server, std::unique_ptr<storage::FileIO> files)
      : CatalogPlace(std::move(files)), server(rest_server) {
    options.uri = server->url();
  }
  std::unique_ptr<Catalog> Open() override {
    auto rest = RestCatalog::Make(options, "", nullptr, clock, stop).ValueOrDie();
    return std::make_unique<NestedCatalog>(std::move(rest), above, warehouse());
  }
  virtual std::string warehouse() const { return ""; }  // where it puts its tables; empty: where the server likes

  RestServer* const server;
  const std::string above = "suite" + std::to_string(RandomPositiveInt64());
  StopToken stop;
  RestOptions options;
};

// With the tables' files in the place's folder.
struct IcebergPlace : RestServerPlace {
  explicit IcebergPlace(RestServer* rest_server)
      : RestServerPlace(rest_server, std::make_unique<storage::LocalFileIO>()) {}
  std::string warehouse() const override { return "file://" + dir.path() + "/warehouse"; }
  // Jetty's "Ambiguous URI path encoding".
  ServerQuirks quirks() const override { return {.refused_characters = "%"}; }
};

const CatalogCase kIceberg{"iceberg", []() -> std::unique_ptr<CatalogPlace> {
                             RestServer* server = RestServer::Iceberg();
                             if (!server) return nullptr;
                             return std::make_unique<IcebergPlace>(server);
                           }};

// Nessie puts the tables' files into its bucket, and shows a table's tip alone.
struct NessiesStore {  // made before CatalogPlace: the files go through it
  storage::S3TestStore s3{*storage::S3Server::Versitygw()};
};
struct NessiePlace : NessiesStore, RestServerPlace {
  explicit NessiePlace(RestServer* rest_server) : RestServerPlace(rest_server, s3.MakeFileIO()) {}
  std::string root() const override { return server->warehouse() + above; }
  ServerQuirks quirks() const override {
    return {.refused_characters = "%",
            .places_tables = true,
            .overwrites_first_snapshots = true,  // its issue 10062
            .names_commits_otherwise = true};
  }
};

const CatalogCase kNessie{"nessie", []() -> std::unique_ptr<CatalogPlace> {
                            RestServer* server = RestServer::Nessie();
                            if (!server) return nullptr;
                            return std::make_unique<NessiePlace>(server);
                          }};

INSTANTIATE_TEST_SUITE_P(RestRealServer, CatalogConformance, ::testing::Values(kIceberg, kNessie), CatalogCaseName);
INSTANTIATE_TEST_SUITE_P(RestRealServer, TableHistoryConformance, ::testing::Values(kIceberg), CatalogCaseName);

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

}  // namespace
}  // namespace calve::catalog
