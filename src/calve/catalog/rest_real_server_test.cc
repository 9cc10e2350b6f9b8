// The REST catalogs that other tests use are there, and ask for a token where they are told to.
#include <gtest/gtest.h>

#include "calve/catalog/testing_rest_server.h"

namespace calve::catalog {
namespace {

TEST(RestRealServer, Iceberg) {
  RestServer* rest = RestServer::Iceberg();
  if (!rest) GTEST_SKIP() << "not installed";
  EXPECT_EQ(http::StatusOf(rest->process().port(), "/v1/config"), 200);
}

TEST(RestRealServer, IcebergWithOAuth) {
  RestServer* rest = RestServer::IcebergWithOAuth();
  if (!rest) GTEST_SKIP() << "not installed";
  EXPECT_EQ(http::StatusOf(rest->process().port(), "/v1/config"), 401);
}

TEST(RestRealServer, Nessie) {
  RestServer* rest = RestServer::Nessie();
  if (!rest) GTEST_SKIP() << "not installed";
  EXPECT_EQ(http::StatusOf(rest->process().port(), "/iceberg/v1/config"), 200);
}

}  // namespace
}  // namespace calve::catalog
