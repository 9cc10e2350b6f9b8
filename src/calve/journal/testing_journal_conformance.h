// What every Journal must do. Each implementation runs it with a function that makes the URI of a fresh, empty journal:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, JournalConformance, ::testing::Values(JournalCase{"sqlite", MakeUri}),
//   JournalCaseName);
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "calve/journal/journal.h"

namespace calve::journal {

struct JournalCase {
  std::string name;
  std::function<std::string()> make_uri;
};

inline std::string JournalCaseName(const ::testing::TestParamInfo<JournalCase>& info) { return info.param.name; }

class JournalConformance : public ::testing::TestWithParam<JournalCase> {
 protected:
  JournalConformance() : uri_(GetParam().make_uri()) {}
  std::unique_ptr<Journal> Open() { return OpenJournal(uri_).ValueOrDie(); }

  const std::string uri_;
};

// A run with every field set.
RunRecord FullRun(const std::string& run_id, TimestampMicros started_at);

}  // namespace calve::journal
