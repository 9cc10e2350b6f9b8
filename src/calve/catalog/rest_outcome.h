// What an answer of a REST catalog means: pure, and strict about changes. What is not proven to be undone is unknown.
//
//   status                              a read                 a change
//   2xx                                 kDone                  kDone
//   401, 419                            kNewToken              kNewToken (refused before anything was done)
//   429                                 kAgain                 kAgain (refused for its number)
//   other 4xx that HTTP or Iceberg know kRefused               kRefused
//   408, other 4xx                      kAgain (408), kRefused kUnknown: gateways have codes of their own
//   5xx                                 kAgain                 kUnknown, also 503 with Retry-After: "the request could
//                                                              have been partially processed"
//   3xx                                 kRefused               kRefused (calve follows no redirect)
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"
#include "calve/http/http_client.h"

namespace calve::catalog {

enum class RestVerdict {
  kDone,
  kNewToken,  // once more with a new token
  kAgain,     // nothing was done: once more after a while
  kUnknown,   // it may have been done
  kRefused,   // nothing was done, and another try would be refused as well
};

RestVerdict JudgeRestAnswer(int status, bool is_change);

// The error for an answer that is not 2xx; `what` tells of the request ("commit to cold.trades"). Kinds: kConflict
// (409, or any 4xx with CommitFailedException), kNotFound (404 of a catalog), kConfig (401, 403, 404 of who is no
// catalog, 3xx), kUnsupported (405, 406), kRetry (kAgain), kUnknownOutcome (kUnknown), kFailed. What the server says is
// quoted up to a length, without control characters.
Status RestAnswerError(const http::HttpResponse& response, bool is_change, std::string_view what,
                       std::string_view origin);

// An error of the connection. A read may simply be tried again; so may a change of which nothing went out.
Status RestConnectionError(const Status& error, bool is_change, bool nothing_was_sent, std::string_view what);

}  // namespace calve::catalog
