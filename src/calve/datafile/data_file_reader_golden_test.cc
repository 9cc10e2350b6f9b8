// Data files and position deletes of Spark's (tests/data/golden/spark/deletes), read by the schema that the table has
// now: int to long, float to double, a wider decimal, a column renamed, one dropped, one added, one added to a struct.
#include <gtest/gtest.h>

#include "calve/datafile/testing_read_files.h"
#include "calve/iceberg/table_metadata.h"
#include "calve/storage/testing_memory_file_io.h"

namespace calve::datafile {
namespace {

using iceberg::DataFile;

TEST(SparkFiles, AreReadAsSparkReadsThem) {
  const std::string folder = std::string(CALVE_TEST_DATA) + "/golden/spark/deletes/";
  const auto table = Must(iceberg::ParseTableMetadata(Slurp(folder + "metadata/v12.metadata.json")));
  storage::MemoryFileIO io;
  std::map<std::string, DataFile> data;  // by day
  std::vector<DataFile> deletes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder + "data")) {
    if (!entry.is_regular_file()) continue;
    DataFile file;
    file.file_path = table.location + "/" + std::filesystem::relative(entry.path(), folder).string();
    Must(io.WriteNew(file.file_path, Slurp(entry.path())));
    const std::string day = entry.path().parent_path().filename();
    if (file.file_path.ends_with("-deletes.parquet")) {
      file.content = iceberg::FileContent::kPositionDeletes;
      file.record_count = 1;
      deletes.push_back(file);
    } else {
      file.record_count = day.ends_with("-09") ? 4 : day.ends_with("-10") ? 2 : 1;
      data[day] = file;
    }
  }
  ASSERT_EQ(data.size(), 3u);
  ASSERT_EQ(deletes.size(), 3u);
  const auto type = Must(ToArrowSchema(table.schema()));
  for (const bool dictionaries : {true, false}) {
    std::vector<std::shared_ptr<arrow::Table>> tables;
    for (const auto& [day, file] : data) {
      ReadRequest request;
      request.schema = table.schema();
      request.deletes = deletes;
      request.dictionaries = dictionaries;
      auto rows = Read(io, file, request);
      if (!dictionaries) {
        tables.push_back(rows.table);
      }
      EXPECT_EQ(rows.positions, day.ends_with("-09") ? (std::vector<int64_t>{0, 2}) : std::vector<int64_t>{0}) << day;
    }
    if (dictionaries) continue;
    const auto all = Must(arrow::ConcatenateTables(tables));
    const std::map<std::string, std::string> expected = {
        {"id", "[5, 1, 3, 5000000006]"},
        {"title", R"(["e", "a", null, "f"])"},
        {"price", R"(["5.0000", "1.5000", null, "1234567890123456.7891"])"},
        {"f", "[5, 1.5, null, 6.5]"},
        {"ts", "[-1, 1723162558342001, 1723204800000000, 1723248000000000]"},
        {"d", "[0, 19944, null, 19945]"},
        {"ok", "[false, true, null, true]"},
        {"tags", R"([["z"], ["x", null], null, ["w"]])"},
        {"props", R"([[["m", 3]], [["k", 1]], null, [["n", 6]]])"},
        {"pair", R"([{"a": 5, "b": "r", "c": null}, {"a": 1, "b": "p", "c": null}, {"a": null, "b": null, "c": null},
                    {"a": 6, "b": "s", "c": 66}])"},
        {"added", R"([null, null, null, "new"])"},
    };
    ASSERT_EQ(all->num_columns(), static_cast<int>(expected.size()));
    for (const auto& field : type->fields()) {
      const auto read = Must(arrow::Concatenate(all->GetColumnByName(field->name())->chunks()));
      EXPECT_TRUE(read->Equals(*FromJson(field->type(), expected.at(field->name()))))
          << field->name() << ": " << read->ToString();
    }
  }
}

}  // namespace
}  // namespace calve::datafile
