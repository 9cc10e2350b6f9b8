// A source for one run after another of the same work: its queries carry the run's id, so that ClickHouse's query_log
// and opentelemetry_span_log can be joined with calve's log, and each is told of.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "calve/base/event.h"
#include "calve/source/source.h"

namespace calve::source {

// From any thread.
using TellEvent = std::function<void(const Event& event)>;

class RunSource : public Source {
 public:
  // `inner` must outlive it. `about` is what log_comment names as the table.
  RunSource(Source& inner, std::string about, TellEvent tell);
  ~RunSource() override;
  RunSource(RunSource&&) noexcept = default;

  // Queries from now on are of this run (a UUID) and for this ("plan", "read"). Not while one is being begun.
  void Begin(std::string run_id, std::string purpose);
  void SetPurpose(std::string purpose);
  const std::string& run_id() const;

  std::string name() const override { return inner_.name(); }
  std::string database() const override { return inner_.database(); }
  Result<std::unique_ptr<BlockStream>> Query(const std::string& sql, const QueryOptions& options) override;
  Status Execute(const std::string& sql, const QueryOptions& options) override;
  Status Insert(const Insertion& insertion, const BatchProducer& rows, const QueryOptions& options) override;
  Cluster* cluster() override { return inner_.cluster(); }

 private:
  struct Run;
  class Stream;

  Source& inner_;
  std::shared_ptr<Run> run_;  // streams may outlive the source
};

// "00-<the run's UUID as a trace id>-<number as a span id>-01": W3C Trace Context. Empty where the run is no UUID.
std::string TraceparentOf(const std::string& run_id, uint64_t number);

}  // namespace calve::source
