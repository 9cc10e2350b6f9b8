#include "calve/serve/metrics_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "calve/base/testing_temp_dir.h"

namespace calve::serve {
namespace {

using ::testing::HasSubstr;

MetricFamilies Counted(const MetricFamilies& earlier) {
  MetricSet set({{"n_total", prometheus::MetricType::Counter, "N."}});
  set.Restore(earlier);
  set.Add("n_total", {}, 1);
  return set.families();
}

std::string ContentOf(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

TEST(MetricsFile, CountsOnFromRunToRun) {
  const TempDir folder;
  const std::string path = folder.path() + "/calve.prom";
  ASSERT_TRUE(UpdateMetricsFile(path, Counted).ok());
  EXPECT_EQ(ContentOf(path), "# HELP n_total N.\n# TYPE n_total counter\nn_total 1\n");
  ASSERT_TRUE(UpdateMetricsFile(path, Counted).ok());
  EXPECT_THAT(ContentOf(path), HasSubstr("n_total 2\n"));
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(MetricsFile, LosesNoCountOfThoseThatEndAtOnce) {
  const TempDir folder;
  const std::string path = folder.path() + "/calve.prom";
  {
    std::vector<std::jthread> runs;
    for (int i = 0; i < 4; ++i) {
      runs.emplace_back([&] {
        for (int n = 0; n < 25; ++n) EXPECT_TRUE(UpdateMetricsFile(path, Counted).ok());
      });
    }
  }
  EXPECT_THAT(ContentOf(path), HasSubstr("n_total 100\n"));
}

TEST(MetricsFile, LeavesOtherFilesAlone) {
  const TempDir folder;
  const std::string path = folder.path() + "/other";
  std::ofstream(path) << "root:x:0:0\n";
  const Status refused = UpdateMetricsFile(path, Counted);
  EXPECT_EQ(KindOf(refused), ErrorKind::kCorrupt);
  EXPECT_THAT(MessageOf(refused), HasSubstr(path));
  EXPECT_EQ(ContentOf(path), "root:x:0:0\n");
}

TEST(MetricsFile, TakesWhatADeadProcessLeftAway) {
  const TempDir folder;
  const std::string path = folder.path() + "/calve.prom";
  std::ofstream(path + ".tmp") << "half of";
  ASSERT_TRUE(UpdateMetricsFile(path, Counted).ok());
  EXPECT_THAT(ContentOf(path), HasSubstr("n_total 1\n"));
}

TEST(MetricsFile, SaysThatItsFolderIsMissing) {
  const TempDir folder;
  EXPECT_TRUE(ReadMetricsFile(folder.path() + "/none.prom")->empty());
  const Status missing = UpdateMetricsFile(folder.path() + "/none/calve.prom", Counted);
  EXPECT_EQ(KindOf(missing), ErrorKind::kFailed);
  EXPECT_THAT(MessageOf(missing), HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace calve::serve
