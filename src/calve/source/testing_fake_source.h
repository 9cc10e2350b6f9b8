// A Source whose answers are written down, for tests of what asks it.
#pragma once

#include <arrow/array/builder_binary.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "calve/source/source.h"

namespace calve::source {

class TestingFakeSource : public Source {
 public:
  using Rows = std::vector<std::vector<std::string>>;
  using Answer = std::function<Result<Rows>(const std::string& sql)>;
  explicit TestingFakeSource(Answer answer) : answer_(std::move(answer)) {}

  std::string name() const override { return "fake"; }
  std::string database() const override { return "db"; }
  Status Execute(const std::string&, const QueryOptions&) override { return Status::OK(); }
  // Takes all batches and does nothing with them.
  Status Insert(const Insertion& insertion, const BatchProducer& rows, const QueryOptions&) override {
    inserted.push_back(insertion);
    while (true) {
      ARROW_ASSIGN_OR_RAISE(auto batch, rows());
      if (!batch) return Status::OK();
    }
  }
  Result<std::unique_ptr<BlockStream>> Query(const std::string& sql, const QueryOptions&) override {
    asked.push_back(sql);
    ARROW_ASSIGN_OR_RAISE(auto rows, answer_(sql));
    return std::make_unique<Stream>(std::move(rows));
  }

  std::vector<std::string> asked;
  std::vector<Insertion> inserted;

 private:
  class Stream : public BlockStream {
   public:
    explicit Stream(Rows rows) : rows_(std::move(rows)) {}
    Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
      if (rows_.empty()) return nullptr;
      std::vector<std::shared_ptr<arrow::Field>> fields;
      std::vector<std::shared_ptr<arrow::Array>> columns;
      for (size_t i = 0; i < rows_[0].size(); ++i) {
        arrow::BinaryBuilder builder;
        for (const auto& row : rows_) ARROW_RETURN_NOT_OK(builder.Append(row[i]));
        ARROW_ASSIGN_OR_RAISE(auto column, builder.Finish());
        columns.push_back(std::move(column));
        fields.push_back(arrow::field("c" + std::to_string(i), arrow::binary()));
      }
      const auto count = static_cast<int64_t>(rows_.size());
      rows_.clear();
      return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), count, std::move(columns));
    }
    int64_t bytes_read() const override { return 0; }

   private:
    Rows rows_;
  };

  Answer answer_;
};

}  // namespace calve::source
