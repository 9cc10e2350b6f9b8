// What the models of the promise have in common: a table to which everything happens at random (cycles that go wrong or
// meet each other, rewrites, rollbacks, expiry, a lost journal). What arrives in hot, and what every snapshot must
// hold, a model adds.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "calve/offload/testing_offload_place.h"

namespace calve::offload {

class ModelWorld {
 public:
  ModelWorld(CatalogKind kind, uint64_t seed);
  virtual ~ModelWorld() = default;
  virtual void Step() = 0;
  // No faults any more: everything arrives.
  virtual void Finish() = 0;
  // What has happened so far, for messages.
  std::string Story() const { return "\n" + story_; }

 protected:
  // Something that does not end a cycle that is under way.
  virtual void Event() = 0;
  // Takes note of the snapshots that are new.
  virtual void Learn() = 0;
  // Whether the promise still covers the table after these updates.
  virtual bool Promised(const iceberg::TableMetadata& metadata, const std::vector<iceberg::TableUpdate>& updates) = 0;
  virtual void CleanCycle() = 0;
  virtual void BeforeCycle() {}
  virtual void AfterCycle() {}

  uint64_t Below(uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(random_); }
  bool Chance(uint64_t one_in) { return Below(one_in) == 0; }
  void Say(const std::string& what) { story_ += what + "; "; }

  std::optional<iceberg::TableMetadata> Metadata();
  Status Commit(const std::vector<iceberg::TableUpdate>& updates);
  // main's ancestors that are still there, the tip first.
  static std::vector<int64_t> Ancestors(const iceberg::TableMetadata& metadata);

  void ChangeProperty();
  // As a compaction: another snapshot with the same rows.
  void ForeignRewrite();
  void Rollback();
  // As an engine that does not know our tag.
  void Expire();
  // A commit that was under way for long.
  void Deliver();
  void LoseJournal();
  // A cycle that may die, fail, or meet others; or a clean one.
  void Cycle();
  void ExpectFilesThere();

  TempDir dir_;
  OffloadPlace place_;
  uint64_t calls_of_a_cycle_ = 70;  // about; of which one goes wrong

 private:
  void DisturbedCycle(storage::FaultAction action, int nth);
  // Between a window's plan and the end of its commit: an event, or another calve's whole cycle.
  void Meanwhile();

  std::mt19937_64 random_;
  std::string story_;
  std::vector<catalog::HeldCommit> held_;
};

// Sequences of 80 steps, each on a world of its own: CALVE_MODEL_STEPS of them (`steps` where it is not set), or as
// many as fit into CALVE_MODEL_SECONDS. The first one's seed is CALVE_MODEL_SEED. Ends with the first failure, and says
// how to repeat it.
void RunWorlds(uint64_t steps, const std::function<std::unique_ptr<ModelWorld>(CatalogKind, uint64_t seed)>& make);

}  // namespace calve::offload
