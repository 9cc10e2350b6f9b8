#include "calve/survey/left_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace calve::survey {
namespace {

constexpr std::string_view kInner = ".inner.", kInnerById = ".inner_id.";

std::string ViewReason(const ViewStatement& view, const std::string& database) {
  if (!view.writes) return "a materialised view; what it keeps itself can be offloaded if it is given a table with TO";
  const std::string to =
      view.writes->database == database ? view.writes->name : view.writes->database + "." + view.writes->name;
  return fmt::format("a materialised view: its rows are in {}", to);
}

std::string EngineReason(const std::string& engine) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kReasons = {{
      {"Distributed",
       "reads what tables on other servers hold; name it as source yourself where calve is to read them "
       "all (its parts, and so rows that come late, cannot be seen through it)"},
      {"Merge", "reads what other tables hold"},
      {"Dictionary", "a dictionary"},
      {"View", "a view: it has no rows of its own"},
      {"LiveView", "a view: it has no rows of its own"},
      {"WindowView", "a view: it has no rows of its own"},
      {"Buffer", "passes its rows on to another table"},
      {"Null", "keeps no rows"},
      {"Memory", "its rows are in memory alone: they have no parts, and are gone with a restart"},
      {"Set", "its rows are in memory alone and cannot be read"},
      {"Join", "its rows are in memory alone"},
      {"Log", "has no parts: what comes late could not be found"},
      {"TinyLog", "has no parts: what comes late could not be found"},
      {"StripeLog", "has no parts: what comes late could not be found"},
  }};
  const auto* found = std::ranges::find(kReasons, engine, [](const auto& pair) { return pair.first; });
  if (found != kReasons.end()) return std::string(found->second);
  constexpr std::array<std::string_view, 6> kStreams = {"Kafka", "RabbitMQ", "NATS", "FileLog", "Queue", "Redis"};
  const bool is_stream =
      std::ranges::any_of(kStreams, [&](std::string_view word) { return engine.find(word) != std::string::npos; });
  if (is_stream) return "a stream: what is read from it is gone";
  return "its rows are not ClickHouse's own MergeTree parts";
}

}  // namespace

std::string ReasonFor(const DatabaseFacts& facts, const OtherFacts& other, const std::vector<ViewStatement>& views) {
  if (!other.problem.empty()) return other.problem;
  if (other.engine == "MaterializedView") {
    const auto view = std::ranges::find(views, TableName{facts.database, other.name}, &ViewStatement::name);
    if (view != views.end()) return ViewReason(*view, facts.database);
  }
  return fmt::format("{}: {}", other.engine, EngineReason(other.engine));
}

std::string InnerTableReason(const std::string& table) {
  if (table.starts_with(kInner)) return fmt::format("holds the rows of the view {}", table.substr(kInner.size()));
  if (table.starts_with(kInnerById)) return "holds the rows of a materialised view";
  return "";
}

}  // namespace calve::survey
