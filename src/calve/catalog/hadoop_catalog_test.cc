#include "calve/catalog/hadoop_catalog.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "calve/catalog/gzip.h"
#include "calve/catalog/metadata_file.h"
#include "calve/catalog/testing_catalog_conformance.h"
#include "calve/catalog/testing_interloper.h"

namespace calve::catalog {
namespace {

using storage::FaultAction;
using storage::FaultPoint;
using ::testing::HasSubstr;

struct HadoopPlace : CatalogPlace {
  std::unique_ptr<Catalog> Open() override {
    return OpenCatalog({"hadoop", "file://" + dir.path() + "/warehouse", ""}, faults, clock).ValueOrDie();
  }
};

INSTANTIATE_FILE_CATALOG_CONFORMANCE(Hadoop, ::testing::Values(CatalogCase{
                                                 "hadoop", [] { return std::make_unique<HadoopPlace>(); }}));

class HadoopCatalogTest : public ::testing::Test {
 protected:
  std::string At(const std::string& name) const {
    return place_.dir.path() + "/warehouse/cold/trades/metadata/" + name;
  }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(place_.local.Replace(At(name), text).ok());
  }
  std::string Hint() { return place_.local.Read(At("version-hint.text")).ValueOr("none"); }
  // Creates the table and commits until it is at `version`; property n is "1", "2", …
  void MakeVersions(int version) {
    ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
    for (int n = 2; n <= version; ++n) ASSERT_TRUE(SetProperty(*catalog_, ident_, "n", std::to_string(n)).ok());
  }
  std::string Loaded() {
    auto table = place_.Open()->LoadTable(ident_);
    return table.ok() ? table->metadata_location.substr(table->metadata_location.rfind('/') + 1)
                      : table.status().ToString();
  }

  HadoopPlace place_;
  std::unique_ptr<Catalog> catalog_ = place_.Open();
  const TableIdent ident_{{"cold"}, "trades"};
};

TEST_F(HadoopCatalogTest, FilesAreWhereJavaExpectsThem) {
  MakeVersions(3);
  for (const char* name : {"v1.metadata.json", "v2.metadata.json", "v3.metadata.json", "version-hint.text"}) {
    EXPECT_TRUE(*place_.local.Exists(At(name))) << name;
  }
  EXPECT_EQ(Hint(), "3");
  EXPECT_EQ(place_.local.List(place_.dir.path()).ValueOrDie().size(), 4u);
}

TEST_F(HadoopCatalogTest, TheHintIsOnlyAHint) {
  MakeVersions(4);
  for (const char* hint :
       {"1", "3", "4\n", "5", "99", "0", "-1", "", "v4", "four", "4 5", "99999999999999999999", "\xff\xfe"}) {
    Write("version-hint.text", hint);
    EXPECT_EQ(Loaded(), "v4.metadata.json") << "hint '" << hint << "'";
  }
  ASSERT_TRUE(place_.local.Delete(At("version-hint.text")).ok());
  EXPECT_EQ(Loaded(), "v4.metadata.json");
  Write("version-hint.text", "99");
  ASSERT_TRUE(SetProperty(*catalog_, ident_, "n", "5").ok());
  EXPECT_EQ(Loaded(), "v5.metadata.json");
  EXPECT_EQ(Hint(), "5") << "a commit mends the hint";
}

TEST_F(HadoopCatalogTest, AStaleHintAndDeletedVersionsBlockNothing) {
  MakeVersions(12);
  for (int n = 1; n <= 9; ++n) ASSERT_TRUE(place_.local.Delete(At(fmt::format("v{}.metadata.json", n))).ok());
  Write("version-hint.text", "3");
  EXPECT_EQ(Loaded(), "v12.metadata.json") << "12 is more than 9, whatever the alphabet says";
  ASSERT_TRUE(SetProperty(*catalog_, ident_, "n", "13").ok());
  EXPECT_EQ(Loaded(), "v13.metadata.json");
  EXPECT_EQ(KindOf(catalog_->CreateTable(ident_, TradesRequest()).status()), ErrorKind::kAlreadyExists);
}

TEST_F(HadoopCatalogTest, AFailedHintDoesNotFailTheCommit) {
  MakeVersions(1);
  for (FaultAction action : {FaultAction::kFailBefore, FaultAction::kFailAfter}) {
    place_.faults.Inject({.point = FaultPoint::kReplace, .action = action, .location_part = "version-hint"});
    place_.faults.Inject({.point = FaultPoint::kDelete, .location_part = ".crc"});
    EXPECT_TRUE(SetProperty(*catalog_, ident_, "n", "x").ok());
  }
  EXPECT_EQ(place_.faults.HitCount(), 2);
  EXPECT_EQ(Loaded(), "v3.metadata.json");
}

TEST_F(HadoopCatalogTest, HadoopsChecksumOfTheOldHintIsRemoved) {
  MakeVersions(1);
  Write(".version-hint.text.crc", "crc");
  ASSERT_TRUE(SetProperty(*catalog_, ident_, "n", "2").ok());
  EXPECT_FALSE(*place_.local.Exists(At(".version-hint.text.crc")));
}

TEST_F(HadoopCatalogTest, CompressedVersionsOfJavaAreRead) {
  for (const char* name : {"v3.gz.metadata.json", "v3.metadata.json.gz"}) {
    HadoopPlace place;
    auto catalog = place.Open();
    catalog->CreateTable(ident_, TradesRequest()).ValueOrDie();
    LoadedTable two = SetProperty(*catalog, ident_, "n", "2").ValueOrDie();
    std::string metadata = place.dir.path() + "/warehouse/cold/trades/metadata/";
    std::string packed = Gzip(place.local.Read(two.metadata_location).ValueOrDie()).ValueOrDie();
    ASSERT_TRUE(place.local.WriteNew(metadata + name, packed).ok());
    LoadedTable three = catalog->LoadTable(ident_).ValueOrDie();
    EXPECT_THAT(three.metadata_location, ::testing::EndsWith(name));
    EXPECT_EQ(three.metadata.Property("n", ""), "2");
    LoadedTable four = SetProperty(*catalog, ident_, "n", "4").ValueOrDie();
    EXPECT_THAT(four.metadata_location, ::testing::EndsWith("/v4.metadata.json"));
  }
}

// As Java's rename does it. The bytes are of the same number.
TEST_F(HadoopCatalogTest, ALargeVersionThatIsReplacedIsReadAnew) {
  catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  LoadedTable ours = SetProperty(*catalog_, ident_, "filler", std::string(400'000, 'x')).ValueOrDie();
  ours = catalog_->LoadTable(ident_).ValueOrDie();
  ours.metadata.properties["filler"].back() = 'y';
  ASSERT_TRUE(place_.local.Replace(ours.metadata_location, iceberg::WriteTableMetadata(ours.metadata)).ok());
  EXPECT_TRUE(catalog_->LoadTable(ident_)->metadata.Property("filler", "").ends_with("xy"));
  EXPECT_TRUE(SetProperty(*catalog_, ident_, "n", "3")->metadata.Property("filler", "").ends_with("xy"));
}

TEST_F(HadoopCatalogTest, TablesOfSparkWithPlainPathsWork) {
  // A warehouse named by its path, as the Spark job's Hadoop catalog has it.
  auto catalog =
      OpenCatalog({"hadoop", place_.dir.path() + "/warehouse/", ""}, place_.local, place_.clock).ValueOrDie();
  LoadedTable table = catalog->CreateTable(ident_, TradesRequest()).ValueOrDie();
  EXPECT_EQ(table.metadata.location, place_.dir.path() + "/warehouse/cold/trades");
  // The same table through a file: URI.
  ASSERT_TRUE(SetProperty(*catalog_, ident_, "n", "2").ok());
  LoadedTable loaded = catalog->LoadTable(ident_).ValueOrDie();
  EXPECT_EQ(loaded.metadata.Property("n", ""), "2");
  EXPECT_EQ(loaded.metadata.location, table.metadata.location);
}

TEST_F(HadoopCatalogTest, AFolderWithoutMetadataIsNoTable) {
  ASSERT_TRUE(place_.local.WriteNew(At("../data/left-over.parquet"), "x").ok());
  ASSERT_TRUE(place_.local.WriteNew(At("abc-m0.avro"), "x").ok());
  ASSERT_TRUE(place_.local.WriteNew(At("vx.metadata.json"), "x").ok());
  Write("version-hint.text", "7");
  EXPECT_EQ(KindOf(catalog_->LoadTable(ident_).status()), ErrorKind::kNotFound);
  EXPECT_TRUE(catalog_->ListTables({"cold"}).ValueOrDie().empty());
  EXPECT_EQ(catalog_->ListNamespaces().ValueOrDie().size(), 1u);
  EXPECT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  EXPECT_EQ(Loaded(), "v1.metadata.json");
}

TEST_F(HadoopCatalogTest, TheLayoutDecidesWhereThingsAre) {
  CreateTableRequest request = TradesRequest();
  request.location = "file:///elsewhere";
  EXPECT_EQ(KindOf(catalog_->CreateTable(ident_, request).status()), ErrorKind::kConfig);
  request = TradesRequest();
  request.properties["write.metadata.path"] = "/elsewhere";
  EXPECT_EQ(KindOf(catalog_->CreateTable(ident_, request).status()), ErrorKind::kConfig);
  MakeVersions(1);
  EXPECT_EQ(KindOf(SetProperty(*catalog_, ident_, "write.metadata.path", "/elsewhere").status()), ErrorKind::kConfig);
  std::vector<iceberg::TableUpdate> move{iceberg::SetLocation{"file:///elsewhere"}};
  EXPECT_EQ(KindOf(catalog_->CommitTable(ident_, {}, move).status()), ErrorKind::kConfig);
  EXPECT_EQ(Loaded(), "v1.metadata.json");
}

class HadoopOvertaken : public HadoopCatalogTest {
 protected:
  void SetUp() override {
    CreateTableRequest request = TradesRequest();
    request.properties["write.metadata.delete-after-commit.enabled"] = "true";
    request.properties["write.metadata.previous-versions-max"] = "1";
    ASSERT_TRUE(catalog_->CreateTable(ident_, request).ok());
    base_ = SetProperty(*catalog_, ident_, "n", "2").ValueOrDie();  // v2
    slow_ = std::make_unique<HadoopCatalog>("file://" + place_.dir.path() + "/warehouse", slow_io_, place_.clock);
  }
  std::string NextOf(const LoadedTable& table) const {
    return At(fmt::format("v{}.metadata.json", *HadoopVersionOf(table.metadata_location) + 1));
  }
  // Commits of others, each of which deletes the version before the last.
  void OthersCommit(int count) {
    for (int i = 0; i < count; ++i) {
      place_.clock.Advance(kTwoHoursMicros);
      others_.push_back(AppendRetrying(*catalog_, ident_).ValueOrDie());
    }
  }

  Interloper slow_io_{place_.local};
  std::unique_ptr<Catalog> slow_;
  LoadedTable base_;
  std::vector<int64_t> others_;
};

// The slow writer plans on v2; v3 to v6 come and v3 goes; its own v3 then finds the name free. It must not think it has
// won.
TEST_F(HadoopOvertaken, AVersionNameThatBecameFreeAgainIsNoWin) {
  for (int count : {1, 2, 3, 4, 7}) {
    base_ = catalog_->LoadTable(ident_).ValueOrDie();
    TestAppend append = AppendOn(base_.metadata);
    slow_io_.before_version = [&] { OthersCommit(count); };
    Status said = slow_->CommitTable(ident_, append.requirements, append.updates).status();
    LoadedTable now = place_.Open()->LoadTable(ident_).ValueOrDie();
    EXPECT_EQ(now.metadata.FindSnapshot(append.snapshot_id), nullptr);
    EXPECT_EQ(KindOf(said), ErrorKind::kConflict) << count << ": " << said.ToString();
    // What is no version must not look like one; with fewer commits the name is another's version.
    EXPECT_EQ(*place_.local.Exists(NextOf(base_)), count <= 2);
    EXPECT_EQ(SnapshotChain(now.metadata).size(), others_.size());
  }
}

// As before, and an earlier try of the slow writer's own commit is among what came. Who takes that for this try says
// that it is in, and what the earlier one wrote is then deleted under the table.
TEST_F(HadoopOvertaken, AnEarlierTryOfTheSameSnapshotIsNotThisOne) {
  const TestAppend first = AppendOn(base_.metadata);
  std::vector<iceberg::TableUpdate> second = first.updates;
  std::get<iceberg::AddSnapshot>(second[0]).snapshot.manifest_list += "-of-the-second-try";
  slow_io_.before_version = [&] {
    place_.clock.Advance(kTwoHoursMicros);
    ASSERT_TRUE(catalog_->CommitTable(ident_, first.requirements, first.updates).ok());
    OthersCommit(4);
    ASSERT_FALSE(*place_.local.Exists(NextOf(base_))) << "the name is free again";
  };
  EXPECT_EQ(KindOf(slow_->CommitTable(ident_, first.requirements, second).status()), ErrorKind::kConflict);
  EXPECT_FALSE(*place_.local.Exists(NextOf(base_)));
}

// As before, but the hint was written late and the base is deleted late: they prove nothing.
TEST_F(HadoopOvertaken, NeitherALateHintNorALateDeletionMakesItOne) {
  TestAppend append = AppendOn(base_.metadata);
  const std::string base_bytes = place_.local.Read(base_.metadata_location).ValueOrDie();
  slow_io_.before_version = [&] {
    OthersCommit(4);
    ASSERT_FALSE(*place_.local.Exists(NextOf(base_)));
    ASSERT_TRUE(place_.local.Replace(base_.metadata_location, base_bytes).ok());
    ASSERT_TRUE(place_.local.Replace(At("version-hint.text"), "3").ok());
  };
  EXPECT_EQ(KindOf(slow_->CommitTable(ident_, append.requirements, append.updates).status()), ErrorKind::kConflict);
  EXPECT_EQ(place_.Open()->LoadTable(ident_)->metadata.snapshots.size(), others_.size());
}

// Versions that a writer may still be about to write keep their names, however few are to be kept.
TEST_F(HadoopOvertaken, YoungVersionsAreNotDeleted) {
  OthersCommit(1);
  std::vector<std::string> young;
  for (int i = 0; i < 3; ++i)
    young.push_back(SetProperty(*catalog_, ident_, "n", std::to_string(i))->metadata_location);
  for (const std::string& location : young) EXPECT_TRUE(*place_.local.Exists(location)) << location;
  EXPECT_EQ(catalog_->LoadTable(ident_)->metadata.metadata_log.size(), 3u);
  OthersCommit(1);
  EXPECT_FALSE(*place_.local.Exists(young[0]));
  EXPECT_EQ(catalog_->LoadTable(ident_)->metadata.metadata_log.size(), 1u);
}

// The other way round: our version is in and was built upon and deleted before we looked again.
TEST_F(HadoopOvertaken, AVersionThatWasBuiltUponAndDeletedIsAWin) {
  for (int count : {1, 2, 3, 6}) {
    base_ = catalog_->LoadTable(ident_).ValueOrDie();
    TestAppend append = AppendOn(base_.metadata);
    slow_io_.after_version = [&] { OthersCommit(count); };
    auto said = slow_->CommitTable(ident_, append.requirements, append.updates);
    ASSERT_TRUE(said.ok()) << count << ": " << said.status().ToString();
    others_.push_back(append.snapshot_id);
    LoadedTable now = place_.Open()->LoadTable(ident_).ValueOrDie();
    EXPECT_NE(now.metadata.FindSnapshot(append.snapshot_id), nullptr);
    EXPECT_EQ(SnapshotChain(now.metadata).size(), others_.size());
    EXPECT_EQ(now.metadata_location, catalog_->LoadTable(ident_)->metadata_location);
  }
}

TEST_F(HadoopOvertaken, ADropThatIsCutShortLeavesTheTable) {
  OthersCommit(3);
  std::string before = catalog_->LoadTable(ident_)->metadata_location;
  int deletes_before = place_.faults.Count(FaultPoint::kDelete);
  place_.faults.Inject({.point = FaultPoint::kDelete, .skip = 2, .times = -1});
  EXPECT_FALSE(catalog_->DropTable(ident_).ok());
  EXPECT_GT(place_.faults.Count(FaultPoint::kDelete), deletes_before + 2);
  place_.faults.Clear();
  EXPECT_EQ(place_.Open()->LoadTable(ident_)->metadata_location, before);
  EXPECT_TRUE(catalog_->DropTable(ident_).ok());
}

// Who turns compression on races for the same name as who does not.
TEST_F(HadoopOvertaken, AChangeOfTheCompressionIsARaceLikeAnyOther) {
  const std::string key = "write.metadata.compression-codec";
  slow_io_.before_version = [&] { ASSERT_TRUE(SetProperty(*catalog_, ident_, key, "gzip").ok()); };
  EXPECT_EQ(KindOf(SetProperty(*slow_, ident_, "n", "mine").status()), ErrorKind::kConflict);
  LoadedTable now = place_.Open()->LoadTable(ident_).ValueOrDie();
  EXPECT_EQ(now.metadata.Property(key, ""), "gzip");
  EXPECT_EQ(now.metadata.Property("n", ""), "2");
}

TEST_F(HadoopOvertaken, WhatStandsThereTellsWhatBecameOfALostAnswer) {
  TestAppend won = AppendOn(base_.metadata);
  slow_io_.lose_answer = true;
  EXPECT_TRUE(slow_->CommitTable(ident_, won.requirements, won.updates).ok());

  base_ = catalog_->LoadTable(ident_).ValueOrDie();
  TestAppend lost = AppendOn(base_.metadata);
  slow_io_.lose_answer = true;
  slow_io_.before_version = [&] { OthersCommit(1); };
  EXPECT_EQ(KindOf(slow_->CommitTable(ident_, lost.requirements, lost.updates).status()), ErrorKind::kConflict);
  EXPECT_THAT(SnapshotChain(catalog_->LoadTable(ident_)->metadata),
              ::testing::ElementsAre(others_.back(), won.snapshot_id));

  // Nothing in it is random: another writer may have written the same bytes.
  slow_io_.lose_answer = true;
  EXPECT_EQ(KindOf(SetProperty(*slow_, ident_, "n", "x").status()), ErrorKind::kUnknownOutcome);
}

// Java, told to write plain JSON by a property that it sets itself, may commit the same version under another name.
TEST_F(HadoopOvertaken, AVersionThatJavaWroteInAnotherSpellingMeanwhileIsAConflict) {
  base_ = SetProperty(*catalog_, ident_, "write.metadata.compression-codec", "gzip").ValueOrDie();  // v3
  std::string theirs = place_.local.Read(base_.metadata_location).ValueOrDie();
  slow_io_.before_version = [&] { Write("v4.metadata.json", theirs); };
  EXPECT_EQ(KindOf(SetProperty(*slow_, ident_, "n", "4").status()), ErrorKind::kConflict);
  EXPECT_EQ(place_.local.Read(At("v4.metadata.json")).ValueOrDie(), theirs);
  EXPECT_FALSE(*place_.local.Exists(At("v4.gz.metadata.json")));
  EXPECT_EQ(Loaded(), "v4.metadata.json");
}

TEST(HadoopVersionNames, AreParsedStrictly) {
  EXPECT_EQ(HadoopVersionOf("/a/metadata/v7.metadata.json"), 7);
  EXPECT_EQ(HadoopVersionOf("v12.gz.metadata.json"), 12);
  EXPECT_EQ(HadoopVersionOf("v12.metadata.json.gz"), 12);
  for (const char* name :
       {"v0.metadata.json", "v-1.metadata.json", "v.metadata.json", "v1.json", "v1x.metadata.json", "1.metadata.json",
        ".v1.metadata.json.crc", "v99999999999.metadata.json", "00001-a.metadata.json", "v1", ""}) {
    EXPECT_EQ(HadoopVersionOf(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace calve::catalog
