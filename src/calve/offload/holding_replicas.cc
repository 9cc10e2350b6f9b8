#include "calve/offload/holding_replicas.h"

#include <atomic>
#include <charconv>
#include <chrono>
#include <set>
#include <thread>

#include "calve/offload/alike_replicas.h"
#include "calve/offload/mode.h"
#include "calve/offload/replica_catch_up.h"
#include "calve/source/cluster_query.h"
#include "calve/source/introspection.h"

namespace calve::offload {
namespace {

using source::AtServer;
using source::QuoteString;
using source::ServerAnswer;
using source::TextRows;

constexpr int64_t kAlikeBucketMicros = 3600 * kMicrosPerSecond;
constexpr auto kLookAgain = std::chrono::milliseconds(100);
// So long one that lags is waited for where another one of its shard can be read from: it would only share the load.
constexpr auto kGrace = std::chrono::seconds(2);

using HoldingClock = std::chrono::steady_clock;

template <typename Number>
Status ReadNumber(const std::string& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size()) return Status::OK();
  return MakeError(ErrorKind::kCorrupt, "ClickHouse answered '" + text + "' where a number was expected");
}

// What is known of a server.
struct Standing {
  std::string server;
  bool holds = false;
  bool answers = true;
  std::string why_not;         // for people
  Status error;                // where it does not answer, or not as it should
  std::string zookeeper_path;  // empty: not known
  int64_t total_replicas = 0;
};

class Holding {
 public:
  Holding(source::Source& source, const source::SourceTable& table, const Cursor& cursor, const Window& range,
          const std::map<std::string, std::string>& settings, const StopToken& stop, const source::ClusterShape& shape)
      : source_(source),
        table_(table),
        cursor_(cursor),
        range_(range),
        settings_(settings),
        stop_(stop),
        shape_(shape) {
    for (const auto& shard : shape.shards) {
      standings_.emplace_back();
      for (const std::string& server : shard) standings_.back().emplace_back().server = server;
    }
  }

  Result<HoldingReplicas> Run() {
    const bool replicated = table_.engine.starts_with("Replicated");
    if (replicated) {
      CatchUpAll();
      ARROW_RETURN_NOT_OK(CheckPaths());
    } else {
      ARROW_RETURN_NOT_OK(CompareAll());
    }
    ARROW_RETURN_NOT_OK(stop_.Check());
    HoldingReplicas result;
    source::ShardServers servers;
    for (size_t shard = 0; shard < standings_.size(); ++shard) {
      servers.emplace_back();
      for (const Standing& standing : standings_[shard]) {
        if (standing.holds) {
          servers.back().push_back(standing.server);
        } else {
          result.notes.push_back(fmt::format("{} is not read from: {}", standing.server, standing.why_not));
        }
      }
      if (servers.back().empty()) return NobodyHolds(shard);
      result.paths.emplace_back();
      for (const Standing& standing : standings_[shard]) {
        if (standing.holds) result.paths.back() = standing.zookeeper_path;
      }
    }
    result.servers = std::make_shared<const source::ShardServers>(std::move(servers));
    return result;
  }

 private:
  std::string OfTable() const {
    return fmt::format("database = {} AND table = {}", QuoteString(table_.database), QuoteString(table_.name));
  }

  Status NobodyHolds(size_t shard) const {
    std::string all;
    std::string remedy;
    for (const Standing& standing : standings_[shard]) {
      all += fmt::format("{}{}: {}", all.empty() ? "" : "; ", standing.server, standing.why_not);
      if (remedy.empty() && !standing.error.ok()) remedy = RemedyOf(standing.error);
    }
    return MakeError(
        ErrorKind::kRetry,
        fmt::format("no replica of shard {} is known to have all rows of {}: {}", shard + 1, table_.FullName(), all),
        remedy.empty() ? "Run again when they have caught up (system.replicas, system.replication_queue), "
                         "or wait longer with --replica-wait."
                       : remedy);
  }

  // --- Replicated tables ---

  void CatchUpAll() {
    std::vector<std::pair<size_t, Standing*>> all;
    for (size_t shard = 0; shard < standings_.size(); ++shard) {
      for (Standing& standing : standings_[shard]) all.emplace_back(shard, &standing);
    }
    std::vector<std::atomic<bool>> found(standings_.size());
    source::ForEachAtOnce(all.size(), [&](size_t i) {
      const auto [shard, standing] = all[i];
      CatchUp(static_cast<int>(shard), *standing, found[shard]);
    });
  }

  void CatchUp(int shard, Standing& standing, std::atomic<bool>& found) const {
    ReplicaCatchUp catch_up;
    const auto began = HoldingClock::now();
    const auto wait = std::chrono::milliseconds(shape_.replica_wait_ms);
    while (true) {
      auto view = Ask(shard, standing);
      if (!view.ok()) {
        standing.error = view.status();
        standing.answers = KindOf(view.status()) != ErrorKind::kRetry;
        standing.why_not = MessageOf(view.status());
        return;
      }
      standing.why_not = catch_up.Look(*view);
      if (standing.why_not.empty()) {
        standing.holds = found = true;
        return;
      }
      const auto waited = HoldingClock::now() - began;
      if (waited >= wait || (found && waited >= kGrace) || stop_.stopped()) return;
      std::this_thread::sleep_for(kLookAgain);
    }
  }

  Result<ReplicaView> Ask(int shard, Standing& standing) const {
    source::QueryOptions options = AtServer({}, shard, standing.server);
    options.once = true;
    options.scope = source::Scope::kAnyServer;  // small
    ARROW_ASSIGN_OR_RAISE(
        const TextRows rows,
        source::QueryRows(
            source_,
            "SELECT toString(is_readonly), toString(is_session_expired), toString(log_max_index), "
            "toString(log_pointer), zookeeper_path, toString(total_replicas) FROM system.replicas WHERE " +
                OfTable(),
            options));
    if (rows.empty()) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("system.replicas at {} does not show {}", standing.server, table_.FullName()),
                       "Grant the source's user SHOW TABLES on it, and SELECT on system.replicas and "
                       "system.replication_queue.");
    }
    const auto& row = rows.front();
    ReplicaView view;
    view.is_readonly = row.at(0) == "1";
    view.is_session_expired = row.at(1) == "1";
    ARROW_RETURN_NOT_OK(ReadNumber(row.at(2), view.log_max_index));
    ARROW_RETURN_NOT_OK(ReadNumber(row.at(3), view.log_pointer));
    standing.zookeeper_path = row.at(4);
    ARROW_RETURN_NOT_OK(ReadNumber(row.at(5), standing.total_replicas));
    if (view.log_pointer == 0 && view.log_max_index == 0) {
      const auto log = source::QueryRows(source_,
                                         fmt::format("SELECT toString(count()) FROM system.zookeeper WHERE path = {}",
                                                     QuoteString(standing.zookeeper_path + "/log")),
                                         options);
      if (log.ok() && !log->empty()) view.log_is_empty = log->front().at(0) == "0";
    }
    ARROW_ASSIGN_OR_RAISE(
        const TextRows queue,
        source::QueryRows(source_,
                          "SELECT node_name FROM system.replication_queue WHERE type IN ('GET_PART', 'ATTACH_PART', "
                          "'REPLACE_RANGE', 'CLONE_PART_FROM_SHARD') AND " +
                              OfTable(),
                          options));
    for (const auto& entry : queue) view.rows_to_come.push_back(entry.at(0));
    return view;
  }

  // That the servers of a shard are replicas of one table, and those of two shards are not.
  Status CheckPaths() const {
    std::map<std::string, size_t> shard_of;
    for (size_t shard = 0; shard < standings_.size(); ++shard) {
      std::string path;
      std::string of_server;
      for (const Standing& standing : standings_[shard]) {
        if (standing.zookeeper_path.empty()) continue;
        if (path.empty()) {
          path = standing.zookeeper_path;
          of_server = standing.server;
        } else if (path != standing.zookeeper_path) {
          return MakeError(
              ErrorKind::kConfig,
              fmt::format("{} and {} are in one shard, but their {} are no replicas of each other ({}, {})", of_server,
                          standing.server, table_.FullName(), path, standing.zookeeper_path),
              "Look at the cluster's description, and at the tables' paths in ZooKeeper.");
        }
      }
      if (path.empty()) continue;
      const auto [other, is_new] = shard_of.emplace(path, shard);
      if (is_new) continue;
      // Each shard may have a ZooKeeper of its own, in which the path is the same: then it has the shard's replicas.
      const auto& replicas = standings_[shard];
      for (const Standing& standing : replicas) {
        if (standing.zookeeper_path.empty() || standing.total_replicas <= static_cast<int64_t>(replicas.size())) {
          continue;
        }
        return MakeError(ErrorKind::kConfig,
                         fmt::format("shards {} and {} have the same rows: their {} are replicas of each other ({})",
                                     other->second + 1, shard + 1, table_.FullName(), path),
                         "Put their servers into one shard, or look at {shard} in the table's path.");
      }
    }
    return Status::OK();
  }

  // --- other tables ---

  Status CompareAll() {
    bool any = false;
    for (auto& shard : standings_) {
      if (shard.size() == 1) shard.front().holds = true;  // there is nobody to compare it with
      any |= shard.size() > 1;
    }
    if (!any) return Status::OK();
    const auto began = HoldingClock::now();
    while (true) {
      const Status compared = CompareOnce();
      // Rows that come while they are counted may look like a difference.
      const bool final = compared.ok() || KindOf(compared) != ErrorKind::kRetry;
      if (final || HoldingClock::now() - began >= std::chrono::milliseconds(shape_.replica_wait_ms)) return compared;
      for (int i = 0; i < 10; ++i) {
        ARROW_RETURN_NOT_OK(stop_.Check());
        std::this_thread::sleep_for(kLookAgain);
      }
    }
  }

  // What tells rows apart, as far as each version of ClickHouse can hash it: all columns of plain types that an insert
  // gives a value to (a default, such as now(), may be another one on each replica).
  std::string Hashed() const {
    std::string list = CursorName(cursor_);
    for (const source::SourceColumn& column : table_.columns) {
      if (!column.default_kind.empty() || column.type.IsNullable() || column.name == cursor_.column) continue;
      if (IsHashable(column.type.Unwrapped())) {
        list += fmt::format(", {}.{}", kTableAlias, source::QuoteIdentifier(column.name));
      }
    }
    return list;
  }

  static bool IsHashable(const source::ClickHouseType& type) {
    using source::TypeKind;
    switch (type.kind) {
      case TypeKind::kInt8:
      case TypeKind::kInt16:
      case TypeKind::kInt32:
      case TypeKind::kInt64:
      case TypeKind::kUInt8:
      case TypeKind::kUInt16:
      case TypeKind::kUInt32:
      case TypeKind::kUInt64:
      case TypeKind::kString:
      case TypeKind::kFixedString:
      case TypeKind::kUuid:
      case TypeKind::kEnum8:
      case TypeKind::kEnum16:
      case TypeKind::kDate:
      case TypeKind::kDateTime:
      case TypeKind::kDateTime64:
        return true;
      default:
        return false;
    }
  }

  Status CompareOnce() {
    const std::string sql = fmt::format(
        "SELECT toString({}) AS bucket, toString(count()), toString(sum(cityHash64({}))) FROM {}{} WHERE {} GROUP BY "
        "bucket",
        BucketExpression(cursor_, kAlikeBucketMicros), Hashed(), FromClause(table_),
        ReadsMerged(table_.merging_engine()) ? " FINAL" : "", WindowPredicate(range_, cursor_));
    ARROW_ASSIGN_OR_RAISE(const auto answers, source::QueryServers(source_, sql, source::QueryOptions{"", settings_}));
    for (size_t shard = 0; shard < answers.size() && shard < standings_.size(); ++shard) {
      if (standings_[shard].size() == 1) continue;
      std::vector<BucketSums> sums;
      for (const ServerAnswer& answer : answers[shard]) {
        if (!answer.rows.ok()) return Unknown(shard, answer);
        ARROW_ASSIGN_OR_RAISE(sums.emplace_back(), ParseSums(*answer.rows));
      }
      ARROW_RETURN_NOT_OK(Judge(shard, CompareReplicas(sums)));
    }
    return Status::OK();
  }

  static Result<BucketSums> ParseSums(const TextRows& rows) {
    BucketSums sums;
    for (const auto& row : rows) {
      int64_t start = 0;
      ARROW_RETURN_NOT_OK(ReadNumber(row.at(0), start));
      BucketSum& sum = sums[start * kMicrosPerSecond];
      ARROW_RETURN_NOT_OK(ReadNumber(row.at(1), sum.rows));
      ARROW_RETURN_NOT_OK(ReadNumber(row.at(2), sum.hash));
    }
    return sums;
  }

  Status Unknown(size_t shard, const ServerAnswer& answer) const {
    if (KindOf(answer.rows.status()) != ErrorKind::kRetry) return answer.rows.status();
    return MakeError(
        ErrorKind::kRetry,
        fmt::format(
            "{}, a replica of shard {}, does not answer, and {} is no Replicated table: it may have rows that no "
            "other has ({})",
            answer.server, shard + 1, table_.FullName(), MessageOf(answer.rows.status())),
        "Bring it back. If what it has is on the others, too, leave it out: name the others as shards.");
  }

  Status Judge(size_t shard, const AlikeReplicas& alike) {
    std::vector<Standing>& replicas = standings_[shard];
    if (!alike.conflict.empty()) {
      std::string names;
      for (const Standing& standing : replicas) names += (names.empty() ? "" : ", ") + standing.server;
      return MakeError(ErrorKind::kRetry,
                       fmt::format("the replicas of shard {} ({}) have different rows of {}: {}", shard + 1, names,
                                   table_.FullName(), alike.conflict),
                       "Make them alike again, or name the ones that are right as shards.");
    }
    for (size_t i = 0; i < replicas.size(); ++i) {
      replicas[i].holds = alike.rows_lacking[i] == 0;
      if (!replicas[i].holds) {
        replicas[i].why_not = fmt::format("it lacks {} rows that other replicas have", alike.rows_lacking[i]);
      }
    }
    return Status::OK();
  }

  source::Source& source_;
  const source::SourceTable& table_;
  const Cursor& cursor_;
  const Window& range_;
  const std::map<std::string, std::string>& settings_;
  const StopToken& stop_;
  const source::ClusterShape& shape_;
  std::vector<std::vector<Standing>> standings_;  // by shard
};

}  // namespace

Result<std::vector<std::vector<ReplicaParts>>> ListReplicasParts(source::Source& source,
                                                                 const source::SourceTable& table) {
  ARROW_ASSIGN_OR_RAISE(const auto answers, source::QueryServers(source, PartsQuery(table)));
  // Not known before 20.5.
  ARROW_ASSIGN_OR_RAISE(
      const auto uuids,
      source::QueryServers(source, fmt::format("SELECT toString(uuid) FROM system.tables WHERE "
                                               "database = {} AND name = {}",
                                               QuoteString(table.database), QuoteString(table.name))));
  std::vector<std::vector<ReplicaParts>> shards;
  Status refused;
  for (size_t shard = 0; shard < answers.size(); ++shard) {
    shards.emplace_back();
    for (size_t i = 0; i < answers[shard].size(); ++i) {
      const ServerAnswer& answer = answers[shard][i];
      if (!answer.rows.ok()) {
        if (KindOf(answer.rows.status()) != ErrorKind::kRetry) refused = answer.rows.status();
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(auto parts, PartsOf(*answer.rows));
      const auto& uuid = uuids[shard][i].rows;
      shards.back().push_back(
          {answer.server, uuid.ok() && !uuid->empty() ? uuid->front().at(0) : "", std::move(parts)});
    }
    if (shards.back().empty() && !refused.ok()) return refused;
  }
  return shards;
}

Result<HoldingReplicas> FindHoldingReplicas(source::Source& source, const source::SourceTable& table,
                                            const Cursor& cursor, const Window& range,
                                            const std::map<std::string, std::string>& settings, const StopToken& stop) {
  if (!source.cluster()) return HoldingReplicas{};
  ARROW_ASSIGN_OR_RAISE(const auto shape, source.cluster()->Shape());
  return Holding(source, table, cursor, range, settings, stop, *shape).Run();
}

}  // namespace calve::offload
