// A ClickHouse of one table in memory: it answers what an offload asks (server, table, columns, parts, counts, the rows
// of a window, merged or not, deleted keys) from rows that a test inserts.
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
  bool deleted = false;  // of a ReplacingMergeTree: this version says that the row is gone
  int64_t block = 0;     // the number of its insert; given by it
};
inline int32_t ExtraOf(int64_t id) { return static_cast<int32_t>(id % 1000); }

// MergeTree, or with MergeBy() ReplacingMergeTree(version, is_deleted): of the rows of one key the one inserted last
// stands. (Its columns version and is_deleted are left out of the table that is offloaded.) Each insert is a block, and
// a part until parts are merged. Thread-safe, but for `before_rows`.
class RowsSource : public source::Source {
 public:
  RowsSource();

  void Insert(SourceRow row);
  void InsertBlock(std::vector<SourceRow> rows);
  // The sorting key: "id", or "id, ts".
  void MergeBy(std::string sorting_key);
  bool MergesRows() const { return !sorting_key_.empty(); }
  // Parts next to each other become one; older versions of a row in it go.
  void MergeParts(size_t first, size_t count);
  // A TTL: rows up to there go, and the parts that are empty then.
  void Drop(TimestampMicros up_to);
  void AddColumn();
  void SetNow(TimestampMicros now);
  TimestampMicros now() const;
  std::vector<SourceRow> RowsUpTo(TimestampMicros end) const;
  // As FINAL shows them, deleted ones among them: the newest version of each row; all rows of a MergeTree.
  std::vector<SourceRow> NewestVersions() const;

  // Once, when the rows of a window are asked for: what happens between a window's plan and its commit. Called by the
  // thread that reads.
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
  // All with mutex_ held. The rows that the query's WHERE asks for:
  Result<std::vector<SourceRow>> Matching(const std::string& sql) const;
  Result<std::vector<SourceRow>> Slice(const std::string& sql) const;
  Result<source::TestingFakeSource::Rows> KeySamples(const std::string& sql) const;
  Result<source::TestingFakeSource::Rows> SliceCounts(const std::string& sql) const;
  std::vector<SourceRow> Newest() const;
  Result<source::TestingFakeSource::Rows> LateBuckets(const std::string& sql) const;
  Result<source::TestingFakeSource::Rows> BucketCounts(const std::string& sql) const;
  Result<std::vector<SourceRow>> DeletedKeys(const std::string& sql) const;
  bool SameKey(const SourceRow& a, const SourceRow& b) const;

  mutable std::mutex mutex_;
  // Protected by mutex_.
  std::vector<SourceRow> rows_;  // in the order of their blocks
  struct Part {
    int64_t block_min = 0, block_max = 0;
  };
  std::vector<Part> parts_;  // active ones, in order
  int64_t last_block_ = 0;
  std::string sorting_key_;  // empty: a MergeTree
  bool has_extra_ = false;
  TimestampMicros now_ = 0;
  source::TestingFakeSource text_;
};

}  // namespace calve::offload
