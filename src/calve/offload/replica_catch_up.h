// Whether a replica of a Replicated table has fetched all that its table's log told of when one began to look. Pure.
//
// The log in ZooKeeper names every insert that was acknowledged, by whichever replica. A replica takes its entries into
// a queue of its own, and an insert's entry leaves that queue when its part is here (or one that holds it). So: once
// the replica has taken everything up to the entry that was the last one at the first look, and once all entries that
// bring rows and were then in its queue have left it, it has every row that was inserted anywhere before the first
// look.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace calve::offload {

// As system.replicas and, asked after it, system.replication_queue show it.
struct ReplicaView {
  bool is_readonly = false, is_session_expired = false;
  int64_t log_max_index = 0;              // of the last entry of the log; 0 also where it has none
  int64_t log_pointer = 0;                // of the first entry not yet taken
  std::optional<bool> log_is_empty;       // where both are 0: known from elsewhere
  std::vector<std::string> rows_to_come;  // queue-0000000017: entries that bring rows, by the order of their names
};

class ReplicaCatchUp {
 public:
  // Empty: it has all. Else what it lacks, for people.
  std::string Look(const ReplicaView& view);

 private:
  std::optional<int64_t> log_index_;         // the last one at the first look
  std::optional<std::string> last_to_come_;  // the last of the queue when all up to that was taken; empty: none
};

}  // namespace calve::offload
