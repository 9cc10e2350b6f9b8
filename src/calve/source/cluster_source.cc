#include "calve/source/cluster_source.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "calve/base/random.h"
#include "calve/base/retry.h"
#include "calve/source/introspection.h"
#include "calve/source/server_pool.h"

namespace calve::source {
namespace {

// A stream may wait long for whoever takes its blocks, and others for its place.
constexpr int64_t kPlaceWaitMs = 1'800'000;

struct ClusterState {
  ClusterState(const SourceUrl& url, const SourceOptions& given, const StopToken& token, OpenServer opens)
      : base(url),
        options(given),
        attempts_max(given.attempts_max),
        stop(token),
        open(std::move(opens)),
        pool(std::make_shared<ServerPool>(given.cluster.queries_per_server)) {
    // One try for each server; the round over all of them is tried again.
    options.attempts_max = 1;
  }

  const SourceUrl base;
  SourceOptions options;
  const int attempts_max;
  const StopToken& stop;
  const OpenServer open;
  const std::shared_ptr<ServerPool> pool;

  std::mutex mutex;
  // protected by mutex
  std::shared_ptr<const ClusterShape> shape;
  std::map<std::string, std::shared_ptr<Source>> servers;

  // Of rounds over all servers that may be asked.
  RetryPolicy Rounds() const { return RetryPolicy{attempts_max, 100, 10'000, 300'000}; }

  std::string Title() const {
    return options.cluster.name.empty() ? "the cluster" : "the cluster " + options.cluster.name;
  }

  Status Take(const ServerUrls& urls) {
    auto next = std::make_shared<ClusterShape>();
    next->name = options.cluster.name.empty() ? "cluster" : options.cluster.name;
    next->is_named = !options.cluster.name.empty();
    next->shards = NamesOf(urls);
    next->replica_wait_ms = options.cluster.replica_wait_ms;
    std::lock_guard lock(mutex);
    for (const auto& shard : urls) {
      for (const SourceUrl& url : shard) {
        std::shared_ptr<Source>& server = servers[url.Origin()];
        if (server) continue;
        ARROW_ASSIGN_OR_RAISE(server, open(url, options, stop));
      }
    }
    shape = std::move(next);
    return Status::OK();
  }

  Result<std::shared_ptr<const ClusterShape>> Shape() {
    {
      std::lock_guard lock(mutex);
      if (shape) return shape;
    }
    return Refresh();
  }

  Result<std::shared_ptr<const ClusterShape>> Refresh() {
    if (!options.cluster.name.empty()) {
      ARROW_ASSIGN_OR_RAISE(const ServerUrls urls, AskServers());
      ARROW_RETURN_NOT_OK(Take(urls));
    }
    std::lock_guard lock(mutex);
    return shape;
  }

  Result<ServerUrls> AskServers() {
    SourceOptions patient = options;
    patient.attempts_max = attempts_max;
    ARROW_ASSIGN_OR_RAISE(auto knows, open(base, patient, stop));
    const std::string& name = options.cluster.name;
    auto answer = QueryRows(*knows,
                            "SELECT toString(shard_num), host_name, default_database FROM system.clusters WHERE "
                            "cluster = " +
                                QuoteString(name) + " ORDER BY shard_num, replica_num");
    if (!answer.ok()) return WithContext(answer.status(), "the servers of " + Title());
    if (answer->empty()) {
      std::string known;
      auto names = QueryRows(*knows, "SELECT DISTINCT cluster FROM system.clusters ORDER BY cluster LIMIT 100");
      if (names.ok()) {
        for (const auto& row : *names) known += (known.empty() ? "" : ", ") + row.at(0);
      }
      return MakeError(ErrorKind::kNotFound, fmt::format("{} knows no cluster {}", knows->name(), name),
                       known.empty() ? "Name a cluster of its remote_servers, or spell the servers out as shards."
                                     : "It knows: " + known + ".");
    }
    std::vector<ClusterRow> rows;
    for (const auto& row : *answer) rows.push_back({std::stoi(row.at(0)), row.at(1), row.at(2)});
    return ServersFromRows(name, rows, base, options.cluster.http_port);
  }

  std::shared_ptr<Source> Server(const std::string& name) {
    std::lock_guard lock(mutex);
    return servers[name];
  }
};

// Holds its place on the server until its end.
class ServedStream : public BlockStream {
 public:
  ServedStream(std::unique_ptr<BlockStream> inner, std::unique_ptr<ServerPool::Place> place)
      : inner_(std::move(inner)), place_(std::move(place)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    auto batch = inner_->Next();
    if (!batch.ok() && KindOf(batch.status()) == ErrorKind::kRetry && place_) place_->Failed();
    if (!batch.ok() || !*batch) place_.reset();
    return batch;
  }
  int64_t bytes_read() const override { return inner_->bytes_read(); }
  double wait_seconds() const override { return inner_->wait_seconds(); }

 private:
  const std::unique_ptr<BlockStream> inner_;
  std::unique_ptr<ServerPool::Place> place_;
};

// One try after the other, on one server after the other.
class Tries {
 public:
  Tries(ClusterState& state, const std::vector<std::string>& servers, bool counts, std::string about)
      : state_(state), servers_(servers), counts_(counts), about_(std::move(about)) {}

  Result<std::unique_ptr<BlockStream>> Run(const std::string& sql, const QueryOptions& asked) {
    if (asked.once && servers_.size() == 1 && state_.pool->IsPassedOver(servers_[0])) {
      return MakeError(ErrorKind::kRetry, servers_[0] + " failed a moment ago, and is not asked again yet",
                       "Look whether it is running, and run again.");
    }
    QueryOptions options = asked;
    if (options.query_id.empty()) options.query_id = "calve-" + RandomUuid();
    const std::string query_id = options.query_id;
    const auto began = std::chrono::steady_clock::now();
    const RetryPolicy rounds = options.once ? RetryPolicy{1} : state_.Rounds();
    for (int round = 1;; ++round) {
      std::vector<std::string> left = servers_;
      while (!left.empty()) {
        ARROW_ASSIGN_OR_RAISE(auto place, state_.pool->Take(left, counts_, state_.stop, kPlaceWaitMs));
        std::erase(left, place->server());
        if (++tries_ > 1) options.query_id = fmt::format("{}-{}", query_id, tries_);
        auto stream = state_.Server(place->server())->Query(sql, options);
        if (stream.ok()) {
          place->Worked();
          return std::make_unique<ServedStream>(std::move(*stream), std::move(place));
        }
        if (KindOf(stream.status()) != ErrorKind::kRetry) return stream.status();
        place->Failed();
        errors_[place->server()] = stream.status();
        const bool is_last = left.empty() && !rounds.MayTry(round + 1, MsSince(began));
        if (options.on_retry && !is_last) options.on_retry(options.query_id, tries_, stream.status());
      }
      if (!rounds.MayTry(round + 1, MsSince(began))) return NoneAnswers();
      ARROW_RETURN_NOT_OK(Wait(rounds.WaitMs(round + 1, RandomUnit())));
    }
  }

 private:
  using Began = std::chrono::steady_clock::time_point;
  static int64_t MsSince(Began began) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began).count();
  }

  Status Wait(int64_t ms) const {
    const Began began = std::chrono::steady_clock::now();
    while (MsSince(began) < ms) {
      ARROW_RETURN_NOT_OK(state_.stop.Check());
      std::this_thread::sleep_for(std::chrono::milliseconds(std::min<int64_t>(20, ms)));
    }
    return state_.stop.Check();
  }

  Status NoneAnswers() const {
    std::string all;
    std::string remedy;
    for (const auto& [server, status] : errors_) {
      all += (all.empty() ? "" : "; ") + MessageOf(status);
      if (remedy.empty()) remedy = RemedyOf(status);
    }
    return MakeError(
        ErrorKind::kRetry,
        fmt::format("{}: none of its {} servers that may be asked answers: {}", about_, servers_.size(), all),
        remedy.empty() ? "Bring one of them back, and run again: nothing is offloaded without all shards." : remedy);
  }

  ClusterState& state_;
  const std::vector<std::string> servers_;
  const bool counts_;
  const std::string about_;
  int tries_ = 0;
  std::map<std::string, Status> errors_;  // the latest of each
};

// The servers of a shard that may be asked.
Result<std::vector<std::string>> ServersFor(const ClusterShape& shape, int shard, const QueryOptions& options) {
  if (shard < 0 || shard >= static_cast<int>(shape.shards.size())) {
    return MakeError(ErrorKind::kRetry,
                     fmt::format("shard {} is asked of a cluster that has {}", shard + 1, shape.shards.size()),
                     "The cluster has changed since this was planned: run again.");
  }
  const auto& all = shape.shards[static_cast<size_t>(shard)];
  if (!options.among || static_cast<size_t>(shard) >= options.among->size()) return all;
  const auto& among = (*options.among)[static_cast<size_t>(shard)];
  if (among.empty()) return all;
  const std::set<std::string> known(all.begin(), all.end());
  std::vector<std::string> servers;
  for (const std::string& server : among) {
    if (known.contains(server)) servers.push_back(server);
  }
  if (servers.empty()) {
    return MakeError(
        ErrorKind::kRetry,
        fmt::format("none of the servers that were chosen for shard {} is in the cluster any more", shard + 1),
        "The cluster has changed since this was planned: run again.");
  }
  return servers;
}

Result<std::unique_ptr<BlockStream>> AskShard(ClusterState& state, const ClusterShape& shape, int shard,
                                              const std::string& sql, const QueryOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto servers, ServersFor(shape, shard, options));
  const bool counts = options.scope != Scope::kAnyServer;
  return Tries(state, servers, counts, fmt::format("shard {} of {}", shard + 1, state.Title())).Run(sql, options);
}

// The rows of one shard after those of the other.
class EveryShardStream : public BlockStream {
 public:
  EveryShardStream(std::shared_ptr<ClusterState> state, std::shared_ptr<const ClusterShape> shape, std::string sql,
                   QueryOptions options)
      : state_(std::move(state)), shape_(std::move(shape)), sql_(std::move(sql)), options_(std::move(options)) {
    if (options_.query_id.empty()) options_.query_id = "calve-" + RandomUuid();
    query_id_ = options_.query_id;
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    while (true) {
      if (!stream_) {
        if (shard_ == static_cast<int>(shape_->shards.size())) return nullptr;
        ARROW_RETURN_NOT_OK(Open());
      }
      ARROW_ASSIGN_OR_RAISE(auto batch, stream_->Next());
      if (batch) return batch;
      bytes_ += stream_->bytes_read();
      waited_ += stream_->wait_seconds();
      stream_.reset();
      ++shard_;
    }
  }
  int64_t bytes_read() const override { return bytes_ + (stream_ ? stream_->bytes_read() : 0); }
  double wait_seconds() const override { return waited_ + (stream_ ? stream_->wait_seconds() : 0); }

  Status Open() {
    options_.query_id = fmt::format("{}-s{}", query_id_, shard_ + 1);
    ARROW_ASSIGN_OR_RAISE(stream_, AskShard(*state_, *shape_, shard_, sql_, options_));
    return Status::OK();
  }

 private:
  const std::shared_ptr<ClusterState> state_;
  const std::shared_ptr<const ClusterShape> shape_;
  const std::string sql_;
  QueryOptions options_;
  std::string query_id_;
  int shard_ = 0;
  std::unique_ptr<BlockStream> stream_;
  int64_t bytes_ = 0;
  double waited_ = 0;
};

class ClusterSource : public Source, public Cluster {
 public:
  explicit ClusterSource(std::shared_ptr<ClusterState> state) : state_(std::move(state)) {}

  std::string name() const override {
    return state_->options.cluster.name.empty()
               ? fmt::format("a cluster of {} shards", state_->options.cluster.shards.size())
               : fmt::format("the cluster {} that {} knows", state_->options.cluster.name, state_->base.Origin());
  }
  std::string database() const override { return state_->base.database; }
  Cluster* cluster() override { return this; }

  Result<std::shared_ptr<const ClusterShape>> Shape() override { return state_->Shape(); }
  Result<std::shared_ptr<const ClusterShape>> Refresh() override { return state_->Refresh(); }

  Result<std::unique_ptr<BlockStream>> Query(const std::string& sql, const QueryOptions& options) override {
    ARROW_ASSIGN_OR_RAISE(const auto shape, state_->Shape());
    if (options.shard) return AskShard(*state_, *shape, *options.shard, sql, options);
    if (options.scope == Scope::kAnyServer) {
      std::vector<std::string> all;
      for (const auto& shard : shape->shards) all.insert(all.end(), shard.begin(), shard.end());
      return Tries(*state_, all, false, state_->Title()).Run(sql, options);
    }
    if (options.scope != Scope::kEveryShard) {
      return MakeError(ErrorKind::kUnsupported,
                       fmt::format("this question would be answered by one shard of {} alone: {}", state_->Title(),
                                   sql.substr(0, 200)),
                       "Ask one server, with its URL as the source, or a Distributed table through one.");
    }
    auto stream = std::make_unique<EveryShardStream>(state_, shape, sql, options);
    ARROW_RETURN_NOT_OK(stream->Open());
    return stream;
  }

  Status Execute(const std::string&, const QueryOptions&) override { return ChangesNothing(); }
  Status Insert(const Insertion&, const BatchProducer&, const QueryOptions&) override { return ChangesNothing(); }

 private:
  Status ChangesNothing() const {
    return MakeError(ErrorKind::kUnsupported, fmt::format("{} is read as a source, and not changed", state_->Title()),
                     "Name one server's URL as the source, without a cluster.");
  }

  const std::shared_ptr<ClusterState> state_;
};

}  // namespace

Result<std::unique_ptr<Source>> OpenClusterSource(const SourceUrl& base, const SourceOptions& options,
                                                  const StopToken& stop, OpenServer open) {
  const ClusterOptions& cluster = options.cluster;
  if (!cluster.name.empty() && !cluster.shards.empty()) {
    return MakeError(ErrorKind::kConfig, "the source has both a cluster's name and shards of its own",
                     "Give one of them: the name of a cluster that the server knows, or its servers.");
  }
  if (base.scheme == SourceScheme::kChdb) {
    return MakeError(ErrorKind::kConfig, "an embedded database knows no cluster",
                     "Name a server: http://user@host:8123/database.");
  }
  if (cluster.queries_per_server < 1) {
    return MakeError(ErrorKind::kConfig, "no query may run on a server of the cluster",
                     "Allow at least one: queries_per_server.");
  }
  auto state = std::make_shared<ClusterState>(base, options, stop, std::move(open));
  if (cluster.name.empty()) {
    ARROW_ASSIGN_OR_RAISE(const ServerUrls urls, ServersFromText(cluster.shards, base));
    ARROW_RETURN_NOT_OK(state->Take(urls));
  }
  return std::make_unique<ClusterSource>(std::move(state));
}

}  // namespace calve::source
