// What every Journal must do. Each implementation runs it with a function that makes the URI of a fresh, empty journal:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, JournalConformance, ::testing::Values(JournalCase{"sqlite", MakeUri}),
//   JournalCaseName);
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "calve/journal/journal.h"

namespace calve::journal {

struct JournalCase {
  std::string name;
  std::function<std::string()> make_uri;  // empty: the machine has no such server, and the test is skipped
  bool server_clock = false;              // a server's clock decides when a lease ends, not the caller's
};

inline std::string JournalCaseName(const ::testing::TestParamInfo<JournalCase>& info) { return info.param.name; }

class JournalConformance : public ::testing::TestWithParam<JournalCase> {
 protected:
  void SetUp() override {
    uri_ = GetParam().make_uri();
    if (uri_.empty()) GTEST_SKIP() << "there is no server of that kind on this machine";
  }
  std::unique_ptr<Journal> Open() { return OpenJournal(uri_).ValueOrDie(); }
  // Time goes by, for the callers' clock and the server's.
  void Pass(int milliseconds) {
    now_ += milliseconds * 1'000;
    if (GetParam().server_clock) std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  }
  Lease LeaseOf(const std::string& holder, int milliseconds) const {
    return Lease{"cold.trades in hadoop", holder, "host-1", 4242, 99, now_, now_ + milliseconds * 1'000};
  }

  std::string uri_;
  TimestampMicros now_ = 1'723'161'600'000'001;
};

// A run with every field set.
RunRecord FullRun(const std::string& run_id, TimestampMicros started_at);

}  // namespace calve::journal
