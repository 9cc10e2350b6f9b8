// The database of an SQL catalog with the faults of storage/fault_injection.h, so that the swap of the metadata's
// location is a point of its own between the catalog's file operations.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "calve/catalog/sql_store.h"
#include "calve/storage/fault_injection.h"

namespace calve::catalog {

class FaultInjectingSqlStore : public SqlStore {
 public:
  // `faults` must outlive it.
  FaultInjectingSqlStore(std::unique_ptr<SqlStore> inner, storage::FaultList& faults)
      : inner_(std::move(inner)), faults_(faults) {}

  std::string name() const override { return inner_->name(); }
  Result<std::optional<SqlTableRow>> FindTable(const SqlTableName& table) override {
    return Guard("find-table", table.table, [&] { return inner_->FindTable(table); });
  }
  Status InsertTable(const SqlTableName& table, const std::string& location) override {
    return Guard("insert-table", table.table, [&] { return inner_->InsertTable(table, location); });
  }
  Status SwapMetadata(const SqlTableName& table, const std::string& from, const std::string& to) override {
    return Guard("swap-metadata", table.table, [&] { return inner_->SwapMetadata(table, from, to); });
  }
  Status DeleteTable(const SqlTableName& table) override {
    return Guard("delete-table", table.table, [&] { return inner_->DeleteTable(table); });
  }
  Result<std::vector<std::string>> ListNamespaces() override { return inner_->ListNamespaces(); }
  Result<std::vector<std::string>> ListTables(const std::string& levels) override { return inner_->ListTables(levels); }

 private:
  template <typename Call>
  auto Guard(std::string_view call_name, const std::string& table, Call call) -> decltype(call()) {
    return faults_.Guard(std::nullopt, call_name, table, std::move(call));
  }

  const std::unique_ptr<SqlStore> inner_;
  storage::FaultList& faults_;
};

}  // namespace calve::catalog
