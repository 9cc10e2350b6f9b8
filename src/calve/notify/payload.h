// What is sent, as text: docs/notifications.md documents it. Pure.
#pragma once

#include <string>
#include <vector>

#include "calve/notify/problem.h"

namespace calve::notify {

// Who tells it.
struct Sender {
  std::string host, config;  // the configuration's file
};

// The webhook's JSON object, version 1.
std::string WebhookBody(const Notice& notice, const Sender& sender);

// Alertmanager's POST /api/v2/alerts: all that holds until `ends_at` unless it is sent again, and what is over.
std::string AlertmanagerBody(const std::vector<Problem>& problems, TimestampMicros ends_at,
                             const std::vector<Notice>& over, const Sender& sender);

}  // namespace calve::notify
