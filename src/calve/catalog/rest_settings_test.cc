#include "calve/catalog/rest_settings.h"

#include <gmock/gmock.h>

#include "calve/catalog/testing_rest_place.h"

namespace calve::catalog {
namespace {

using ::testing::HasSubstr;

RestSettings Resolve(const RestConfig& config, RestOptions options = {}) {
  options.uri = "https://lake.example/api";
  return ResolveRestSettings(options, "wh", config).ValueOrDie();
}

TEST(RestSettings, DefaultsThenTheOperatorThenOverrides) {
  RestConfig config;
  config.defaults = {{"scope", "theirs"}, {"audience", "theirs"}, {"header.X", "theirs"}, {"header.Y", "theirs"}};
  config.overrides = {{"warehouse", "s3://bucket/wh"}, {"uri", "https://other.example/"}, {"header.Z", "theirs"},
                      {"s3.endpoint", "http://store"}, {"client.region", "eu"},           {"clients", "4"},
                      {"table-default.a", "1"},        {"table-override.b", "2"},         {"rest-page-size", "50"}};
  RestOptions options;
  options.scope = "mine";
  options.headers = {{"X", "mine"}};
  RestSettings settings = Resolve(config, options);
  EXPECT_EQ(settings.scope, "mine");
  EXPECT_EQ(settings.audience, "theirs");
  EXPECT_EQ(settings.uri, "https://other.example/");
  EXPECT_EQ(settings.warehouse, "s3://bucket/wh");
  EXPECT_EQ(settings.headers.at("X"), "mine");
  EXPECT_EQ(settings.headers.at("Y"), "theirs");
  EXPECT_EQ(settings.headers.at("Z"), "theirs");
  EXPECT_EQ(settings.page_size, 50);
  EXPECT_EQ(settings.storage,
            (std::map<std::string, std::string>{{"client.region", "eu"}, {"s3.endpoint", "http://store"}}));
  EXPECT_EQ(settings.table_defaults.at("a"), "1");
  EXPECT_EQ(settings.table_overrides.at("b"), "2");
}

TEST(RestSettings, PathsHoldPrefixSeparatorAndEncodedNames) {
  const TableIdent ident{{"a b", "ü"}, "t%/?"};
  RestSettings plain = Resolve({});
  EXPECT_EQ(plain.TablePath({{"a b", "ü"}, "t%?"}).ValueOrDie(), "/v1/namespaces/a%20b%1F%C3%BC/tables/t%25%3F");
  EXPECT_EQ(KindOf(plain.TablePath(ident).status()), ErrorKind::kConfig);
  RestConfig config;
  config.overrides = {{"prefix", "/main%7Cwh/x y/"}, {"namespace-separator", "%2E"}};
  RestSettings settings = Resolve(config);
  EXPECT_EQ(settings.NamespacesPath(), "/v1/main%7Cwh/x%20y/namespaces");
  EXPECT_EQ(settings.TablePath({{"a", "b"}, "t.t"}).ValueOrDie(), "/v1/main%7Cwh/x%20y/namespaces/a%2Eb/tables/t.t");
  const Status ambiguous = settings.NamespacePath({"a.b"}).status();
  EXPECT_EQ(KindOf(ambiguous), ErrorKind::kConfig);
  EXPECT_THAT(MessageOf(ambiguous), HasSubstr("a.b"));
  EXPECT_EQ(plain.NamespacePath({"a.b"}).ValueOrDie(), "/v1/namespaces/a.b");
  config.overrides["namespace-separator"] = "::";
  EXPECT_EQ(Resolve(config).NamespaceText({"a", "b"}).ValueOrDie(), "a%3A%3Ab");
  EXPECT_EQ(KindOf(plain.NamespacePath({}).status()), ErrorKind::kConfig);
}

TEST(RestSettings, EndpointsAreThoseThatAreListedOrThoseThatAllHave) {
  EXPECT_TRUE(Resolve({}).Offers(kCommitTransaction));
  EXPECT_TRUE(Resolve({}).Offers(kRegisterTable));
  EXPECT_FALSE(Resolve({}).Offers(kLoadCredentials));
  RestConfig config;
  config.endpoints = {std::string(kLoadCredentials)};
  EXPECT_TRUE(Resolve(config).Offers(kLoadCredentials));
  EXPECT_FALSE(Resolve(config).Offers(kCommitTransaction));
}

TEST(RestSettings, AServerThatSendsElsewhereIsFollowed) {
  RestPlace behind;
  ASSERT_TRUE(behind.OpenRest()->CreateTable({{"ns"}, "t"}, TradesRequest()).ok());
  RestServerOptions options;
  options.overrides = {{"uri", behind.server.url()}};
  RestPlace front(options);
  EXPECT_TRUE(front.OpenRest()->LoadTable({{"ns"}, "t"}).ok());
  EXPECT_EQ(front.server.seen().size(), 1u);
}

TEST(RestSettings, TheWarehouseIsPassedOnAndAWrongOneIsNamed) {
  RestServerOptions options;
  options.warehouse = "cold wh";
  RestPlace place(options);
  place.warehouse = "cold wh";
  EXPECT_EQ(KindOf(place.OpenRest()->LoadTable({{"ns"}, "t"}).status()), ErrorKind::kNotFound);
  place.warehouse = "col";
  const Status status = place.OpenRest()->LoadTable({{"ns"}, "t"}).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << status.ToString();
  EXPECT_THAT(RemedyOf(status), HasSubstr("warehouse"));
}

TEST(RestSettings, NewTablesGetTheServersPropertiesAroundTheRequests) {
  RestServerOptions options;
  options.defaults = {{"table-default.owner", "theirs"}, {"table-default.a", "theirs"}};
  options.overrides = {{"table-override.b", "theirs"}};
  RestPlace place(options);
  CreateTableRequest request = TradesRequest();
  request.properties["b"] = "mine";
  auto table = place.OpenRest()->CreateTable({{"ns"}, "t"}, request).ValueOrDie();
  EXPECT_EQ(table.metadata.Property("owner", ""), "calve");
  EXPECT_EQ(table.metadata.Property("a", ""), "theirs");
  EXPECT_EQ(table.metadata.Property("b", ""), "theirs");
}

}  // namespace
}  // namespace calve::catalog
