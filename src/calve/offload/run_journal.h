// What the journal is told of one run: a window of a table, in one commit.
#pragma once

#include <optional>
#include <string>

#include "calve/offload/offload.h"

namespace calve::offload {

struct RunFacts {
  std::string id;                   // also of the commit
  std::string table;                // the target
  std::string source, source_name;  // "db.table", "table"
  std::string layer;
  Window window;
  double seconds = 0;  // since it began
  std::optional<int64_t> max_sequence;
};

// `journal` and `clock` must outlive it.
class RunJournal {
 public:
  RunJournal(journal::Journal& journal, const Clock& clock, RunFacts run)
      : journal_(journal), clock_(clock), run_(std::move(run)) {}

  Status Start();
  // `done`: whether the window is in; false: another calve was faster. Moves the mirror of the watermark, or counts the
  // failure there.
  Status Finish(const Result<bool>& done, const OffloadResult& result);

 private:
  journal::RunRecord Record(const std::string& status) const;
  journal::WatermarkRow Mirror(const OffloadResult& result) const;

  journal::Journal& journal_;
  const Clock& clock_;
  const RunFacts run_;
};

}  // namespace calve::offload
