#include "calve/table/scan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>

#include "calve/iceberg/avro_file.h"
#include "calve/iceberg/calendar.h"
#include "calve/iceberg/manifest.h"
#include "calve/table/scan_deletes.h"
#include "calve/table/scan_pruning.h"
#include "calve/table/snapshot_manifests.h"
#include "calve/table/testing_table.h"

namespace calve::table {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::Literal;
using iceberg::ManifestFile;
using iceberg::RowRange;
using iceberg::TableMetadata;
using iceberg::Type;
using iceberg::TypeId;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr int64_t kDay = 86'400'000'000;

std::string LongBytes(int64_t value) { return ToBytes(Type::Of(TypeId::kLong), value); }

// A table of one column "ts" of that type, partitioned by `transform` of it (none: unpartitioned).
TableMetadata TableBy(TypeId type, const std::string& transform) {
  const iceberg::Schema schema{0, {{1, "ts", false, Type::Of(TypeId::kTimestampTz), ""}}, {}};
  iceberg::PartitionSpec spec;
  if (!transform.empty()) spec.fields = {{1, 1000, "p", iceberg::ParseTransform(transform)}};
  TableMetadata table =
      NewTableMetadata(schema, spec, {}, "mem://t", {}, "6f1b0f3e-3d0a-4d53-9d5c-0a5f1c2b3a4d", 1'000).ValueOrDie();
  table.schemas.at(0).fields.at(0).type = Type::Of(type);  // also what a new table of v2 may not have
  return table;
}

DataFile FileWith(std::vector<Literal> partition) {
  DataFile file;
  file.file_path = "f";
  file.partition = std::move(partition);
  return file;
}

bool MayMatch(TypeId type, const std::string& transform, const Literal& partition, const RowRange& range) {
  const TableMetadata table = TableBy(type, transform);
  return RangePruner(table, range).MayMatch(FileWith({partition}));
}

TEST(RangePruner, DaysAtTheirEdges) {
  const auto day = [](int32_t value, std::optional<int64_t> after, std::optional<int64_t> up_to) {
    return MayMatch(TypeId::kTimestampTz, "day", value, {1, after, up_to});
  };
  EXPECT_TRUE(day(10, 10 * kDay - 1, 10 * kDay)) << "midnight belongs to the new day";
  EXPECT_FALSE(day(10, 9 * kDay, 10 * kDay - 1));
  EXPECT_TRUE(day(9, 9 * kDay, 10 * kDay - 1));
  EXPECT_FALSE(day(10, 11 * kDay, std::nullopt));
  EXPECT_TRUE(day(10, 11 * kDay - 2, std::nullopt));
  EXPECT_FALSE(day(11, std::nullopt, 11 * kDay - 1));
  EXPECT_TRUE(day(11, std::nullopt, std::nullopt));
}

TEST(RangePruner, BeforeTheEpochValuesMayBeOneTooHigh) {
  const auto day = [](int32_t value, int64_t after, int64_t up_to) {
    return MayMatch(TypeId::kTimestampTz, "day", value, {1, after, up_to});
  };
  // 1969-12-31T12:00 is day -1, and 0 to those who round towards zero.
  const int64_t noon = -kDay / 2;
  EXPECT_TRUE(day(-1, noon - 1, noon));
  EXPECT_TRUE(day(0, noon - 1, noon));
  EXPECT_FALSE(day(1, noon - 1, noon));
  EXPECT_FALSE(day(-2, noon - 1, noon));
  EXPECT_FALSE(day(1, 0, kDay - 1)) << "from the epoch on everyone agrees";
}

// Every transform against its own values, at random instants; and those one off for values before 1970.
TEST(RangePruner, NoTransformLosesARow) {
  std::mt19937_64 random(5);
  const auto below = [&](int64_t limit) { return static_cast<int64_t>(random() % static_cast<uint64_t>(limit)); };
  struct Column {
    TypeId type;
    int64_t per_unit;  // of the column's, in a microsecond; negative: microseconds in a unit
  };
  for (const Column& column : {Column{TypeId::kTimestampTz, 1}, Column{TypeId::kTimestamp, 1},
                               Column{TypeId::kTimestampTzNs, 1000}, Column{TypeId::kDate, -kDay}}) {
    for (const char* name : {"identity", "year", "month", "day", "hour"}) {
      if (column.type == TypeId::kDate && std::string(name) == "hour") continue;
      const iceberg::Transform transform = iceberg::ParseTransform(name);
      const TableMetadata table = TableBy(column.type, name);
      int kept = 0, pruned = 0;
      for (int i = 0; i < 3'000; ++i) {
        const int64_t span = i % 2 == 0 ? 3 * kDay : 4'000 * kDay;
        const int64_t micros = below(2 * span) - span;
        Literal value = micros;
        int64_t lower = micros, upper = micros;  // of the value, in microseconds
        if (column.type == TypeId::kDate) {
          const int64_t days = iceberg::FloorDivide(micros, kDay);
          value = static_cast<int32_t>(days);
          lower = upper = days * kDay;
        } else if (column.per_unit == 1000) {
          const int64_t nanos = micros * 1000 + below(1000);
          value = nanos;
          upper = iceberg::FloorDivide(nanos + 999, 1000);  // what up_to must reach
        }
        Literal partition = ApplyTransform(transform, Type::Of(column.type), value);
        const RangePruner around(table, {1, lower - 1 - below(5), upper + below(5)});
        EXPECT_TRUE(around.MayMatch(FileWith({partition}))) << name << " " << micros;
        if (transform.kind != iceberg::TransformKind::kIdentity) {
          if (auto* p = std::get_if<int32_t>(&partition); p != nullptr && *p < 0) {
            Literal high = *p + 1;
            EXPECT_TRUE(around.MayMatch(FileWith({high}))) << name << " " << micros;
          }
        }
        const int64_t elsewhere = below(8'000 * kDay) - 4'000 * kDay;
        const bool may = RangePruner(table, {1, elsewhere, elsewhere + kDay}).MayMatch(FileWith({partition}));
        if (elsewhere < lower && upper <= elsewhere + kDay) {
          EXPECT_TRUE(may) << name << " " << micros;
        }
        ++(may ? kept : pruned);
      }
      EXPECT_GT(pruned, 1'000) << name << " prunes";
    }
  }
}

TEST(RangePruner, TheEndsOfTime) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  for (const TypeId type : {TypeId::kTimestampTz, TypeId::kTimestampTzNs, TypeId::kDate}) {
    for (const char* name : {"identity", "year", "month", "day", "hour"}) {
      const TableMetadata table = TableBy(type, name);
      const RangePruner all(table, {1, kMin, kMax});
      const bool wide = std::string(name) == "identity" && type != TypeId::kDate;
      for (const int32_t value : {-2'000'000'000, 0, 2'000'000'000}) {
        if (std::abs(value) > 3'000'000 && (std::string(name) == "year" || std::string(name) == "month")) continue;
        if (std::abs(value) > 100'000'000 && (std::string(name) == "day" || type == TypeId::kDate)) continue;
        const Literal partition = wide ? Literal(int64_t{value}) : Literal(value);
        EXPECT_TRUE(all.MayMatch(FileWith({partition}))) << name << value;
      }
      EXPECT_TRUE(RangePruner(table, {1, kMax, kMax}).MayMatch(FileWith({Literal()})));
    }
  }
}

TEST(RangePruner, OtherTransformsAndColumnsAndNullsPruneNothing) {
  const RowRange never{1, 5 * kDay, 5 * kDay + 1};
  EXPECT_TRUE(MayMatch(TypeId::kTimestampTz, "bucket[4]", int32_t{3}, never));
  EXPECT_TRUE(MayMatch(TypeId::kTimestampTz, "void", Literal(), never));
  EXPECT_TRUE(MayMatch(TypeId::kTimestampTz, "fortnight", int32_t{99}, never));
  EXPECT_TRUE(MayMatch(TypeId::kTimestampTz, "day", Literal(), never));
  EXPECT_FALSE(MayMatch(TypeId::kTimestampTz, "day", int32_t{4}, never));
  EXPECT_TRUE(MayMatch(TypeId::kTimestampTz, "day", int32_t{4}, {2, never.after, never.up_to}));
  EXPECT_TRUE(MayMatch(TypeId::kLong, "identity", int64_t{4}, never)) << "not a time";
}

TEST(RangePruner, Bounds) {
  const TableMetadata table = TableBy(TypeId::kTimestampTz, "");
  const auto with = [&](std::optional<int64_t> lower, std::optional<int64_t> upper, const RowRange& range) {
    DataFile file = FileWith({});
    if (lower) file.lower_bounds[1] = LongBytes(*lower);
    if (upper) file.upper_bounds[1] = LongBytes(*upper);
    return RangePruner(table, range).MayMatch(file);
  };
  EXPECT_TRUE(with(10, 20, {1, 19, 30}));
  EXPECT_FALSE(with(10, 20, {1, 20, 30}));
  EXPECT_TRUE(with(10, 20, {1, 5, 10}));
  EXPECT_FALSE(with(10, 20, {1, 5, 9}));
  EXPECT_TRUE(with(std::nullopt, std::nullopt, {1, 5, 9}));
  EXPECT_TRUE(with(10, std::nullopt, {1, 20, std::nullopt}));
  EXPECT_FALSE(with(10, std::nullopt, {1, std::nullopt, 9}));
  EXPECT_TRUE(with(std::nullopt, 20, {1, std::nullopt, 9}));
  DataFile broken = FileWith({});
  broken.lower_bounds[1] = broken.upper_bounds[1] = "abc";
  EXPECT_TRUE(RangePruner(table, {1, 5, 9}).MayMatch(broken)) << "what does not decode is not known";
}

TEST(RangePruner, ManifestSummaries) {
  const TableMetadata table = TableBy(TypeId::kTimestampTz, "day");
  const auto with = [&](bool contains_null, std::optional<int32_t> lower, std::optional<int32_t> upper) {
    iceberg::FieldSummary summary;
    summary.contains_null = contains_null;
    const Type date = Type::Of(TypeId::kDate);
    if (lower) summary.lower_bound = ToBytes(date, *lower);
    if (upper) summary.upper_bound = ToBytes(date, *upper);
    ManifestFile manifest;
    manifest.partitions = {summary};
    return RangePruner(table, {1, 10 * kDay, 12 * kDay - 1}).MayMatch(manifest);
  };
  EXPECT_TRUE(with(false, 5, 10));
  EXPECT_FALSE(with(false, 5, 9));
  EXPECT_TRUE(with(true, 5, 9)) << "a null is not known to be outside";
  EXPECT_TRUE(with(false, 11, 15));
  EXPECT_FALSE(with(false, 12, 15));
  EXPECT_TRUE(with(false, std::nullopt, std::nullopt));
  EXPECT_TRUE(RangePruner(table, {1, 0, 1}).MayMatch(ManifestFile{})) << "without summaries";
}

// --- deletes

DataFile Deletes(const std::string& path, FileContent content, std::vector<Literal> partition = {int32_t{1}},
                 int spec_id = 0) {
  DataFile file;
  file.file_path = path;
  file.content = content;
  file.partition = std::move(partition);
  file.spec_id = spec_id;
  return file;
}

class DeleteIndexTest : public testing::Test {
 protected:
  DeleteIndexTest() : table_(EmptyTable()) { table_.partition_specs.push_back({7, {}}); }

  std::vector<std::string> For(const DataFile& file, int64_t sequence_number) const {
    std::vector<std::string> paths;
    for (const DataFile& deletes : index_.For(file, sequence_number)) paths.push_back(deletes.file_path);
    return paths;
  }

  TableMetadata table_;
  DeleteIndex index_{table_};
};

TEST_F(DeleteIndexTest, SequenceNumbersDecide) {
  index_.Add(Deletes("position", FileContent::kPositionDeletes), 5);
  index_.Add(Deletes("equality", FileContent::kEqualityDeletes), 5);
  const DataFile file = FileOfDay("a", 1);
  EXPECT_THAT(For(file, 4), ElementsAre("position", "equality"));
  EXPECT_THAT(For(file, 5), ElementsAre("position")) << "rows of the same commit are not meant by keys";
  EXPECT_THAT(For(file, 6), IsEmpty());
}

TEST_F(DeleteIndexTest, PartitionsDecideButForGlobalOnes) {
  index_.Add(Deletes("position", FileContent::kPositionDeletes), 5);
  index_.Add(Deletes("equality", FileContent::kEqualityDeletes), 5);
  index_.Add(Deletes("global", FileContent::kEqualityDeletes, {}, 7), 5);
  index_.Add(Deletes("unpartitioned position", FileContent::kPositionDeletes, {}, 7), 5);
  index_.Add(Deletes("null", FileContent::kEqualityDeletes, {Literal()}), 5);
  EXPECT_THAT(For(FileOfDay("a", 1), 1), ElementsAre("position", "equality", "global"));
  EXPECT_THAT(For(FileOfDay("a", 2), 1), ElementsAre("global"));
  DataFile other = FileOfDay("a", 1);
  other.spec_id = 7;
  other.partition.clear();
  EXPECT_THAT(For(other, 1), ElementsAre("global", "unpartitioned position"));
  other = FileOfDay("a", 1);
  other.partition = {Literal()};
  EXPECT_THAT(For(other, 1), ElementsAre("global", "null"));
}

TEST_F(DeleteIndexTest, PathsNarrowPositionDeletes) {
  const DataFile file = FileOfDay("m", 1);
  constexpr int kPath = 2'147'483'546;
  DataFile deletes = Deletes("of a file", FileContent::kPositionDeletes, {int32_t{99}});
  deletes.referenced_data_file = file.file_path;
  index_.Add(deletes, 5);
  deletes.file_path = "of another";
  deletes.referenced_data_file = "mem://t/data/n";
  index_.Add(deletes, 5);
  const auto bounded = [&](const std::string& path, const std::string& lower, const std::string& upper) {
    DataFile added = Deletes(path, FileContent::kPositionDeletes);
    added.lower_bounds[kPath] = lower;
    added.upper_bounds[kPath] = upper;
    index_.Add(added, 5);
  };
  bounded("around", "mem://t/data/l", "mem://t/data/n");
  bounded("exact", file.file_path, file.file_path);
  bounded("before", "mem://t/data/a", "mem://t/data/l");
  bounded("behind", "mem://t/data/m0", "mem://t/data/z");
  bounded("beyond ASCII", "mem", "mem\xc3\xa9");
  EXPECT_THAT(For(file, 5), ElementsAre("of a file", "around", "exact", "beyond ASCII"));
}

// --- whole scans

// A manifest of delete files, as another engine writes it: with the columns that matter, under names without ids.
std::string EncodeDeletes(const std::vector<DataFile>& files) {
  constexpr const char* kSchema = R"json({"type": "record", "name": "manifest_entry", "fields": [
    {"name": "status", "type": "int"}, {"name": "snapshot_id", "type": ["null", "long"]},
    {"name": "sequence_number", "type": ["null", "long"]}, {"name": "file_sequence_number", "type": ["null", "long"]},
    {"name": "data_file", "type": {"type": "record", "name": "r2", "fields": [
      {"name": "content", "type": "int"}, {"name": "file_path", "type": "string"},
      {"name": "file_format", "type": "string"},
      {"name": "partition", "type": {"type": "record", "name": "r102", "fields": [
        {"name": "ts_day", "field-id": 1000, "type": ["null", "int"]}]}},
      {"name": "record_count", "type": "long"}, {"name": "file_size_in_bytes", "type": "long"},
      {"name": "equality_ids", "type": {"type": "array", "items": "int"}},
      {"name": "referenced_data_file", "type": "string"}]}}]})json";
  iceberg::AvroFileWriter writer(kSchema, {{"content", "deletes"}, {"partition-spec-id", "0"}});
  for (const DataFile& file : files) {
    std::string& out = writer.buffer();
    for (const int64_t head : {1, 0, 0, 0}) iceberg::PutAvroLong(out, head);  // ADDED, the rest inherited
    iceberg::PutAvroLong(out, static_cast<int64_t>(file.content));
    iceberg::PutAvroBytes(out, file.file_path);
    iceberg::PutAvroBytes(out, "PARQUET");
    iceberg::PutAvroLong(out, 1);
    iceberg::PutAvroLong(out, std::get<int32_t>(file.partition.at(0)));
    iceberg::PutAvroLong(out, 1);
    iceberg::PutAvroLong(out, 100);
    for (const int id : file.equality_ids) {
      iceberg::PutAvroLong(out, 1);
      iceberg::PutAvroLong(out, id);
    }
    iceberg::PutAvroLong(out, 0);
    iceberg::PutAvroBytes(out, file.referenced_data_file.value_or(""));
    EXPECT_TRUE(writer.EndObject().ok());
  }
  return writer.Finish().ValueOrDie();
}

class ScanTest : public testing::Test {
 protected:
  ScanTest() {
    io_.fault = [this](const std::string& operation, const std::string& location) {
      if (operation == "read") ++reads_[location];
      return Status::OK();
    };
  }

  TableMetadata Commit(const TableMetadata& base, std::vector<DataFile> files) {
    return AppendTo(io_, base, std::move(files), fmt::format("c{}", ++commits_)).ValueOrDie();
  }

  // Adds a manifest of delete files to the current snapshot, as of its sequence number.
  void AddDeletes(const TableMetadata& table, const std::vector<DataFile>& files) {
    auto manifests = ReadManifests(io_, table, *table.CurrentSnapshot()).ValueOrDie();
    const std::string bytes = EncodeDeletes(files);
    ManifestFile manifest = manifests.at(0);
    manifest.manifest_path = fmt::format("mem://t/metadata/deletes-{}.avro", ++commits_);
    manifest.manifest_length = static_cast<int64_t>(bytes.size());
    manifest.content = iceberg::ManifestContent::kDeletes;
    manifest.sequence_number = table.CurrentSnapshot()->sequence_number;
    manifest.added_files_count = static_cast<int64_t>(files.size());
    // Of the partition of what they delete, or not: deletes of a file's own go by its path.
    ASSERT_TRUE(io_.WriteNew(manifest.manifest_path, bytes).ok());
    manifests.push_back(manifest);
    const auto& snapshot = *table.CurrentSnapshot();
    const std::string list =
        EncodeManifestList(snapshot.snapshot_id, {}, snapshot.sequence_number, manifests).ValueOrDie();
    ASSERT_TRUE(io_.Replace(snapshot.manifest_list, list).ok());
  }

  std::vector<ScanTask> Plan(const TableMetadata& table, const std::optional<RowRange>& range = std::nullopt) {
    reads_.clear();
    return PlanScan(io_, table, *table.current_snapshot_id, range).ValueOrDie();
  }

  std::vector<std::string> Paths(const std::vector<ScanTask>& tasks) {
    std::vector<std::string> paths;
    for (const ScanTask& task : tasks) paths.push_back(task.file.file_path.substr(std::string("mem://t/data/").size()));
    return paths;
  }

  storage::MemoryFileIO io_;
  std::map<std::string, int> reads_;
  int commits_ = 0;
};

TEST_F(ScanTest, AllFilesWithTheirSequenceNumbers) {
  TableMetadata table = Commit(EmptyTable(), {FileOfDay("a", 1), FileOfDay("b", 2)});
  const int64_t first = *table.current_snapshot_id;
  table = Commit(table, {FileOfDay("c", 3)});
  const auto tasks = Plan(table);
  EXPECT_THAT(Paths(tasks), ElementsAre("c", "a", "b"));
  EXPECT_EQ(tasks[0].sequence_number, 2);
  EXPECT_EQ(tasks[1].sequence_number, 1);
  EXPECT_TRUE(tasks[0].deletes.empty());
  EXPECT_EQ(PlanScan(io_, table, first, std::nullopt)->size(), 2u);
  EXPECT_EQ(KindOf(PlanScan(io_, table, 42, std::nullopt).status()), ErrorKind::kNotFound);
}

TEST_F(ScanTest, ManifestsAndFilesOutsideOfTheRangeAreLeftOut) {
  TableMetadata table = EmptyTable({{"commit.manifest-merge.enabled", "false"}});
  for (int day = 0; day < 20; day += 2) {
    table = Commit(table, {FileOfDay(fmt::format("{}", day), day), FileOfDay(fmt::format("{}", day + 1), day + 1)});
  }
  EXPECT_EQ(Plan(table).size(), 20u);
  EXPECT_EQ(reads_.size(), 11u) << "the list and ten manifests";
  EXPECT_THAT(Paths(Plan(table, RowRange{1, 7 * kDay, 8 * kDay})), UnorderedElementsAre("7", "8"));
  EXPECT_EQ(reads_.size(), 3u) << "the list and two manifests";
  EXPECT_THAT(Paths(Plan(table, RowRange{1, 7 * kDay, 8 * kDay - 1})), ElementsAre("7"));
  EXPECT_EQ(reads_.size(), 2u);
  EXPECT_THAT(Plan(table, RowRange{1, 30 * kDay, std::nullopt}), IsEmpty());
  EXPECT_EQ(reads_.size(), 1u);
}

TEST_F(ScanTest, BoundsPruneInsideAPartition) {
  DataFile early = FileOfDay("early", 1), late = FileOfDay("late", 1), unknown = FileOfDay("unknown", 1);
  early.lower_bounds[1] = LongBytes(kDay);
  early.upper_bounds[1] = LongBytes(kDay + 10);
  late.lower_bounds[1] = LongBytes(kDay + 11);
  late.upper_bounds[1] = LongBytes(kDay + 20);
  const TableMetadata table = Commit(EmptyTable(), {early, late, unknown});
  EXPECT_THAT(Paths(Plan(table, RowRange{1, kDay + 10, kDay + 15})), ElementsAre("late", "unknown"));
  EXPECT_THAT(Paths(Plan(table, RowRange{1, kDay + 9, kDay + 11})), ElementsAre("early", "late", "unknown"));
}

TEST_F(ScanTest, DeletesOfALaterCommitApply) {
  TableMetadata table = Commit(EmptyTable(), {FileOfDay("old", 1), FileOfDay("elsewhere", 2)});
  table = Commit(table, {FileOfDay("new", 1)});
  DataFile keys = Deletes("keys", FileContent::kEqualityDeletes);
  keys.equality_ids = {2};
  DataFile rows = Deletes("rows", FileContent::kPositionDeletes, {int32_t{50}});
  rows.referenced_data_file = "mem://t/data/new";
  AddDeletes(table, {keys, rows});
  std::map<std::string, std::vector<std::string>> applying;
  for (const ScanTask& task : Plan(table, RowRange{1, kDay, 3 * kDay})) {
    for (const DataFile& deletes : task.deletes) applying[task.file.file_path].push_back(deletes.file_path);
    for (const DataFile& deletes : task.deletes) {
      if (deletes.file_path == "keys") {
        EXPECT_EQ(deletes.equality_ids, std::vector<int>{2});
      }
    }
  }
  EXPECT_EQ(applying, (std::map<std::string, std::vector<std::string>>{{"mem://t/data/old", {"keys"}},
                                                                       {"mem://t/data/new", {"rows"}}}));
  int64_t delete_files = 0;
  EXPECT_EQ(ListDataFiles(io_, table, *table.current_snapshot_id, &delete_files)->size(), 3u);
  EXPECT_EQ(delete_files, 2);
}

}  // namespace
}  // namespace calve::table
