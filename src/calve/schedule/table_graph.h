// Which table comes after which. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/error.h"

namespace calve::schedule {

struct TableNode {
  std::string name;
  std::vector<std::string> after;  // names of tables; doubles are no error
};

// Tables are numbered 0 … size()-1 in the order in which they were given (the config's).
class TableGraph {
 public:
  TableGraph() = default;
  // kConfig: two tables of one name, an `after` that names no table, a cycle (the message shows its way).
  static Result<TableGraph> Make(const std::vector<TableNode>& tables);

  size_t size() const { return names_.size(); }
  const std::string& name(size_t table) const { return names_[table]; }
  std::optional<size_t> Find(std::string_view name) const;

  // Ascending, without doubles.
  const std::vector<size_t>& parents(size_t table) const { return parents_[table]; }
  const std::vector<size_t>& children(size_t table) const { return children_[table]; }

  // Each table behind all that it comes after; in the given order as far as that allows.
  const std::vector<size_t>& order() const { return order_; }
  // All that come after `table`, directly or not, in order().
  std::vector<size_t> Dependents(size_t table) const;

  // The graph of some of the tables (in ascending order of number, whatever order `tables` has). A way through a table
  // that is left out remains a way.
  TableGraph Restrict(const std::vector<size_t>& tables) const;

 private:
  Status FillOrder();
  std::string FindCycle(const std::vector<bool>& placed) const;

  std::vector<std::string> names_;
  std::vector<std::vector<size_t>> parents_, children_;
  std::vector<size_t> order_;
};

}  // namespace calve::schedule
