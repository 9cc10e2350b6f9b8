// Catalogs whose tables are on a real S3 server: the conformance suite.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "calve/catalog/testing_catalog_conformance.h"
#include "calve/storage/testing_memory_object_store.h"
#include "calve/storage/testing_s3_place.h"

namespace calve::catalog {
namespace {

using storage::S3Server;

// Made before CatalogPlace: the files go through it.
struct BucketOfItsOwn {
  explicit BucketOfItsOwn(S3Server& server) : s3(server), bucket(server.NewBucket()) {}
  storage::S3TestStore s3;
  const std::string bucket;
};

struct S3WarehousePlace : BucketOfItsOwn, CatalogPlace {
  S3WarehousePlace(S3Server& server, bool sql_catalog)
      : BucketOfItsOwn(server), CatalogPlace(s3.MakeFileIO()), sql(sql_catalog) {}
  std::string root() const override { return "s3://" + bucket; }
  std::unique_ptr<Catalog> Open() override {
    const std::string catalog = sql ? "sqlite:///" + dir.path() + "/catalog.db" : "hadoop";
    return OpenCatalog({catalog, root() + "/warehouse", ""}, faults, clock).ValueOrDie();
  }
  const bool sql;
};

CatalogCase Case(const std::string& name, bool minio, bool sql) {
  return {name, [=]() -> std::unique_ptr<CatalogPlace> {
            S3Server* server = minio ? S3Server::Minio() : S3Server::Versitygw();
            return server ? std::make_unique<S3WarehousePlace>(*server, sql) : nullptr;
          }};
}

INSTANTIATE_FILE_CATALOG_CONFORMANCE(RealServer, ::testing::Values(Case("HadoopOnVersitygw", false, false),
                                                                   Case("HadoopOnMinio", true, false),
                                                                   Case("SqlOnVersitygw", false, true)));

// A hadoop catalog's commit would be a race that both win.
TEST(HadoopCatalogOnObjects, AStoreWithoutConditionsIsRefused) {
  auto store = std::make_shared<storage::MemoryObjectStore>();
  store->ignores_conditions = true;
  StopToken stop;
  SystemClock clock;
  storage::ObjectFileIO files([&](const std::string&) -> Result<storage::ObjectFileIO::StorePointer> { return store; },
                              1 << 20, 1, stop);
  auto hadoop = OpenCatalog({"hadoop", "s3://bucket/cold", ""}, files, clock).ValueOrDie();
  const Status refused = hadoop->CreateTable({{"cold"}, "trades"}, TradesRequest()).status();
  EXPECT_EQ(KindOf(refused), ErrorKind::kUnsupported) << refused.ToString();
  EXPECT_NE(MessageOf(refused).find("If-None-Match"), std::string::npos);
  EXPECT_TRUE(store->objects().empty());
  TempDir folder;
  auto sql = OpenCatalog({"sqlite:///" + folder.path() + "/c.db", "s3://bucket/cold", ""}, files, clock).ValueOrDie();
  EXPECT_TRUE(sql->CreateTable({{"cold"}, "trades"}, TradesRequest()).ok());
  EXPECT_EQ(KindOf(hadoop->LoadTable({{"cold"}, "nothing"}).status()), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace calve::catalog
