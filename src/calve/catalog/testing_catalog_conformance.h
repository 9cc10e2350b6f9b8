// What every Catalog must do. Each implementation runs it, those that read and write metadata files themselves with
//   INSTANTIATE_FILE_CATALOG_CONFORMANCE(Hadoop, ::testing::Values(CatalogCase{"hadoop", MakeHadoop}));
// and one behind a server with INSTANTIATE_TEST_SUITE_P of CatalogConformance, and of what else holds for it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "calve/base/testing_temp_dir.h"
#include "calve/catalog/catalog.h"
#include "calve/storage/fault_injection.h"
#include "calve/storage/local_file_io.h"

namespace calve::catalog {

// The system's, moved ahead by as much as a test likes.
class ShiftedClock : public Clock {
 public:
  TimestampMicros Now() const override { return SystemClock().Now() + shift_.load(); }
  void Advance(int64_t micros) { shift_ += micros; }

 private:
  std::atomic<int64_t> shift_{0};
};
inline constexpr int64_t kTwoHoursMicros = 2 * 3600 * kMicrosPerSecond;

// What a server does otherwise than the suite asks for.
struct ServerQuirks {
  std::string refused_characters;           // of names: it does not let them into its URLs
  bool places_tables = false;               // where it likes, below root()
  bool drops_what_is_not_there = false;     // and says that it did
  bool overwrites_first_snapshots = false;  // a requirement that there be none holds for it whatever there is
  bool names_commits_otherwise = false;     // the metadata file in a commit's answer is not the one that loads show
};

// An empty catalog in a folder of its own: a local one, or one of the store that is given. Files go through `faults`.
struct CatalogPlace {
  CatalogPlace() : CatalogPlace(std::make_unique<storage::LocalFileIO>()) {}
  explicit CatalogPlace(std::unique_ptr<storage::FileIO> files) : store(std::move(files)) {}
  virtual ~CatalogPlace() = default;
  // What is empty at first, and holds the warehouse.
  virtual std::string root() const { return "file://" + dir.path(); }
  // One more catalog object on the same place, as another process would have it.
  virtual std::unique_ptr<Catalog> Open() = 0;
  virtual ServerQuirks quirks() const { return {}; }

  TempDir dir;
  ShiftedClock clock;
  const std::unique_ptr<storage::FileIO> store;
  storage::FileIO& local = *store;  // without faults
  storage::FaultInjectingFileIO faults{*store};
};

struct CatalogCase {
  std::string name;
  std::function<std::unique_ptr<CatalogPlace>()> make;  // null: it is not installed here
};

inline std::string CatalogCaseName(const ::testing::TestParamInfo<CatalogCase>& info) { return info.param.name; }

class CatalogConformance : public ::testing::TestWithParam<CatalogCase> {
 protected:
  CatalogConformance() : place_(GetParam().make()), catalog_(place_ ? place_->Open() : nullptr) {}
  void SetUp() override {
    if (!place_) GTEST_SKIP() << "its server is not installed (tools/setup servers)";
  }

  // What a race in a new table begins with: nothing, or a snapshot where the server would overwrite the first one.
  std::vector<int64_t> FirstSnapshots(const TableIdent& ident);

  std::unique_ptr<CatalogPlace> place_;
  std::unique_ptr<Catalog> catalog_;
  const TableIdent ident_{{"cold"}, "trades"};
};

// Of catalogs that keep metadata files as the spec has them: with all snapshots, a log of those before, a codec.
class TableHistoryConformance : public CatalogConformance {};
// Of catalogs that read and write the metadata files in this process: what is in them is theirs to judge.
class MetadataFileConformance : public CatalogConformance {};
// Of those whose tables' files go through the place's `faults`.
class FaultyFileConformance : public CatalogConformance {};

#define INSTANTIATE_FILE_CATALOG_CONFORMANCE(prefix, ...)                                  \
  INSTANTIATE_TEST_SUITE_P(prefix, CatalogConformance, __VA_ARGS__, CatalogCaseName);      \
  INSTANTIATE_TEST_SUITE_P(prefix, TableHistoryConformance, __VA_ARGS__, CatalogCaseName); \
  INSTANTIATE_TEST_SUITE_P(prefix, MetadataFileConformance, __VA_ARGS__, CatalogCaseName); \
  INSTANTIATE_TEST_SUITE_P(prefix, FaultyFileConformance, __VA_ARGS__, CatalogCaseName)

// --- tables and commits for tests of catalogs
CreateTableRequest TradesRequest();
// Adds one snapshot with a random id on top of `base` and moves main to it.
struct TestAppend {
  int64_t snapshot_id = 0;
  std::vector<iceberg::TableRequirement> requirements;
  std::vector<iceberg::TableUpdate> updates;
};
TestAppend AppendOn(const iceberg::TableMetadata& base);
// Loads, appends and retries on kConflict (and on kRetry) until it is in. The snapshot's id.
Result<int64_t> AppendRetrying(Catalog& catalog, const TableIdent& ident);
// From the tip of main to the first one.
std::vector<int64_t> SnapshotChain(const iceberg::TableMetadata& metadata);
Result<LoadedTable> SetProperty(Catalog& catalog, const TableIdent& ident, const std::string& key,
                                const std::string& value);

}  // namespace calve::catalog
