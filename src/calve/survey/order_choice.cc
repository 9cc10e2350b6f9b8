#include "calve/survey/order_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string_view>
#include <utility>

#include "calve/base/text.h"
#include "calve/config/dependencies.h"

namespace calve::survey {
namespace {

constexpr std::array<std::string_view, 3> kLayers = {"bronze", "silver", "gold"};

// "Silver_trades" is of layer 1.
std::optional<size_t> LayerByName(std::string_view table) {
  const std::string name = Lower(table);
  for (size_t i = 0; i < kLayers.size(); ++i) {
    if (name.starts_with(std::string(kLayers[i]) + "_")) return i;
  }
  return std::nullopt;
}

class Order {
 public:
  Order(const std::string& database, const std::vector<std::string>& tables, const std::vector<ViewStatement>& views)
      : tables_(tables) {
    for (const std::string& table : tables) places_.emplace(TableName{database, table}, table);
    for (const ViewStatement& view : views) {
      for (const TableName& read : view.reads) {
        origins_[view.name].insert(read);
        if (view.writes) origins_[*view.writes].insert(view.name);
      }
    }
    for (const std::string& table : tables) Follow(TableName{database, table}, table);
  }

  std::map<std::string, OrderChoice> Choose() {
    for (const std::string& table : tables_) {
      OrderChoice& choice = choices_[table];
      choice.depth = DepthOf(table, {});
      ChooseLayer(table, &choice);
      if (parents_[table].empty()) continue;
      choice.after.emplace(parents_[table].begin(), parents_[table].end());
      choice.after_why =
          fmt::format("filled from {} by {}", fmt::join(*choice.after, ", "), fmt::join(views_[table], ", "));
    }
    BreakCycles();
    return std::move(choices_);
  }

 private:
  // The tables from which rows come to `table`: up to the first that are offloaded, whatever is between.
  void Follow(const TableName& name, const std::string& table) {
    std::set<TableName> seen = {name};
    std::vector<TableName> open = {name};
    while (!open.empty()) {
      const TableName next = open.back();
      open.pop_back();
      for (const TableName& origin : origins_[next]) {
        if (!seen.insert(origin).second) continue;
        if (auto place = places_.find(origin); place != places_.end()) {
          parents_[table].insert(place->second);
          read_.insert(place->second);
        } else {
          if (next == name) views_[table].insert(origin.name);
          open.push_back(origin);
        }
      }
    }
  }

  // `above` are the tables on the way here: tables may feed each other in a circle.
  int DepthOf(const std::string& table, std::set<std::string> above) {
    if (!above.insert(table).second) return 0;
    if (auto known = depths_.find(table); known != depths_.end()) return known->second;
    int depth = 0;
    for (const std::string& parent : parents_[table]) {
      if (!above.contains(parent)) depth = std::max(depth, DepthOf(parent, above) + 1);
    }
    return depths_[table] = depth;
  }

  // Layers by name hold; of others, one more than the highest that they are made from.
  std::optional<size_t> LayerOf(const std::string& table, std::set<std::string> above) {
    if (auto named = LayerByName(table)) return named;
    if (!above.insert(table).second) return std::nullopt;
    if (auto known = layers_.find(table); known != layers_.end()) return known->second;
    std::optional<size_t> layer;
    if (parents_[table].empty() && read_.contains(table)) layer = 0;
    for (const std::string& parent : parents_[table]) {
      const auto of_parent = LayerOf(parent, above);
      if (of_parent) layer = std::max(layer.value_or(0), std::min(*of_parent + 1, kLayers.size() - 1));
    }
    return layers_[table] = layer;
  }

  void ChooseLayer(const std::string& table, OrderChoice* choice) {
    const auto layer = LayerOf(table, {});
    if (!layer) return;
    choice->layer = kLayers[*layer];
    if (LayerByName(table)) {
      choice->layer_why = fmt::format("{} by its name", choice->layer);
    } else if (parents_[table].empty()) {
      choice->layer_why = fmt::format("{}: views read it, and none fills it", choice->layer);
    } else {
      choice->layer_why = fmt::format("{}: the layer behind the tables it is made from", choice->layer);
    }
  }

  void BreakCycles() {
    while (true) {
      std::vector<config::TableConfig> tables;
      for (const std::string& name : tables_) {
        config::TableConfig table;
        table.name = name;
        table.layer = choices_[name].layer;
        tables.push_back(std::move(table));
      }
      const auto layers = config::LayerOrder(tables);
      std::map<std::string, std::vector<std::string>> resolved;
      for (const std::string& name : tables_) {
        const OrderChoice& choice = choices_[name];
        resolved[name] = choice.after ? *choice.after : config::TablesBefore(choice.layer, layers, tables);
      }
      for (config::TableConfig& table : tables) table.after = resolved[table.name];
      const std::vector<std::string> cycle = config::FindCycle(tables);
      if (cycle.empty()) return;
      // Rather what a layer says than what a view does.
      size_t at = 0;
      for (size_t i = 0; i + 1 < cycle.size(); ++i) {
        if (!choices_[cycle[i]].after) at = i;
      }
      OrderChoice& choice = choices_[cycle[at]];
      std::vector<std::string> after = resolved[cycle[at]];
      std::erase(after, cycle[at + 1]);
      choice.after = std::move(after);
      choice.after_why += fmt::format("{}CHECK THIS: not after {}, which comes after it ({})",
                                      choice.after_why.empty() ? "" : "; ", cycle[at + 1], fmt::join(cycle, " -> "));
    }
  }

  const std::vector<std::string>& tables_;
  std::map<TableName, std::string> places_;
  std::map<TableName, std::set<TableName>> origins_;  // of a table: the views that write it; of a view: what it reads
  std::map<std::string, std::set<std::string>> parents_, views_;
  std::set<std::string> read_;
  std::map<std::string, int> depths_;
  std::map<std::string, std::optional<size_t>> layers_;
  std::map<std::string, OrderChoice> choices_;
};

}  // namespace

std::map<std::string, OrderChoice> ChooseOrder(const std::string& database, const std::vector<std::string>& tables,
                                               const std::vector<ViewStatement>& views) {
  return Order(database, tables, views).Choose();
}

}  // namespace calve::survey
