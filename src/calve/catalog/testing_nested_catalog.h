// A catalog whose namespaces are all below one of another catalog's, and whose new tables have a place: for suites that
// want an empty catalog, on a server that others use as well.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "calve/catalog/catalog.h"

namespace calve::catalog {

class NestedCatalog : public Catalog {
 public:
  // New tables get `warehouse`/namespace/table.
  NestedCatalog(std::unique_ptr<Catalog> inner, std::string above, std::string warehouse)
      : inner_(std::move(inner)), above_(std::move(above)), warehouse_(std::move(warehouse)) {}

  std::string name() const override { return inner_->name(); }
  Result<LoadedTable> LoadTable(const TableIdent& ident) override { return inner_->LoadTable(Below(ident)); }
  Result<LoadedTable> CreateTable(const TableIdent& ident, const CreateTableRequest& request) override {
    CreateTableRequest placed = request;
    if (placed.location.empty()) {
      placed.location = warehouse_;
      for (const std::string& level : ident.levels) placed.location += "/" + level;
      placed.location += "/" + ident.name;
    }
    return inner_->CreateTable(Below(ident), placed);
  }
  Result<LoadedTable> CommitTable(const TableIdent& ident, std::span<const iceberg::TableRequirement> requirements,
                                  std::span<const iceberg::TableUpdate> updates) override {
    return inner_->CommitTable(Below(ident), requirements, updates);
  }
  Result<std::vector<std::vector<std::string>>> ListNamespaces() override {
    ARROW_ASSIGN_OR_RAISE(auto all, inner_->ListNamespaces());
    std::vector<std::vector<std::string>> own;
    for (std::vector<std::string>& levels : all) {
      if (levels.size() > 1 && levels.front() == above_) own.emplace_back(levels.begin() + 1, levels.end());
    }
    return own;
  }
  Result<std::vector<TableIdent>> ListTables(const std::vector<std::string>& levels) override {
    ARROW_ASSIGN_OR_RAISE(std::vector<TableIdent> tables, inner_->ListTables(Below({levels, ""}).levels));
    for (TableIdent& ident : tables) ident.levels.erase(ident.levels.begin());
    return tables;
  }
  Status DropTable(const TableIdent& ident) override { return inner_->DropTable(Below(ident)); }
  Result<LoadedTable> RegisterTable(const TableIdent& ident, const std::string& metadata_location) override {
    return inner_->RegisterTable(Below(ident), metadata_location);
  }
  Result<bool> CommitsTogether() override { return inner_->CommitsTogether(); }
  Status CommitTables(std::span<const TableCommit> commits) override {
    std::vector<TableCommit> below(commits.begin(), commits.end());
    for (TableCommit& commit : below) commit.ident = Below(commit.ident);
    return inner_->CommitTables(below);
  }

 private:
  TableIdent Below(TableIdent ident) const {
    ident.levels.insert(ident.levels.begin(), above_);
    return ident;
  }

  const std::unique_ptr<Catalog> inner_;
  const std::string above_, warehouse_;
};

}  // namespace calve::catalog
