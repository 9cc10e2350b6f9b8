// An empty SQL catalog in a PostgreSQL schema of its own.
#pragma once

#include <memory>
#include <string>

#include "calve/catalog/testing_catalog_conformance.h"
#include "calve/postgres/testing_postgres_server.h"

namespace calve::catalog {

struct PostgresPlace : CatalogPlace {
  // `make`: statements that make the tables; empty: none are there.
  explicit PostgresPlace(postgres::PostgresServer& running, const std::string& make = "")
      : server(running), uri(running.NextUri()) {
    if (!make.empty()) Sql(make);
  }

  std::string warehouse() const { return "file://" + dir.path() + "/warehouse"; }
  std::unique_ptr<Catalog> Open() override { return OpenCatalog({uri, warehouse(), ""}, faults, clock).ValueOrDie(); }
  // As the superuser, in the schema; the first cell.
  std::string Sql(const std::string& sql) const { return postgres::PostgresServer::ExecuteAt(uri, sql); }

  postgres::PostgresServer& server;
  const std::string uri;
};

// The tables as Java's JdbcCatalog makes them before its schema V1.
inline constexpr const char* kJavaV0 =
    "CREATE TABLE iceberg_tables(catalog_name VARCHAR(255) NOT NULL,table_namespace VARCHAR(255) NOT NULL,table_name "
    "VARCHAR(255) NOT NULL,metadata_location VARCHAR(1000),previous_metadata_location VARCHAR(1000),PRIMARY KEY "
    "(catalog_name, table_namespace, table_name));"
    "CREATE TABLE iceberg_namespace_properties(catalog_name VARCHAR(255) NOT NULL,namespace VARCHAR(255) NOT "
    "NULL,property_key VARCHAR(255),property_value VARCHAR(1000),PRIMARY KEY (catalog_name, namespace, property_key));";

}  // namespace calve::catalog
