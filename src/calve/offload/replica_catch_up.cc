#include "calve/offload/replica_catch_up.h"

#include <fmt/format.h>

#include <algorithm>

namespace calve::offload {

std::string ReplicaCatchUp::Look(const ReplicaView& view) {
  if (view.is_session_expired) return "it has lost its session with ZooKeeper";
  if (view.is_readonly) return "it is read-only: it has no connection with ZooKeeper, or is being restored";
  if (!log_index_) log_index_ = view.log_max_index;
  if (view.log_pointer <= *log_index_) {
    const bool ambiguous = view.log_pointer == 0 && *log_index_ == 0;
    if (!ambiguous) {
      return fmt::format("{} entries of its table's log are not yet in its queue", *log_index_ - view.log_pointer + 1);
    }
    if (!view.log_is_empty) return "it is not known whether its table's log is empty";
    if (!*view.log_is_empty) return "the first entry of its table's log is not yet in its queue";
  }
  if (!last_to_come_) {
    const auto last = std::max_element(view.rows_to_come.begin(), view.rows_to_come.end());
    last_to_come_ = last == view.rows_to_come.end() ? "" : *last;
  }
  const auto lacks = std::count_if(view.rows_to_come.begin(), view.rows_to_come.end(),
                                   [&](const std::string& name) { return name <= *last_to_come_; });
  return lacks == 0 ? "" : fmt::format("{} parts that were inserted elsewhere are still to be fetched", lacks);
}

}  // namespace calve::offload
