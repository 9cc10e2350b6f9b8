#include "calve/offload/testing_rows_source.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace calve::offload {
namespace {

using source::BlockStream;

// What stands in toDateTime64('…') behind `comparison`; `otherwise` where there is no such comparison.
Result<TimestampMicros> Bound(const std::string& sql, const std::string& comparison, TimestampMicros otherwise) {
  std::string before = comparison + " toDateTime64('";
  size_t at = sql.find(before);
  if (at == std::string::npos) return otherwise;
  at += before.size();
  return ParseTimestamp(sql.substr(at, sql.find('\'', at) - at));
}

class RowStream : public BlockStream {
 public:
  RowStream(std::vector<SourceRow> rows, bool has_extra, int64_t per_block)
      : rows_(std::move(rows)), has_extra_(has_extra), per_block_(static_cast<size_t>(per_block)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    if (next_ == rows_.size()) return nullptr;
    arrow::TimestampBuilder ts(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), arrow::default_memory_pool());
    arrow::Int64Builder id;
    arrow::BinaryBuilder symbol;
    arrow::Int32Builder extra;
    size_t end = std::min(rows_.size(), next_ + per_block_);
    auto count = static_cast<int64_t>(end - next_);
    for (; next_ < end; ++next_) {
      const SourceRow& row = rows_[next_];
      ARROW_RETURN_NOT_OK(ts.Append(row.ts));
      ARROW_RETURN_NOT_OK(id.Append(row.id));
      ARROW_RETURN_NOT_OK(symbol.Append(row.symbol));
      ARROW_RETURN_NOT_OK(extra.Append(ExtraOf(row.id)));
    }
    arrow::FieldVector fields = {arrow::field("ts", ts.type(), false), arrow::field("id", id.type(), false),
                                 arrow::field("symbol", symbol.type(), false)};
    arrow::ArrayVector columns(3);
    ARROW_RETURN_NOT_OK(ts.Finish(&columns[0]));
    ARROW_RETURN_NOT_OK(id.Finish(&columns[1]));
    ARROW_RETURN_NOT_OK(symbol.Finish(&columns[2]));
    if (has_extra_) {
      ARROW_ASSIGN_OR_RAISE(auto column, extra.Finish());
      columns.push_back(std::move(column));
      fields.push_back(arrow::field("extra", arrow::int32(), false));
    }
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), count, std::move(columns));
  }
  int64_t bytes_read() const override { return static_cast<int64_t>(next_ * sizeof(SourceRow)); }

 private:
  const std::vector<SourceRow> rows_;
  const bool has_extra_;
  const size_t per_block_;
  size_t next_ = 0;
};

}  // namespace

RowsSource::RowsSource() : text_([this](const std::string& sql) { return AnswerText(sql); }) {}

void RowsSource::Insert(SourceRow row) {
  std::lock_guard lock(mutex_);
  rows_.push_back(std::move(row));
}

void RowsSource::AddColumn() {
  std::lock_guard lock(mutex_);
  has_extra_ = true;
}

void RowsSource::SetNow(TimestampMicros now) {
  std::lock_guard lock(mutex_);
  now_ = now;
}

TimestampMicros RowsSource::now() const {
  std::lock_guard lock(mutex_);
  return now_;
}

std::vector<SourceRow> RowsSource::RowsUpTo(TimestampMicros end) const {
  std::lock_guard lock(mutex_);
  std::vector<SourceRow> out;
  for (const SourceRow& row : rows_) {
    if (row.ts <= end) out.push_back(row);
  }
  return out;
}

Status RowsSource::Execute(const std::string&, const source::QueryOptions&) { return Status::OK(); }

Status RowsSource::Insert(const source::Insertion&, const source::BatchProducer&, const source::QueryOptions&) {
  return MakeError(ErrorKind::kFailed, "nobody taught this source to take rows");
}

Result<std::vector<SourceRow>> RowsSource::Matching(const std::string& sql) const {
  constexpr auto kNever = std::numeric_limits<TimestampMicros>::max();
  ARROW_ASSIGN_OR_RAISE(TimestampMicros after, Bound(sql, ">", -kNever));
  ARROW_ASSIGN_OR_RAISE(TimestampMicros up_to, Bound(sql, "<=", kNever));
  std::vector<SourceRow> out;
  for (const SourceRow& row : rows_) {
    if (row.ts > after && row.ts <= up_to) out.push_back(row);
  }
  return out;
}

Result<source::TestingFakeSource::Rows> RowsSource::AnswerText(const std::string& sql) const {
  if (sql.starts_with("SELECT version()"))
    return source::TestingFakeSource::Rows{{"26.5.1.1", "srv", fmt::to_string(now_)}};
  if (sql.find("FROM system.tables") != std::string::npos) {
    return source::TestingFakeSource::Rows{{"MergeTree", "", "id", "uuid", "", ""}};
  }
  if (sql.find("FROM system.columns") != std::string::npos) {
    source::TestingFakeSource::Rows columns = {
        {"ts", "DateTime64(6, 'UTC')", "", ""}, {"id", "Int64", "", ""}, {"symbol", "String", "", ""}};
    if (has_extra_) columns.push_back({"extra", "Int32", "", ""});
    return columns;
  }
  if (sql.starts_with("SELECT toString(count())")) {
    ARROW_ASSIGN_OR_RAISE(auto rows, Matching(sql));
    return source::TestingFakeSource::Rows{{fmt::to_string(rows.size())}};
  }
  return MakeError(ErrorKind::kFailed, "nobody taught this source to answer " + sql);
}

Result<std::unique_ptr<BlockStream>> RowsSource::Query(const std::string& sql, const source::QueryOptions& options) {
  if (!sql.starts_with("SELECT `ts`")) {
    std::lock_guard lock(mutex_);
    return text_.Query(sql, options);
  }
  if (before_rows) std::exchange(before_rows, nullptr)();
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(auto rows, Matching(sql));
  bool extra = sql.find("`extra`") != std::string::npos;
  return std::make_unique<RowStream>(std::move(rows), extra, rows_per_block);
}

}  // namespace calve::offload
