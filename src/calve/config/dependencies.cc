#include "calve/config/dependencies.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <map>
#include <string_view>

namespace calve::config {
namespace {

constexpr std::array<std::string_view, 3> kMedallion = {"bronze", "silver", "gold"};

bool IsMedallion(const std::string& layer) { return std::ranges::find(kMedallion, layer) != kMedallion.end(); }

// For each table the places of those it waits for.
std::vector<std::vector<size_t>> ParentsOf(const std::vector<TableConfig>& tables) {
  std::map<std::string_view, size_t> places;
  for (size_t i = 0; i < tables.size(); ++i) places.emplace(tables[i].name, i);
  std::vector<std::vector<size_t>> parents(tables.size());
  for (size_t i = 0; i < tables.size(); ++i) {
    for (const std::string& name : tables[i].after) {
      if (auto found = places.find(name); found != places.end()) parents[i].push_back(found->second);
    }
  }
  return parents;
}

// Tables that wait, be it over others, for a cycle or are in one: what is left when all that can run have run.
std::vector<bool> Stuck(const std::vector<std::vector<size_t>>& parents) {
  std::vector<size_t> waits_for(parents.size());
  std::vector<std::vector<size_t>> children(parents.size());
  std::vector<size_t> ready;
  for (size_t i = 0; i < parents.size(); ++i) {
    waits_for[i] = parents[i].size();
    if (parents[i].empty()) ready.push_back(i);
    for (size_t parent : parents[i]) children[parent].push_back(i);
  }
  std::vector<bool> stuck(parents.size(), true);
  while (!ready.empty()) {
    const size_t table = ready.back();
    ready.pop_back();
    stuck[table] = false;
    for (size_t child : children[table]) {
      if (--waits_for[child] == 0) ready.push_back(child);
    }
  }
  return stuck;
}

}  // namespace

std::vector<std::string> LayerOrder(const std::vector<TableConfig>& tables) {
  std::vector<std::string> layers;
  for (const TableConfig& table : tables) {
    if (!table.layer.empty() && std::ranges::find(layers, table.layer) == layers.end()) layers.push_back(table.layer);
  }
  std::vector<std::string> known;
  for (std::string_view name : kMedallion) {
    if (std::ranges::find(layers, name) != layers.end()) known.emplace_back(name);
  }
  auto next = known.begin();
  for (std::string& layer : layers) {
    if (IsMedallion(layer)) layer = *next++;
  }
  return layers;
}

std::vector<std::string> TablesBefore(const std::string& layer, const std::vector<std::string>& order,
                                      const std::vector<TableConfig>& tables) {
  const auto own = std::ranges::find(order, layer);
  std::vector<std::string> names;
  if (own == order.begin() || own == order.end()) return names;
  for (const TableConfig& table : tables) {
    if (table.layer == *std::prev(own)) names.push_back(table.name);
  }
  return names;
}

std::vector<std::string> FindCycle(const std::vector<TableConfig>& tables) {
  const auto parents = ParentsOf(tables);
  const std::vector<bool> stuck = Stuck(parents);
  const auto first = std::ranges::find(stuck, true);
  if (first == stuck.end()) return {};
  // A table that is stuck has a parent that is: going from one to the next must come back.
  std::vector<size_t> way = {static_cast<size_t>(first - stuck.begin())};
  while (true) {
    const auto& next = parents[way.back()];
    const size_t parent = *std::ranges::find_if(next, [&](size_t i) { return stuck[i]; });
    const auto before = std::ranges::find(way, parent);
    if (before == way.end()) {
      way.push_back(parent);
      continue;
    }
    std::vector<std::string> names;
    for (auto i = before; i != way.end(); ++i) names.push_back(tables[*i].name);
    names.push_back(tables[parent].name);
    return names;
  }
}

}  // namespace calve::config
