// One shard of a cluster, or one of its servers, as a source of its own.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "calve/source/source.h"

namespace calve::source {

// All queries go to one shard: what is written for one server can ask it. `among`: to these of its servers. Borrows
// `inner`. It is no cluster any more.
class ShardSource : public Source {
 public:
  ShardSource(Source& inner, int shard, std::shared_ptr<const ShardServers> among = nullptr)
      : inner_(inner), shard_(shard), among_(std::move(among)) {}
  // To this one server of the shard.
  ShardSource(Source& inner, int shard, const std::string& server) : inner_(inner), shard_(shard), name_(server) {
    ShardServers only(static_cast<size_t>(shard) + 1);
    only.back() = {server};
    among_ = std::make_shared<const ShardServers>(std::move(only));
  }

  std::string name() const override { return name_.empty() ? inner_.name() : name_; }
  std::string database() const override { return inner_.database(); }
  Result<std::unique_ptr<BlockStream>> Query(const std::string& sql, const QueryOptions& options) override {
    QueryOptions narrowed = options;
    narrowed.shard = shard_;
    if (among_) narrowed.among = among_;
    return inner_.Query(sql, narrowed);
  }
  Status Execute(const std::string& sql, const QueryOptions& options) override { return inner_.Execute(sql, options); }
  Status Insert(const Insertion& insertion, const BatchProducer& rows, const QueryOptions& options) override {
    return inner_.Insert(insertion, rows, options);
  }

 private:
  Source& inner_;
  const int shard_;
  std::shared_ptr<const ShardServers> among_;
  const std::string name_;  // empty: the inner one's
};

}  // namespace calve::source
