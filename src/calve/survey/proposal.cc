#include "calve/survey/proposal.h"

#include <arrow/util/utf8.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "calve/catalog/catalog.h"
#include "calve/config/config.h"
#include "calve/survey/left_out.h"
#include "calve/survey/time_span.h"
#include "calve/survey/view_statement.h"

namespace calve::survey {
namespace {

constexpr size_t kTablesMax = 1000;  // as the loader has it

bool IsUtf8(const std::string& text) {
  arrow::util::InitializeUTF8();
  return arrow::util::ValidateUTF8(text);
}

bool IsPlainName(const std::string& name) {
  const bool letters =
      std::ranges::all_of(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; });
  return letters && !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0]));
}

std::string SqlName(const std::string& name) { return IsPlainName(name) ? name : source::QuoteIdentifier(name); }

// What no catalog takes in a table's name is an underscore.
std::string TargetName(const std::string& table) {
  std::string name = table;
  for (char& c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '.' || c == '/' || c == '\\' || byte < 0x20 || byte == 0x7f) c = '_';
  }
  return name;
}

std::string About(const TableFacts& facts) {
  const source::SourceTable& table = facts.table;
  std::string about = fmt::format("{}: {}", table.name, table.engine);
  if (table.total_rows) about += fmt::format(", {} rows", *table.total_rows);
  if (const auto ttl = DeletesAfter(facts.engine_full)) about += ", kept for " + FormatDuration(*ttl);
  if (!facts.comment.empty()) about += fmt::format(". \"{}\"", facts.comment);
  return about;
}

std::vector<std::string> NotesOf(const TableFacts& facts, const std::vector<ColumnChoice>& columns) {
  std::vector<std::string> notes;
  std::vector<std::string> checked = CheckedColumns(facts.table);
  for (const ColumnChoice& choice : columns) std::erase(checked, choice.column);
  if (!checked.empty()) {
    notes.push_back(fmt::format(
        "UInt64 becomes long: a value above 2^63-1 stops the table. If there may be such, write columns: "
        "{{{}: {{type: \"decimal(20,0)\"}}}}{}",
        checked.front(),
        checked.size() == 1 ? "" : fmt::format(" (also: {})", fmt::join(checked.begin() + 1, checked.end(), ", "))));
  }
  const int64_t lookback = config::TableConfig().lookback_micros;
  if (const auto ttl = DeletesAfter(facts.engine_full); ttl && *ttl < lookback) {
    notes.push_back(
        fmt::format("CHECK THIS: ClickHouse deletes rows {} after their time (TTL), which is less than the lookback of "
                    "{}. Cycles have to come more often than that, and a row that comes late may be gone before calve "
                    "sees it",
                    FormatDuration(*ttl), FormatDuration(lookback)));
  }
  return notes;
}

std::map<std::string, std::string> SelectsInto(const TableName& table, const std::vector<ViewStatement>& views) {
  std::map<std::string, std::string> selects;
  for (const ViewStatement& view : views) {
    if (view.writes == table) selects[view.name.name] = view.select;
  }
  return selects;
}

class Proposer {
 public:
  Proposer(const DatabaseFacts& facts, const std::string& name_space) : facts_(facts), name_space_(name_space) {
    for (const auto& [name, create] : facts.views) views_.push_back(ReadView(name, create));
  }

  Proposal Run() {
    for (const TableFacts& table : facts_.tables) Take(table);
    AddOrder();
    for (const OtherFacts& other : facts_.others) LeaveOut(other.name, ReasonFor(facts_, other, views_));
    std::ranges::sort(out_.left_out, {}, &LeftOut::table);
    return std::move(out_);
  }

 private:
  void LeaveOut(const std::string& table, const std::string& reason) { out_.left_out.push_back({table, reason}); }

  void Take(const TableFacts& facts) {
    const std::string& name = facts.table.name;
    const bool is_text = IsUtf8(name) && std::ranges::all_of(facts.table.columns, IsUtf8, &source::SourceColumn::name);
    if (!is_text) return LeaveOut(name, "its name, or that of a column, is not UTF-8: no configuration can say it");
    if (const std::string reason = InnerTableReason(name); !reason.empty()) return LeaveOut(name, reason);
    TableProposal table = Describe(facts);
    if (table.cursor.timestamp.empty()) {
      LeaveOut(name, table.cursor.why);
      out_.without_cursor.push_back(std::move(table));
    } else if (out_.tables.size() == kTablesMax) {
      LeaveOut(name, fmt::format("a configuration holds {} tables: put it into another one", kTablesMax));
    } else {
      names_.push_back(name);
      out_.tables.push_back(std::move(table));
    }
  }

  TableProposal Describe(const TableFacts& facts) {
    const source::SourceTable& table = facts.table;
    TableProposal proposal;
    proposal.about = About(facts);
    proposal.source = SqlName(table.name);
    if (!facts_.is_urls) proposal.source = SqlName(facts_.database) + "." + proposal.source;
    // The loader takes a quoted name as it stands.
    if (table.name.find_first_of("`\\") != std::string::npos) proposal.name = table.name;
    ChooseTarget(table.name, &proposal);
    proposal.cursor = ChooseCursor(table);
    if (proposal.cursor.timestamp.empty()) return proposal;
    const std::string& cursor = proposal.cursor.timestamp;
    proposal.span = ChooseSpan(table, cursor, SelectsInto({facts_.database, table.name}, views_));
    proposal.identity = ChooseIdentity(facts, cursor);
    proposal.columns = ChooseColumns(table, cursor);
    std::vector<std::string> unlike;
    for (const ColumnChoice& choice : proposal.columns) unlike.push_back(choice.column);
    proposal.partitions = ChoosePartitions(facts, cursor, unlike);
    proposal.notes = NotesOf(facts, proposal.columns);
    return proposal;
  }

  void ChooseTarget(const std::string& table, TableProposal* proposal) {
    const std::string wanted = TargetName(table);
    std::string name = wanted;
    for (int i = 2; !targets_.insert(name).second; ++i) name = fmt::format("{}_{}", wanted, i);
    proposal->target = name_space_ + "." + name;
    if (name != table) proposal->target_why = "Iceberg's names have no dots, slashes and the like";
  }

  void AddOrder() {
    auto order = ChooseOrder(facts_.database, names_, views_);
    for (size_t i = 0; i < names_.size(); ++i) out_.tables[i].order = std::move(order[names_[i]]);
    constexpr std::array<std::string_view, 3> kLayers = {"bronze", "silver", "gold"};
    std::ranges::stable_sort(out_.tables, {}, [&](const TableProposal& table) {
      return std::tuple(std::ranges::find(kLayers, table.order.layer), table.order.depth,
                        table.span ? table.span->micros : 0);
    });
  }

  const DatabaseFacts& facts_;
  const std::string& name_space_;
  std::vector<ViewStatement> views_;
  std::vector<std::string> names_;  // of out_.tables
  std::set<std::string> targets_;
  Proposal out_;
};

}  // namespace

Result<Proposal> Propose(const DatabaseFacts& facts, const std::string& name_space) {
  const Status named = catalog::ParseTableIdent(name_space + ".t").status();
  if (!named.ok() || !IsUtf8(name_space)) {
    return MakeError(ErrorKind::kConfig, fmt::format("'{}' is no namespace", name_space),
                     "Name one with --namespace, such as cold or lake.cold.");
  }
  return Proposer(facts, name_space).Run();
}

bool IsOffloaded(const std::string& engine) { return engine.ends_with("MergeTree"); }

}  // namespace calve::survey
