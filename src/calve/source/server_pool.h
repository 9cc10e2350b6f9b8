// The servers of a cluster as this process uses them: how many queries run on each, which failed lately.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calve/base/error.h"
#include "calve/base/stop.h"
#include "calve/source/replica_choice.h"

namespace calve::source {

// Thread-safe.
class ServerPool : public std::enable_shared_from_this<ServerPool> {
 public:
  // A query's place on a server; given back when it is destroyed.
  class Place {
   public:
    Place(std::shared_ptr<ServerPool> pool, std::string server, bool counts);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    const std::string& server() const { return server_; }
    void Worked() { pool_->Note(server_, true); }
    void Failed() { pool_->Note(server_, false); }

   private:
    const std::shared_ptr<ServerPool> pool_;
    const std::string server_;
    const bool counts_;
  };

  // At most so many queries for rows run on a server at once.
  explicit ServerPool(int running_max) : running_max_(running_max) {}

  // One of the servers, chosen by ChooseServer; for a query for rows (`counts`) it is waited for. kStopped; kRetry
  // where no place became free for `wait_max_ms`.
  Result<std::unique_ptr<Place>> Take(const std::vector<std::string>& servers, bool counts, const StopToken& stop,
                                      int64_t wait_max_ms);
  // It failed a moment ago.
  bool IsPassedOver(const std::string& server);

 private:
  void Note(const std::string& server, bool worked);
  void GiveBack(const std::string& server);

  const int running_max_;
  std::mutex mutex_;
  std::condition_variable freed_;
  // protected by mutex_
  std::map<std::string, ServerLoad> loads_;
  int64_t turn_ = 0;
};

}  // namespace calve::source
