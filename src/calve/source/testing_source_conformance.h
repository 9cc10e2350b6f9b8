// What every Source must do (source.h). Each implementation runs it, over one embedded ClickHouse:
//   INSTANTIATE_TEST_SUITE_P(Http, SourceConformance, ::testing::Values(SourceCase{"http", OpenHttp}), SourceCaseName);
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "calve/base/testing_temp_dir.h"
#include "calve/source/source.h"
#include "calve/source/testing_engine_server.h"

namespace calve::source {

// An embedded ClickHouse, by itself and behind two ports.
struct SourcePlace {
  TempDir directory;
  StopToken stop;
  TestingEngineServer one{directory.path()}, two{directory.path()};
  std::vector<std::unique_ptr<Source>> inner;  // what the source that is opened borrows

  // With limits that suit tests.
  std::unique_ptr<Source> Open(SourceOptions options);
  Source& Keep(std::unique_ptr<Source> source) { return *inner.emplace_back(std::move(source)); }
};

struct SourceCase {
  std::string name;
  std::function<std::unique_ptr<Source>(SourcePlace& place)> open;
  int shards = 1;       // so often do the rows of the place come
  bool changes = true;  // false: Execute and Insert are refused
};

inline void PrintTo(const SourceCase& source, std::ostream* out) { *out << source.name; }
inline std::string SourceCaseName(const ::testing::TestParamInfo<SourceCase>& info) { return info.param.name; }

class SourceConformance : public ::testing::TestWithParam<SourceCase> {
 protected:
  void SetUp() override;

  // `count` from 0, as often as there are shards.
  std::vector<uint64_t> Numbers(uint64_t count) const;
  Result<std::vector<uint64_t>> Ask(const std::string& sql, QueryOptions options = {});
  Result<std::unique_ptr<BlockStream>> Begin(const std::string& sql, QueryOptions options = {});
  // In the place, whatever the source is.
  void Do(const std::string& sql);
  std::vector<uint64_t> InPlace(const std::string& sql);

  std::unique_ptr<SourcePlace> place_;
  std::unique_ptr<Source> beside_;  // the engine itself
  std::unique_ptr<Source> source_;
};

}  // namespace calve::source
