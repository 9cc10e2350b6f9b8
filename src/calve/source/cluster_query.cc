#include "calve/source/cluster_query.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <functional>
#include <thread>

#include "calve/source/introspection.h"

namespace calve::source {
namespace {

constexpr size_t kAskedAtOnce = 16;

}  // namespace

void ForEachAtOnce(size_t count, const std::function<void(size_t)>& call) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) call(i);
  };
  std::vector<std::jthread> others;
  for (size_t i = 1; i < std::min(count, kAskedAtOnce); ++i) others.emplace_back(work);
  work();
}

Result<int> ShardsOf(Source& source) {
  if (!source.cluster()) return 1;
  ARROW_ASSIGN_OR_RAISE(const auto shape, source.cluster()->Shape());
  return static_cast<int>(shape->shards.size());
}

Result<std::vector<TextRows>> QueryShards(Source& source, const std::string& sql, const QueryOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const int shards, ShardsOf(source));
  if (!source.cluster()) {
    ARROW_ASSIGN_OR_RAISE(auto rows, QueryRows(source, sql, options));
    return std::vector<TextRows>{std::move(rows)};
  }
  std::vector<Result<TextRows>> answers(static_cast<size_t>(shards), TextRows{});
  ForEachAtOnce(answers.size(), [&](size_t shard) {
    QueryOptions of_shard = options;
    of_shard.shard = static_cast<int>(shard);
    answers[shard] = QueryRows(source, sql, of_shard);
  });
  std::vector<TextRows> rows;
  for (auto& answer : answers) {
    ARROW_ASSIGN_OR_RAISE(auto of_shard, std::move(answer));
    rows.push_back(std::move(of_shard));
  }
  return rows;
}

Result<int64_t> CountOnShards(Source& source, const std::string& sql, const QueryOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto answers, QueryShards(source, sql, options));
  int64_t sum = 0;
  for (const TextRows& rows : answers) {
    int64_t count = 0;
    const std::string text = rows.empty() || rows[0].empty() ? "" : rows[0][0];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
      return MakeError(ErrorKind::kCorrupt, source.name() + ": answered '" + text + "' where a count was asked for");
    }
    sum += count;
  }
  return sum;
}

Result<std::vector<std::vector<ServerAnswer>>> QueryServers(Source& source, const std::string& sql,
                                                            const QueryOptions& options) {
  if (!source.cluster()) {
    return std::vector<std::vector<ServerAnswer>>{{ServerAnswer{source.name(), QueryRows(source, sql, options)}}};
  }
  ARROW_ASSIGN_OR_RAISE(const auto shape, source.cluster()->Shape());
  std::vector<std::vector<ServerAnswer>> answers;
  std::vector<std::pair<int, ServerAnswer*>> all;
  for (const auto& shard : shape->shards) {
    answers.emplace_back();
    for (const std::string& server : shard) answers.back().push_back({server});
  }
  for (size_t shard = 0; shard < answers.size(); ++shard) {
    for (ServerAnswer& answer : answers[shard]) all.emplace_back(static_cast<int>(shard), &answer);
  }
  ForEachAtOnce(all.size(), [&](size_t i) {
    const auto [shard, answer] = all[i];
    QueryOptions of_server = AtServer(options, shard, answer->server);
    of_server.once = true;
    answer->rows = QueryRows(source, sql, of_server);
  });
  return answers;
}

QueryOptions AtServer(QueryOptions options, int shard, const std::string& server) {
  options.shard = shard;
  ShardServers only(static_cast<size_t>(shard) + 1);
  only.back() = {server};
  options.among = std::make_shared<const ShardServers>(std::move(only));
  return options;
}

}  // namespace calve::source
