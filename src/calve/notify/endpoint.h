// Where notifications go: one POST, bounded in time, and what its answer means.
#pragma once

#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/base/time.h"

namespace calve::notify {

enum class EndpointKind { kWebhook, kAlertmanager };

struct EndpointOptions {
  std::string name;  // in the configuration; for messages
  EndpointKind kind = EndpointKind::kWebhook;
  std::string url, url_file;                            // one of them; a file is read with each notification
  std::vector<std::string> headers;                     // "Name: value"
  std::string headers_file, ca_file;                    // may be empty
  int64_t timeout_ms = 10'000;                          // without a byte
  int64_t hold_micros = 24 * 3'600 * kMicrosPerSecond;  // of an alert that a command leaves behind
};

// kConfig, without a word of the URL, unless it can be posted to.
Status CheckNotifyUrl(const std::string& url);

// kRetry: nobody answers, or is too busy. kConfig: it was refused, or a file cannot be read. Messages show who was
// asked, and nothing that could be a secret.
Status Post(const EndpointOptions& endpoint, const std::string& body, const StopToken& stop);

}  // namespace calve::notify
