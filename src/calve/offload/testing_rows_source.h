// A ClickHouse of one table in memory: it answers what an offload asks (server, table, columns, counts, the rows of a
// window) from rows that a test inserts.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calve/base/time.h"
#include "calve/source/testing_fake_source.h"

namespace calve::offload {

// db.trades: ts DateTime64(6), id Int64, symbol String, and after AddColumn() extra Int32 (ExtraOf(id)).
struct SourceRow {
  TimestampMicros ts = 0;
  int64_t id = 0;
  std::string symbol;
};
inline int32_t ExtraOf(int64_t id) { return static_cast<int32_t>(id % 1000); }

// Thread-safe, but for `before_rows`.
class RowsSource : public source::Source {
 public:
  RowsSource();

  void Insert(SourceRow row);
  void AddColumn();
  void SetNow(TimestampMicros now);
  TimestampMicros now() const;
  std::vector<SourceRow> RowsUpTo(TimestampMicros end) const;

  // Once, when the rows of a window are asked for: what happens between a window's plan and its commit.
  std::function<void()> before_rows;
  int64_t rows_per_block = 3;

  std::string name() const override { return "rows"; }
  std::string database() const override { return "db"; }
  Status Execute(const std::string& sql, const source::QueryOptions& options) override;
  Status Insert(const source::Insertion& insertion, const source::BatchProducer& rows,
                const source::QueryOptions& options) override;
  Result<std::unique_ptr<source::BlockStream>> Query(const std::string& sql,
                                                     const source::QueryOptions& options) override;

 private:
  Result<source::TestingFakeSource::Rows> AnswerText(const std::string& sql) const;  // mutex_ held
  // The rows that the query's WHERE asks for; mutex_ held.
  Result<std::vector<SourceRow>> Matching(const std::string& sql) const;

  mutable std::mutex mutex_;
  // Protected by mutex_.
  std::vector<SourceRow> rows_;
  bool has_extra_ = false;
  TimestampMicros now_ = 0;
  source::TestingFakeSource text_;
};

}  // namespace calve::offload
