#include "calve/source/server_pool.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>

namespace calve::source {
namespace {

int64_t NowMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

constexpr auto kLookForStop = std::chrono::milliseconds(50);

}  // namespace

ServerPool::Place::Place(std::shared_ptr<ServerPool> pool, std::string server, bool counts)
    : pool_(std::move(pool)), server_(std::move(server)), counts_(counts) {}

ServerPool::Place::~Place() {
  if (counts_) pool_->GiveBack(server_);
}

Result<std::unique_ptr<ServerPool::Place>> ServerPool::Take(const std::vector<std::string>& servers, bool counts,
                                                            const StopToken& stop, int64_t wait_max_ms) {
  std::unique_lock lock(mutex_);
  const int64_t began = NowMs();
  while (true) {
    ARROW_RETURN_NOT_OK(stop.Check());
    std::vector<ServerLoad> loads;
    for (const std::string& server : servers) loads.push_back(loads_[server]);
    if (const auto chosen = ChooseServer(loads, counts ? running_max_ : 0, NowMs())) {
      ServerLoad& load = loads_[servers[*chosen]];
      load.turn = ++turn_;
      if (counts) ++load.running;
      return std::make_unique<Place>(shared_from_this(), servers[*chosen], counts);
    }
    if (NowMs() - began > wait_max_ms) {
      return MakeError(ErrorKind::kRetry,
                       fmt::format("{} had {} queries of calve's running for {} s, and no place for another",
                                   fmt::join(servers, ", "), running_max_, wait_max_ms / 1000),
                       "Look at what runs there, or allow more with queries_per_server.");
    }
    freed_.wait_for(lock, kLookForStop);
  }
}

bool ServerPool::IsPassedOver(const std::string& server) {
  std::lock_guard lock(mutex_);
  return loads_[server].passed_over_until_ms > NowMs();
}

void ServerPool::Note(const std::string& server, bool worked) {
  std::lock_guard lock(mutex_);
  ServerLoad& load = loads_[server];
  load.failures = worked ? 0 : load.failures + 1;
  load.passed_over_until_ms = worked ? 0 : NowMs() + PassOverMs(load.failures);
}

void ServerPool::GiveBack(const std::string& server) {
  {
    std::lock_guard lock(mutex_);
    --loads_[server].running;
  }
  freed_.notify_all();
}

}  // namespace calve::source
