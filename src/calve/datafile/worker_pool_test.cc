#include "calve/datafile/worker_pool.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace calve::datafile {
namespace {

TEST(WorkerPool, RunsEveryTaskOnceInEveryRound) {
  for (const size_t threads : {1, 2, 5}) {
    WorkerPool pool(threads);
    for (size_t round = 0; round < 300; ++round) {
      const size_t count = round % 7;
      std::vector<std::atomic<int>> runs(count);
      EXPECT_TRUE(pool.ForEach(count,
                               [&](size_t i) {
                                 ++runs[i];
                                 return Status::OK();
                               })
                      .ok());
      for (const auto& run : runs) EXPECT_EQ(run, 1);
    }
  }
}

TEST(WorkerPool, ReturnsAnErrorAndGoesOnAfterIt) {
  WorkerPool pool(3);
  for (int round = 0; round < 50; ++round) {
    const Status status =
        pool.ForEach(20, [&](size_t i) { return i == 7 ? MakeError(ErrorKind::kConfig, "seven") : Status::OK(); });
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
    const Status thrown = pool.ForEach(4, [&](size_t) -> Status { throw std::runtime_error("boom"); });
    EXPECT_NE(MessageOf(thrown).find("boom"), std::string::npos);
    EXPECT_TRUE(pool.ForEach(4, [](size_t) { return Status::OK(); }).ok());
  }
}

}  // namespace
}  // namespace calve::datafile
