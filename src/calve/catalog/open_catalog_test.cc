#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "calve/catalog/testing_catalog_conformance.h"

namespace calve::catalog {
namespace {

using ::testing::HasSubstr;

class OpenCatalogTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Catalog>> Open(const std::string& catalog, const std::string& warehouse) {
    return OpenCatalog({catalog, warehouse, ""}, file_io_, clock_);
  }
  Status StatusOf(const std::string& catalog, const std::string& warehouse) {
    return Open(catalog, warehouse).status();
  }

  TempDir dir_;
  storage::LocalFileIO file_io_;
  SystemClock clock_;
};

TEST_F(OpenCatalogTest, NamesWhatItKnowsAndRepeatsNoSecret) {
  for (const char* unknown : {"hive", "mysql://u:secret@h/d", ""}) {
    Status status = StatusOf(unknown, "file:///srv/cold");
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << unknown;
    EXPECT_THAT(RemedyOf(status), ::testing::AllOf(HasSubstr("hadoop"), HasSubstr("sql")));
    EXPECT_THAT(status.ToString(), ::testing::Not(HasSubstr("secret")));
  }
  for (const char* rest : {"rest", "https://u:pa55word@h/", "http://", "https://h/?token=pa55word"}) {
    Status status = StatusOf(rest, "file:///srv/cold");
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << rest;
    EXPECT_THAT(status.ToString(), ::testing::Not(HasSubstr("pa55word")));
  }
}

// Opened without asking its server, which may be down; what is wrong with the URI is told at once.
TEST_F(OpenCatalogTest, ADatabaseOfPostgreSql) {
  auto catalog = Open("postgresql://u@h.invalid:5433/d?sslmode=verify-full", "file:///srv/cold");
  ASSERT_TRUE(catalog.ok()) << catalog.status().ToString();
  EXPECT_EQ((*catalog)->name(), "sql catalog at postgresql://h.invalid:5433/d");
  for (const char* wrong : {"postgresql://u:s3cr@h/d", "postgresql://h/d?sslmood=s3cr@", "postgresql:h"}) {
    Status status = StatusOf(wrong, "file:///srv/cold");
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << wrong;
    EXPECT_THAT(status.ToString(), ::testing::Not(HasSubstr("s3cr")));
  }
  EXPECT_THAT(RemedyOf(StatusOf("postgresql://u:s3cr@h/d", "")), HasSubstr("CALVE_CATALOG_PASSWORD"));
}

TEST_F(OpenCatalogTest, WhatIsMissingIsSaid) {
  EXPECT_EQ(KindOf(StatusOf("hadoop", "")), ErrorKind::kConfig);
  EXPECT_EQ(KindOf(StatusOf("sql", "")), ErrorKind::kConfig);
  EXPECT_EQ(KindOf(StatusOf("sql", "s3://bucket/cold")), ErrorKind::kConfig);
  EXPECT_EQ(KindOf(StatusOf("sqlite:///", "file:///srv/cold")), ErrorKind::kConfig);
  auto without = Open("sqlite:///" + dir_.path() + "/c.db", "");
  ASSERT_TRUE(without.ok());
  EXPECT_EQ(KindOf((*without)->CreateTable({{"ns"}, "t"}, TradesRequest()).status()), ErrorKind::kConfig);
}

TEST_F(OpenCatalogTest, ASqlCatalogWithoutADatabaseIsBesideTheWarehouse) {
  for (const std::string& warehouse :
       {dir_.path() + "/a", "file://" + dir_.path() + "/b/", "file:" + dir_.path() + "/c"}) {
    auto catalog = Open("sql", warehouse).ValueOrDie();
    ASSERT_TRUE(catalog->CreateTable({{"ns"}, "t"}, TradesRequest()).ok());
    EXPECT_TRUE(std::filesystem::exists(storage::JoinLocation(storage::LocalPath(warehouse), "calve-catalog.db")));
  }
}

TEST_F(OpenCatalogTest, ARelativeWarehouseIsMadeAbsolute) {
  std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(dir_.path());
  auto catalog = Open("hadoop", "./cold").ValueOrDie();
  auto table = catalog->CreateTable({{"ns"}, "t"}, TradesRequest());
  std::filesystem::current_path(before);
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ(table->metadata.location, std::filesystem::canonical(dir_.path()).string() + "/cold/ns/t");
  EXPECT_TRUE(catalog->LoadTable({{"ns"}, "t"}).ok());
}

}  // namespace
}  // namespace calve::catalog
