#include "calve/schedule/table_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace calve::schedule {

Result<TableGraph> TableGraph::Make(const std::vector<TableNode>& tables) {
  TableGraph graph;
  std::map<std::string_view, size_t> numbers;
  for (const TableNode& table : tables) {
    if (!numbers.emplace(table.name, graph.names_.size()).second) {
      return MakeError(ErrorKind::kConfig, fmt::format("table '{}' is there twice", table.name),
                       "Give each table once, or the two of them different names.");
    }
    graph.names_.push_back(table.name);
  }
  graph.parents_.resize(tables.size());
  graph.children_.resize(tables.size());
  for (size_t table = 0; table < tables.size(); ++table) {
    std::set<size_t> parents;
    for (const std::string& name : tables[table].after) {
      auto found = numbers.find(name);
      if (found == numbers.end()) {
        return MakeError(ErrorKind::kConfig,
                         fmt::format("table '{}': after: there is no table '{}'", tables[table].name, name),
                         "Name tables of this configuration under `after`.");
      }
      parents.insert(found->second);
    }
    graph.parents_[table].assign(parents.begin(), parents.end());
    for (size_t parent : parents) graph.children_[parent].push_back(table);
  }
  ARROW_RETURN_NOT_OK(graph.FillOrder());
  return graph;
}

std::optional<size_t> TableGraph::Find(std::string_view name) const {
  auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) return std::nullopt;
  return static_cast<size_t>(found - names_.begin());
}

Status TableGraph::FillOrder() {
  order_.clear();
  std::vector<size_t> waiting_for(size());
  std::set<size_t> free;  // the lowest number first
  for (size_t table = 0; table < size(); ++table) {
    waiting_for[table] = parents_[table].size();
    if (waiting_for[table] == 0) free.insert(table);
  }
  std::vector<bool> placed(size());
  while (!free.empty()) {
    size_t table = *free.begin();
    free.erase(free.begin());
    order_.push_back(table);
    placed[table] = true;
    for (size_t child : children_[table]) {
      if (--waiting_for[child] == 0) free.insert(child);
    }
  }
  if (order_.size() == size()) return Status::OK();
  return MakeError(ErrorKind::kConfig, "tables wait for each other: " + FindCycle(placed),
                   "Take one of these out of `after`.");
}

// Each table that could not be placed has a parent that could not, so a way up comes back to where it was.
std::string TableGraph::FindCycle(const std::vector<bool>& placed) const {
  size_t table = static_cast<size_t>(std::find(placed.begin(), placed.end(), false) - placed.begin());
  std::vector<size_t> way;
  while (std::find(way.begin(), way.end(), table) == way.end()) {
    way.push_back(table);
    table = *std::find_if(parents_[table].begin(), parents_[table].end(), [&](size_t p) { return !placed[p]; });
  }
  way.erase(way.begin(), std::find(way.begin(), way.end(), table));
  std::string text = names_[table];
  for (size_t i = 1; i <= way.size(); ++i) text += " after " + names_[way[i % way.size()]];
  return text;
}

std::vector<size_t> TableGraph::Dependents(size_t table) const {
  std::vector<bool> reached(size());
  reached[table] = true;
  std::vector<size_t> dependents;
  for (size_t next : order_) {
    if (next == table || reached[next]) continue;
    if (std::any_of(parents_[next].begin(), parents_[next].end(), [&](size_t p) { return reached[p]; })) {
      reached[next] = true;
      dependents.push_back(next);
    }
  }
  return dependents;
}

TableGraph TableGraph::Restrict(const std::vector<size_t>& tables) const {
  std::vector<size_t> kept = tables;
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  std::map<size_t, size_t> numbers;
  for (size_t i = 0; i < kept.size(); ++i) numbers[kept[i]] = i;

  // Of each table the kept ones that it comes after: kept parents, and what parents that are left out come after.
  std::vector<std::set<size_t>> above(size());
  for (size_t table : order_) {
    for (size_t parent : parents_[table]) {
      if (numbers.contains(parent)) {
        above[table].insert(numbers[parent]);
      } else {
        above[table].insert(above[parent].begin(), above[parent].end());
      }
    }
  }
  TableGraph graph;
  graph.parents_.resize(kept.size());
  graph.children_.resize(kept.size());
  for (size_t i = 0; i < kept.size(); ++i) {
    graph.names_.push_back(names_[kept[i]]);
    graph.parents_[i].assign(above[kept[i]].begin(), above[kept[i]].end());
    for (size_t parent : graph.parents_[i]) graph.children_[parent].push_back(i);
  }
  // A part of a graph without cycles has none.
  (void)graph.FillOrder();
  return graph;
}

}  // namespace calve::schedule
