// How fast data files are read. Not run by itself:
//   CALVE_SPEED_FILES=FOLDER calve_datafile_test --gtest_also_run_disabled_tests --gtest_filter='*ReaderSpeed*'
// FOLDER holds Parquet files that calve wrote, at any depth.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <iostream>

#include "calve/datafile/testing_read_files.h"
#include "calve/iceberg/table_metadata.h"

namespace calve::datafile {
namespace {

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class ReaderSpeedTest : public DataFilesTest {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("CALVE_SPEED_FILES");
    if (folder == nullptr) GTEST_SKIP() << "CALVE_SPEED_FILES is not set";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.path().extension() != ".parquet") continue;
      iceberg::DataFile file;
      file.file_path = entry.path();
      const auto metadata = Open(file)->metadata();
      file.record_count = metadata->num_rows();
      schema_ = Must(iceberg::ParseSchemaJson(Must(metadata->key_value_metadata()->Get("iceberg.schema"))));
      files_.push_back(file);
    }
  }

  void Time(const std::string& what, const ReadRequest& request) {
    double best = 1e9;
    int64_t rows = 0;
    for (int round = 0; round < 5; ++round) {
      const double begin = CpuSeconds();
      rows = 0;
      for (const auto& file : files_) {
        auto reader = Must(DataFileReader::Open(*file_io_, file, request));
        while (const auto batch = Must(reader->Next())) rows += batch->num_rows();
      }
      best = std::min(best, CpuSeconds() - begin);
    }
    std::cout << fmt::format("{:<40} {:>9} rows {:.3f} CPU seconds\n", what, rows, best);
  }

  iceberg::Schema schema_;
  std::vector<iceberg::DataFile> files_;
};

TEST_F(ReaderSpeedTest, DISABLED_EachColumnAndAll) {
  for (const bool dictionaries : {true, false}) {
    ReadRequest request;
    request.schema = schema_;
    request.dictionaries = dictionaries;
    Time(dictionaries ? "all columns" : "all columns, no dictionaries", request);
    for (const auto& field : schema_.fields) {
      request.schema.fields = {field};
      Time("  " + field.name + " " + field.type.ToString(), request);
    }
  }
}

}  // namespace
}  // namespace calve::datafile
