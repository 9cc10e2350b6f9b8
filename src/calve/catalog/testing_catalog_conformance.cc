#include "calve/catalog/testing_catalog_conformance.h"

#include <gmock/gmock.h>

#include "calve/base/random.h"

namespace calve::catalog {

using iceberg::TableMetadata;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

CreateTableRequest TradesRequest() {
  using iceberg::Type;
  using iceberg::TypeId;
  CreateTableRequest request;
  request.schema.fields = {{1, "id", true, Type::Of(TypeId::kLong), ""},
                           {2, "ts", false, Type::Of(TypeId::kTimestampTz), "when"},
                           {3, "price", false, Type::Decimal(38, 8), ""}};
  request.spec.fields = {{2, 1000, "ts_day", {iceberg::TransformKind::kDay, 0, ""}}};
  request.properties = {{"owner", "calve"}};
  return request;
}

TestAppend AppendOn(const TableMetadata& base) {
  TestAppend append;
  append.snapshot_id = RandomPositiveInt64();
  iceberg::Snapshot snapshot;
  snapshot.snapshot_id = append.snapshot_id;
  snapshot.parent_snapshot_id = base.current_snapshot_id;
  snapshot.sequence_number = base.last_sequence_number + 1;
  snapshot.timestamp_ms = base.last_updated_ms + 1;
  snapshot.manifest_list = base.location + "/metadata/snap-" + std::to_string(append.snapshot_id) + ".avro";
  snapshot.summary = {{"operation", "append"}};
  snapshot.schema_id = base.current_schema_id;
  iceberg::SnapshotRef ref;
  ref.snapshot_id = append.snapshot_id;
  append.requirements = {iceberg::AssertTableUuid{base.table_uuid},
                         iceberg::AssertRefSnapshotId{"main", base.current_snapshot_id}};
  append.updates = {iceberg::AddSnapshot{snapshot}, iceberg::SetSnapshotRef{"main", ref}};
  return append;
}

Result<int64_t> AppendRetrying(Catalog& catalog, const TableIdent& ident) {
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(LoadedTable base, catalog.LoadTable(ident));
    TestAppend append = AppendOn(base.metadata);
    auto committed = catalog.CommitTable(ident, append.requirements, append.updates);
    if (committed.ok()) return append.snapshot_id;
    if (KindOf(committed.status()) != ErrorKind::kConflict && KindOf(committed.status()) != ErrorKind::kRetry) {
      return committed.status();
    }
  }
}

std::vector<int64_t> SnapshotChain(const TableMetadata& metadata) {
  std::vector<int64_t> chain;
  const iceberg::Snapshot* snapshot = metadata.CurrentSnapshot();
  while (snapshot) {
    chain.push_back(snapshot->snapshot_id);
    snapshot = snapshot->parent_snapshot_id ? metadata.FindSnapshot(*snapshot->parent_snapshot_id) : nullptr;
  }
  return chain;
}

Result<LoadedTable> SetProperty(Catalog& catalog, const TableIdent& ident, const std::string& key,
                                const std::string& value) {
  std::vector<iceberg::TableUpdate> updates{iceberg::SetProperties{{{key, value}}}};
  return catalog.CommitTable(ident, {}, updates);
}

std::vector<int64_t> CatalogConformance::FirstSnapshots(const TableIdent& ident) {
  if (!place_->quirks().overwrites_first_snapshots) return {};
  return {AppendRetrying(*catalog_, ident).ValueOrDie()};
}

namespace {

TEST_P(CatalogConformance, ATableIsCreatedAndLoaded) {
  auto created = catalog_->CreateTable(ident_, TradesRequest());
  ASSERT_TRUE(created.ok()) << created.status().ToString();
  auto loaded = place_->Open()->LoadTable(ident_);
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_EQ(loaded->metadata_location, created->metadata_location);
  EXPECT_EQ(iceberg::WriteTableMetadata(loaded->metadata), iceberg::WriteTableMetadata(created->metadata));
  const TableMetadata& metadata = loaded->metadata;
  EXPECT_EQ(metadata.format_version, 2);
  EXPECT_EQ(metadata.table_uuid.size(), 36u);
  EXPECT_THAT(metadata.location, ::testing::StartsWith(place_->root()));
  if (!place_->quirks().places_tables) {
    EXPECT_EQ(metadata.location, place_->root() + "/warehouse/cold/trades");
  }
  EXPECT_EQ(metadata.schema().fields.size(), 3u);
  EXPECT_EQ(metadata.spec().fields.size(), 1u);
  EXPECT_EQ(metadata.Property("owner", ""), "calve");
  EXPECT_FALSE(metadata.current_snapshot_id.has_value());
  EXPECT_TRUE(*place_->local.Exists(loaded->metadata_location));
}

TEST_P(CatalogConformance, ATableIsCreatedOnce) {
  LoadedTable first = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  Status again = catalog_->CreateTable(ident_, TradesRequest()).status();
  EXPECT_EQ(KindOf(again), ErrorKind::kAlreadyExists) << again.ToString();
  EXPECT_THAT(MessageOf(again), HasSubstr("cold.trades"));
  EXPECT_EQ(catalog_->LoadTable(ident_)->metadata.table_uuid, first.metadata.table_uuid);
}

TEST_P(CatalogConformance, WhatIsNotThereIsNotFound) {
  for (const TableIdent& ident : {TableIdent{{"cold"}, "nothing"}, TableIdent{{"no", "such"}, "trades"}}) {
    EXPECT_EQ(KindOf(catalog_->LoadTable(ident).status()), ErrorKind::kNotFound);
    EXPECT_EQ(KindOf(SetProperty(*catalog_, ident, "k", "v").status()), ErrorKind::kNotFound);
    EXPECT_EQ(KindOf(catalog_->DropTable(ident)), ErrorKind::kNotFound);
    EXPECT_THAT(MessageOf(catalog_->LoadTable(ident).status()), HasSubstr(ident.ToString()));
  }
  // Looking must not have made anything.
  EXPECT_THAT(place_->local.List(place_->root()).ValueOrDie(), IsEmpty());
  EXPECT_THAT(catalog_->ListNamespaces().ValueOrDie(), IsEmpty());
  EXPECT_THAT(catalog_->ListTables({"cold"}).ValueOrDie(), IsEmpty());
}

TEST_P(CatalogConformance, ACommitAppliesItsUpdates) {
  LoadedTable created = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  TestAppend append = AppendOn(created.metadata);
  auto committed = catalog_->CommitTable(ident_, append.requirements, append.updates);
  ASSERT_TRUE(committed.ok()) << committed.status().ToString();
  LoadedTable loaded = place_->Open()->LoadTable(ident_).ValueOrDie();
  if (!place_->quirks().names_commits_otherwise) {
    EXPECT_EQ(loaded.metadata_location, committed->metadata_location);
  }
  EXPECT_NE(loaded.metadata_location, created.metadata_location);
  EXPECT_THAT(SnapshotChain(loaded.metadata), ElementsAre(append.snapshot_id));
  EXPECT_GE(loaded.metadata.last_updated_ms, created.metadata.last_updated_ms);
}

TEST_P(TableHistoryConformance, ACommitLogsTheMetadataBeforeAndKeepsTheSnapshots) {
  LoadedTable created = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  const int64_t first = AppendRetrying(*catalog_, ident_).ValueOrDie();
  LoadedTable loaded = place_->Open()->LoadTable(ident_).ValueOrDie();
  ASSERT_THAT(loaded.metadata.metadata_log, SizeIs(1));
  EXPECT_EQ(loaded.metadata.metadata_log[0].metadata_file, created.metadata_location);
  EXPECT_EQ(loaded.metadata.metadata_log[0].timestamp_ms, created.metadata.last_updated_ms);
  const int64_t second = AppendRetrying(*catalog_, ident_).ValueOrDie();
  EXPECT_THAT(SnapshotChain(place_->Open()->LoadTable(ident_)->metadata), ElementsAre(second, first));
}

TEST_P(CatalogConformance, ACommitWithoutUpdatesChangesNothing) {
  LoadedTable created = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  auto committed = catalog_->CommitTable(ident_, {}, {});
  ASSERT_TRUE(committed.ok());
  EXPECT_EQ(committed->metadata_location, created.metadata_location);
  EXPECT_EQ(iceberg::WriteTableMetadata(committed->metadata), iceberg::WriteTableMetadata(created.metadata));
  std::vector<iceberg::TableRequirement> other_uuid{iceberg::AssertTableUuid{RandomUuid()}};
  EXPECT_EQ(KindOf(catalog_->CommitTable(ident_, other_uuid, {}).status()), ErrorKind::kConflict);
}

TEST_P(CatalogConformance, ARequirementThatDoesNotHoldIsAConflict) {
  LoadedTable base = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  const TestAppend behind_nothing = AppendOn(base.metadata);
  AppendRetrying(*catalog_, ident_).ValueOrDie();
  base = catalog_->LoadTable(ident_).ValueOrDie();
  const TestAppend first = AppendOn(base.metadata), second = AppendOn(base.metadata);
  ASSERT_TRUE(catalog_->CommitTable(ident_, first.requirements, first.updates).ok());
  auto kind = [&](const TestAppend& append) {
    return KindOf(catalog_->CommitTable(ident_, append.requirements, append.updates).status());
  };
  EXPECT_EQ(kind(second), ErrorKind::kConflict);
  if (!place_->quirks().overwrites_first_snapshots) {
    EXPECT_EQ(kind(behind_nothing), ErrorKind::kConflict);
  }
  std::vector<iceberg::TableRequirement> other_uuid{iceberg::AssertTableUuid{RandomUuid()}};
  std::vector<iceberg::TableUpdate> update{iceberg::SetProperties{{{"k", "v"}}}};
  EXPECT_EQ(KindOf(catalog_->CommitTable(ident_, other_uuid, update).status()), ErrorKind::kConflict);
  const TableMetadata now = catalog_->LoadTable(ident_)->metadata;
  EXPECT_EQ(now.current_snapshot_id, first.snapshot_id);
  EXPECT_EQ(now.last_sequence_number, 2);
  EXPECT_EQ(now.Property("k", "none"), "none");
}

TEST_P(TableHistoryConformance, TheMetadataLogIsCutAndForgottenFilesAreDeletedWhereAskedFor) {
  LoadedTable table = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  std::vector<std::string> locations{table.metadata_location};
  auto commit = [&](const std::string& key, const std::string& value) {
    place_->clock.Advance(kTwoHoursMicros);  // files are old enough
    table = SetProperty(*catalog_, ident_, key, value).ValueOrDie();
    locations.push_back(table.metadata_location);
  };
  auto there = [&] {
    std::string flags;
    for (const std::string& location : locations) flags += *place_->local.Exists(location) ? 'y' : 'n';
    return flags;
  };
  for (int i = 0; i < 3; ++i) commit("i", std::to_string(i));
  commit("write.metadata.previous-versions-max", "2");
  EXPECT_THAT(table.metadata.metadata_log, SizeIs(2));
  EXPECT_EQ(there(), "yyyyy");
  commit("write.metadata.delete-after-commit.enabled", "true");
  EXPECT_EQ(there(), "yynyyy") << "only what this commit forgets is deleted";
  commit("i", "last");
  EXPECT_EQ(there(), "yynnyyy");
  EXPECT_THAT(table.metadata.metadata_log, SizeIs(2));
  commit("write.metadata.previous-versions-max", "0");  // Java keeps one all the same
  EXPECT_EQ(there(), "yynnnnyy");
  EXPECT_THAT(table.metadata.metadata_log, SizeIs(1));
  EXPECT_EQ(place_->Open()->LoadTable(ident_)->metadata_location, table.metadata_location);
}

TEST_P(TableHistoryConformance, CompressedMetadataIsWrittenAndRead) {
  catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  ASSERT_TRUE(SetProperty(*catalog_, ident_, "write.metadata.compression-codec", "gzip").ok());
  LoadedTable packed = SetProperty(*catalog_, ident_, "k", "v").ValueOrDie();
  EXPECT_THAT(packed.metadata_location, ::testing::EndsWith(".gz.metadata.json"));
  EXPECT_EQ(place_->local.Read(packed.metadata_location)->substr(0, 2), "\x1f\x8b");
  EXPECT_EQ(place_->Open()->LoadTable(ident_)->metadata.Property("k", ""), "v");
  ASSERT_TRUE(SetProperty(*catalog_, ident_, "write.metadata.compression-codec", "none").ok());
  LoadedTable plain = SetProperty(*catalog_, ident_, "k", "w").ValueOrDie();
  EXPECT_THAT(plain.metadata_location, ::testing::Not(HasSubstr(".gz")));
  EXPECT_EQ(place_->Open()->LoadTable(ident_)->metadata.Property("k", ""), "w");
}

// Whatever a catalog remembers of what it read, and whoever committed since.
TEST_P(MetadataFileConformance, ALargeTableIsReadAsItWasCommittedLast) {
  ASSERT_TRUE(catalog_->CreateTable(ident_, TradesRequest()).ok());
  ASSERT_TRUE(SetProperty(*catalog_, ident_, "filler", std::string(400'000, 'x')).ok());
  const std::unique_ptr<Catalog> other = place_->Open();
  std::vector<int64_t> committed;
  for (Catalog* writer : {catalog_.get(), other.get(), other.get(), catalog_.get()}) {
    const LoadedTable before = catalog_->LoadTable(ident_).ValueOrDie();
    const std::string written = iceberg::WriteTableMetadata(before.metadata);
    committed.insert(committed.begin(), AppendRetrying(*writer, ident_).ValueOrDie());
    EXPECT_EQ(iceberg::WriteTableMetadata(before.metadata), written);
    for (Catalog* reader : {catalog_.get(), other.get(), catalog_.get()}) {
      EXPECT_EQ(SnapshotChain(reader->LoadTable(ident_)->metadata), committed);
    }
  }
}

TEST_P(CatalogConformance, TablesAndNamespacesAreListed) {
  EXPECT_THAT(catalog_->ListTables({"cold"}).ValueOrDie(), IsEmpty());
  for (const TableIdent& ident : {TableIdent{{"cold"}, "b"}, TableIdent{{"cold"}, "a"},
                                  TableIdent{{"cold", "deep"}, "c"}, TableIdent{{"colder"}, "d"}}) {
    ASSERT_TRUE(catalog_->CreateTable(ident, TradesRequest()).ok());
  }
  auto other = place_->Open();
  EXPECT_THAT(other->ListTables({"cold"}).ValueOrDie(),
              ElementsAre(TableIdent{{"cold"}, "a"}, TableIdent{{"cold"}, "b"}));
  EXPECT_THAT(other->ListTables({"cold", "deep"}).ValueOrDie(), ElementsAre(TableIdent{{"cold", "deep"}, "c"}));
  EXPECT_THAT(other->ListTables({"deep"}).ValueOrDie(), IsEmpty());
  EXPECT_THAT(other->ListNamespaces().ValueOrDie(),
              UnorderedElementsAre(ElementsAre("cold"), ElementsAre("cold", "deep"), ElementsAre("colder")));
}

TEST_P(CatalogConformance, ADroppedTableIsForgottenAndItsFilesStay) {
  LoadedTable table = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  ASSERT_TRUE(SetProperty(*catalog_, ident_, "k", "v").ok());
  std::string data = storage::JoinLocation(table.metadata.location, "data/x.parquet");
  ASSERT_TRUE(place_->local.WriteNew(data, "rows").ok());
  const Status dropped = catalog_->DropTable(ident_);
  ASSERT_TRUE(dropped.ok()) << dropped.ToString();
  EXPECT_EQ(KindOf(catalog_->LoadTable(ident_).status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(catalog_->DropTable(ident_)), ErrorKind::kNotFound);
  EXPECT_THAT(catalog_->ListTables({"cold"}).ValueOrDie(), IsEmpty());
  EXPECT_TRUE(*place_->local.Exists(data));
  LoadedTable again = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  EXPECT_NE(again.metadata.table_uuid, table.metadata.table_uuid);
  EXPECT_EQ(catalog_->LoadTable(ident_)->metadata.Property("k", "none"), "none");
}

TEST_P(CatalogConformance, ATableIsTakenOverWithItsFiles) {
  LoadedTable table = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  ASSERT_TRUE(AppendRetrying(*catalog_, ident_).ok());
  table = catalog_->LoadTable(ident_).ValueOrDie();
  const TableIdent other{{"colder"}, "trades"};
  auto taken = catalog_->RegisterTable(other, table.metadata_location);
  if (KindOf(taken.status()) == ErrorKind::kUnsupported) return;
  ASSERT_TRUE(taken.ok()) << taken.status().ToString();
  LoadedTable loaded = place_->Open()->LoadTable(other).ValueOrDie();
  EXPECT_EQ(loaded.metadata_location, table.metadata_location);
  EXPECT_EQ(loaded.metadata.table_uuid, table.metadata.table_uuid);
  EXPECT_THAT(SnapshotChain(loaded.metadata), SizeIs(1));
  EXPECT_EQ(KindOf(catalog_->RegisterTable(other, table.metadata_location).status()), ErrorKind::kAlreadyExists);
}

TEST_P(CatalogConformance, SeveralTablesMoveTogetherOrNotAtAll) {
  if (!catalog_->CommitsTogether().ValueOrDie()) {
    EXPECT_EQ(KindOf(catalog_->CommitTables({})), ErrorKind::kUnsupported);
    return;
  }
  std::vector<TableCommit> commits;
  for (const char* name : {"a", "b", "c"}) {
    const TableIdent ident{{"cold"}, name};
    LoadedTable table = catalog_->CreateTable(ident, TradesRequest()).ValueOrDie();
    TestAppend append = AppendOn(table.metadata);
    commits.push_back({ident, append.requirements, append.updates});
  }
  ASSERT_TRUE(catalog_->CommitTables(commits).ok());
  for (const TableCommit& commit : commits) {
    EXPECT_THAT(SnapshotChain(place_->Open()->LoadTable(commit.ident)->metadata), SizeIs(1));
  }
  ASSERT_TRUE(AppendRetrying(*catalog_, commits[1].ident).ok());
  std::vector<TableCommit> stale;
  for (const TableCommit& commit : commits) {
    TestAppend append = AppendOn(catalog_->LoadTable(commit.ident)->metadata);
    stale.push_back({commit.ident, append.requirements, append.updates});
  }
  ASSERT_TRUE(AppendRetrying(*catalog_, commits[2].ident).ok());
  EXPECT_EQ(KindOf(catalog_->CommitTables(stale)), ErrorKind::kConflict);
  EXPECT_EQ(catalog_->LoadTable(commits[0].ident)->metadata.last_sequence_number, 1);
  EXPECT_EQ(catalog_->LoadTable(commits[1].ident)->metadata.last_sequence_number, 2);
}

TEST_P(CatalogConformance, NamesWithOddCharactersAreTakenAsTheyAre) {
  std::vector<TableIdent> idents;
  for (const char* name :
       {"with space", "ünï名", "quo'te\"s", "semi;colon--", "100%_", "%2F", "a=b&c", "Upper", "upper"}) {
    if (std::string(name).find_first_of(place_->quirks().refused_characters) != std::string::npos) continue;
    idents.push_back({{std::string("ns ") + name}, name});
    auto created = catalog_->CreateTable(idents.back(), TradesRequest());
    ASSERT_TRUE(created.ok()) << name << ": " << created.status().ToString();
    ASSERT_TRUE(SetProperty(*catalog_, idents.back(), "name", name).ok()) << name;
  }
  auto other = place_->Open();
  for (const TableIdent& ident : idents) {
    EXPECT_EQ(other->LoadTable(ident)->metadata.Property("name", ""), ident.name);
    EXPECT_THAT(other->ListTables(ident.levels).ValueOrDie(), ElementsAre(ident));
  }
}

TEST_P(CatalogConformance, NamesThatLeadElsewhereAreRefused) {
  for (const TableIdent& ident :
       {TableIdent{{"cold"}, ""}, TableIdent{{"cold"}, ".."}, TableIdent{{".."}, "x"}, TableIdent{{"cold"}, "a/b"},
        TableIdent{{"a/b"}, "x"}, TableIdent{{""}, "x"}, TableIdent{{"cold"}, std::string("a\0b", 3)}}) {
    EXPECT_EQ(KindOf(catalog_->CreateTable(ident, TradesRequest()).status()), ErrorKind::kConfig) << ident.ToString();
  }
  EXPECT_THAT(place_->local.List(place_->root()).ValueOrDie(), IsEmpty());
}

TEST_P(MetadataFileConformance, CorruptMetadataIsNamedAndLeftAlone) {
  LoadedTable table = catalog_->CreateTable(ident_, TradesRequest()).ValueOrDie();
  const std::string whole = place_->local.Read(table.metadata_location).ValueOrDie();
  std::vector<std::string> broken{"", "{}", "null", "[]", "not json", "\x1f\x8b\x08", std::string(100, '\0')};
  for (size_t cut = 1; cut < whole.size(); cut += whole.size() / 13) broken.push_back(whole.substr(0, cut));
  size_t uuid = whole.find(table.metadata.table_uuid);
  broken.push_back(std::string(whole).replace(uuid, 36, "0"));
  for (const std::string& bytes : broken) {
    ASSERT_TRUE(place_->local.Replace(table.metadata_location, bytes).ok());
    auto before = place_->local.List(place_->root()).ValueOrDie().size();
    for (const Status& status :
         {catalog_->LoadTable(ident_).status(), SetProperty(*catalog_, ident_, "k", "v").status()}) {
      EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt) << bytes.substr(0, 50) << ": " << status.ToString();
      EXPECT_THAT(MessageOf(status), HasSubstr(table.metadata_location));
      EXPECT_FALSE(RemedyOf(status).empty());
    }
    EXPECT_EQ(KindOf(catalog_->CreateTable(ident_, TradesRequest()).status()), ErrorKind::kAlreadyExists);
    EXPECT_EQ(place_->local.Read(table.metadata_location).ValueOrDie(), bytes);
    EXPECT_EQ(place_->local.List(place_->root()).ValueOrDie().size(), before);
  }
  ASSERT_TRUE(place_->local.Replace(table.metadata_location, whole).ok());
  EXPECT_TRUE(SetProperty(*catalog_, ident_, "k", "v").ok());
}

}  // namespace
}  // namespace calve::catalog
