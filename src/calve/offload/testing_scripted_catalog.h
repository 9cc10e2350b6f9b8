// A catalog whose commits go wrong on demand: the outcomes of DESIGN's "unknown outcome", around a real catalog.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include "calve/catalog/catalog.h"

namespace calve::offload {

enum class CommitFault {
  kNone,
  kConflict,     // refused: nothing happened
  kFailed,       // refused for good: nothing happened
  kLostRequest,  // unknown outcome; nothing happened
  kLostAnswer,   // unknown outcome; it is in
  kLateEffect,   // unknown outcome; it arrives just before the next commit is tried
};

class ScriptedCatalog : public catalog::Catalog {
 public:
  explicit ScriptedCatalog(catalog::Catalog& inner) : inner_(inner) {}

  std::deque<CommitFault> faults;       // of the next commits; none when empty
  std::function<void()> before_commit;  // another writer, once
  int commits = 0;

  std::string name() const override { return inner_.name(); }
  Result<catalog::LoadedTable> LoadTable(const catalog::TableIdent& ident) override { return inner_.LoadTable(ident); }
  Result<catalog::LoadedTable> CreateTable(const catalog::TableIdent& ident,
                                           const catalog::CreateTableRequest& request) override {
    return inner_.CreateTable(ident, request);
  }
  Result<catalog::LoadedTable> CommitTable(const catalog::TableIdent& ident,
                                           std::span<const iceberg::TableRequirement> requirements,
                                           std::span<const iceberg::TableUpdate> updates) override {
    ++commits;
    if (before_commit) std::exchange(before_commit, nullptr)();
    if (late_) {
      auto late = std::exchange(late_, std::nullopt);
      auto arrived = inner_.CommitTable(ident, late->first, late->second);
      late_effect_landed = arrived.ok();
    }
    CommitFault fault = CommitFault::kNone;
    if (!faults.empty()) fault = faults.front(), faults.pop_front();
    switch (fault) {
      case CommitFault::kNone:
        return inner_.CommitTable(ident, requirements, updates);
      case CommitFault::kConflict:
        return MakeError(ErrorKind::kConflict, "scripted conflict");
      case CommitFault::kFailed:
        return MakeError(ErrorKind::kFailed, "scripted failure");
      case CommitFault::kLostAnswer: {
        auto done = inner_.CommitTable(ident, requirements, updates);
        if (!done.ok()) return done;
        return MakeError(ErrorKind::kUnknownOutcome, "scripted lost answer");
      }
      case CommitFault::kLateEffect:
        late_.emplace(std::vector<iceberg::TableRequirement>(requirements.begin(), requirements.end()),
                      std::vector<iceberg::TableUpdate>(updates.begin(), updates.end()));
        [[fallthrough]];
      case CommitFault::kLostRequest:
        return MakeError(ErrorKind::kUnknownOutcome, "scripted lost request");
    }
    return MakeError(ErrorKind::kFailed, "unreachable");
  }
  Result<std::vector<std::vector<std::string>>> ListNamespaces() override { return inner_.ListNamespaces(); }
  Result<std::vector<catalog::TableIdent>> ListTables(const std::vector<std::string>& levels) override {
    return inner_.ListTables(levels);
  }
  Status DropTable(const catalog::TableIdent& ident) override { return inner_.DropTable(ident); }

  std::optional<bool> late_effect_landed;

 private:
  catalog::Catalog& inner_;
  std::optional<std::pair<std::vector<iceberg::TableRequirement>, std::vector<iceberg::TableUpdate>>> late_;
};

}  // namespace calve::offload
