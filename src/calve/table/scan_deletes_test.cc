#include "calve/table/scan_deletes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/table/testing_table.h"

namespace calve::table {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::Literal;
using iceberg::TableMetadata;
using testing::ElementsAre;
using testing::IsEmpty;

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

}  // namespace
}  // namespace calve::table
