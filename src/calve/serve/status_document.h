// What is known, as the API's JSON (page/openapi.json). Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "calve/serve/event_hub.h"
#include "calve/serve/server_state.h"

namespace calve::serve {

using Json = nlohmann::ordered_json;

// One word for how a table is, the most urgent first: running, paused, put-aside, failed, held-up (what it comes after
// failed), overdue, late, fresh; empty: nothing was offloaded yet; unknown: nobody has looked yet.
std::string_view ConditionOf(const TableNow& table, int64_t interval_micros, TimestampMicros now);

// When a watermark that stays where it is makes the table late, and overdue: as the alerts do (docs/metrics.md), 15 and
// 20 minutes after what the buffer explains, or 1 and 4/3 intervals of the schedule if that is longer.
struct LateAt {
  TimestampMicros late = 0, overdue = 0;
};
LateAt LateAtOf(TimestampMicros watermark, int64_t delay_micros, int64_t interval_micros);

Json ErrorDocument(const Status& status);
Json TableDocument(const TableNow& table, int64_t interval_micros, TimestampMicros now);
Json SnapshotsDocument(const TableNow& table);
Json CycleDocument(const PastCycle& cycle);
// Without tables and cycles.
Json ServerDocument(const ServerNow& server, bool takes_actions, TimestampMicros now);
// All of it.
Json StatusDocument(const ServerNow& server, bool takes_actions, TimestampMicros now);
// Of what runs at present.
Json ProgressDocument(const ServerNow& server, TimestampMicros now);

// What to tell those who listen of these changes.
std::vector<ServerEvent> EventsOf(const StateChanges& changes, const ServerNow& server, bool takes_actions,
                                  TimestampMicros now);

// Text that is not UTF-8 (a value of somebody's data in a message) is replaced, never thrown at.
std::string DumpJson(const Json& json);

}  // namespace calve::serve
