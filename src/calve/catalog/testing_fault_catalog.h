// A catalog whose calls go wrong on demand, around a real catalog: the faults of storage/fault_injection.h at any call,
// and for commits the outcomes of DESIGN's "unknown outcome".
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "calve/catalog/catalog.h"
#include "calve/storage/fault_injection.h"

namespace calve::catalog {

enum class CommitFault {
  kNone,
  kConflict,     // refused: nothing happened
  kFailed,       // refused for good: nothing happened
  kLostRequest,  // unknown outcome; nothing happened
  kLostAnswer,   // unknown outcome; it is in
  kLateEffect,   // unknown outcome; it arrives just before the next commit is tried
  kHeldEffect,   // unknown outcome; it arrives when the test says so
};

// A commit on its way. The catalog answers when it arrives, and nobody hears it.
struct HeldCommit {
  TableIdent ident;
  std::vector<iceberg::TableRequirement> requirements;
  std::vector<iceberg::TableUpdate> updates;

  Status ArriveAt(Catalog& inner) const { return inner.CommitTable(ident, requirements, updates).status(); }
};

// As thread-safe as the members that a test sets meanwhile allow: only without script and hooks.
class FaultInjectingCatalog : public Catalog {
 public:
  explicit FaultInjectingCatalog(Catalog& inner) : inner_(inner), points_(own_) {}
  // With faults that others share; they must outlive it.
  FaultInjectingCatalog(Catalog& inner, storage::FaultList& points) : inner_(inner), points_(points) {}

  std::deque<CommitFault> faults;                     // of the next commits; none when empty
  std::function<void()> before_commit, after_commit;  // another writer, once
  std::function<void()> before_commit_tables;         // once
  int commits = 0;
  int unknown_commits = 0;                 // of those, answered with kUnknownOutcome
  std::optional<HeldCommit> held;          // of kHeldEffect: the test's to let arrive
  std::optional<bool> late_effect_landed;  // of kLateEffect

  std::string name() const override { return inner_.name(); }
  Result<LoadedTable> LoadTable(const TableIdent& ident) override {
    return Guard("load-table", ident, [&] { return inner_.LoadTable(ident); });
  }
  Result<LoadedTable> CreateTable(const TableIdent& ident, const CreateTableRequest& request) override {
    return Guard("create-table", ident, [&] { return inner_.CreateTable(ident, request); });
  }
  Result<LoadedTable> CommitTable(const TableIdent& ident, std::span<const iceberg::TableRequirement> requirements,
                                  std::span<const iceberg::TableUpdate> updates) override {
    auto outcome = Guard("commit-table", ident, [&] { return Commit(ident, requirements, updates); });
    unknown_commits += KindOf(outcome.status()) == ErrorKind::kUnknownOutcome ? 1 : 0;
    return outcome;
  }
  Result<std::vector<std::vector<std::string>>> ListNamespaces() override { return inner_.ListNamespaces(); }
  Result<std::vector<TableIdent>> ListTables(const std::vector<std::string>& levels) override {
    return inner_.ListTables(levels);
  }
  Status DropTable(const TableIdent& ident) override {
    return Guard("drop-table", ident, [&] { return inner_.DropTable(ident); });
  }
  Result<LoadedTable> RegisterTable(const TableIdent& ident, const std::string& metadata_location) override {
    return Guard("register-table", ident, [&] { return inner_.RegisterTable(ident, metadata_location); });
  }
  Result<bool> CommitsTogether() override { return inner_.CommitsTogether(); }
  Status CommitTables(std::span<const TableCommit> together) override {
    ++commits;
    if (before_commit_tables) std::exchange(before_commit_tables, nullptr)();
    Status outcome = Guard("commit-tables", together.front().ident, [&] { return inner_.CommitTables(together); });
    unknown_commits += KindOf(outcome) == ErrorKind::kUnknownOutcome ? 1 : 0;
    return outcome;
  }

 private:
  template <typename Call>
  auto Guard(std::string_view name, const TableIdent& ident, Call call) -> decltype(call()) {
    return points_.Guard(std::nullopt, name, ident.ToString(), std::move(call));
  }

  Result<LoadedTable> Commit(const TableIdent& ident, std::span<const iceberg::TableRequirement> requirements,
                             std::span<const iceberg::TableUpdate> updates) {
    ++commits;
    if (before_commit) std::exchange(before_commit, nullptr)();
    if (late_) late_effect_landed = std::exchange(late_, std::nullopt)->ArriveAt(inner_).ok();
    CommitFault fault = CommitFault::kNone;
    if (!faults.empty()) fault = faults.front(), faults.pop_front();
    auto outcome =
        CommitWith(fault, {ident, {requirements.begin(), requirements.end()}, {updates.begin(), updates.end()}});
    if (after_commit) std::exchange(after_commit, nullptr)();
    return outcome;
  }

  Result<LoadedTable> CommitWith(CommitFault fault, HeldCommit commit) {
    switch (fault) {
      case CommitFault::kNone:
        return inner_.CommitTable(commit.ident, commit.requirements, commit.updates);
      case CommitFault::kConflict:
        return MakeError(ErrorKind::kConflict, "scripted conflict");
      case CommitFault::kFailed:
        return MakeError(ErrorKind::kFailed, "scripted failure");
      case CommitFault::kLostAnswer:
        ARROW_RETURN_NOT_OK(commit.ArriveAt(inner_));
        return MakeError(ErrorKind::kUnknownOutcome, "scripted lost answer");
      case CommitFault::kLateEffect:
        late_ = std::move(commit);
        break;
      case CommitFault::kHeldEffect:
        held = std::move(commit);
        break;
      case CommitFault::kLostRequest:
        break;
    }
    return MakeError(ErrorKind::kUnknownOutcome, "scripted lost request");
  }

  Catalog& inner_;
  storage::FaultList own_;
  storage::FaultList& points_;
  std::optional<HeldCommit> late_;
};

}  // namespace calve::catalog
