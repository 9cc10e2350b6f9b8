#include "calve/catalog/rest_outcome.h"

#include <fmt/format.h>

#include "calve/catalog/rest_wire.h"
#include "calve/iceberg/utf8.h"

namespace calve::catalog {
namespace {

constexpr size_t kQuotedBytesMax = 300;
constexpr const char* kCommitFailed = "CommitFailedException";

// Codes by which HTTP or Iceberg say that the request was refused as it came in.
bool IsProvenRefusal(int status) {
  return (status >= 400 && status <= 417 && status != 408) || status == 421 || status == 422 || status == 424 ||
         status == 426 || status == 428 || status == 431 || status == 451;
}

std::string Quoted(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size() && out.size() < kQuotedBytesMax;) {
    const iceberg::CodePoint point = iceberg::FirstCodePoint(text.substr(at));
    const size_t bytes = point.bytes > 0 ? static_cast<size_t>(point.bytes) : 1;
    if (point.bytes == 0) {
      out += '?';
    } else if (point.value < 0x20 || point.value == 0x7f) {
      out += ' ';
    } else {
      out += text.substr(at, bytes);
    }
    at += bytes;
    if (out.size() >= kQuotedBytesMax && at < text.size()) out += " …";
  }
  return out;
}

// "403 ForbiddenException: no right", "502", "404 Not Found: <html>…"
std::string Said(int status, const std::optional<RestError>& error, const std::string& body) {
  std::string text = std::to_string(status);
  if (!error) return body.empty() ? text : fmt::format("{}: {}", text, Quoted(body));
  if (!error->type.empty()) text += " " + Quoted(error->type);
  if (!error->message.empty()) text += ": " + Quoted(error->message);
  return text;
}

struct Meaning {
  ErrorKind kind;
  std::string remedy;
};

Meaning MeaningOfRefusal(int status, const std::optional<RestError>& error, std::string_view origin) {
  if (status == 409 || (status < 500 && error && error->type == kCommitFailed)) return {ErrorKind::kConflict, ""};
  if (status == 404 && error) return {ErrorKind::kNotFound, ""};
  if (status == 404 || status / 100 == 3) {
    return {ErrorKind::kConfig,
            fmt::format("What answers at {} is no Iceberg REST catalog: check its URL, which goes up to, and without, "
                        "/v1.",
                        origin)};
  }
  if (status == 401 || status == 419) {
    return {ErrorKind::kConfig,
            "Check who calve is to the catalog: CALVE_CATALOG_CREDENTIAL (id:secret) or CALVE_CATALOG_TOKEN, or their "
            "files (credential_file, token_file)."};
  }
  if (status == 403) return {ErrorKind::kConfig, "Grant this right to calve's principal in the catalog."};
  if (status == 405 || status == 406) return {ErrorKind::kUnsupported, "The catalog does not offer this."};
  return {ErrorKind::kFailed, ""};
}

}  // namespace

RestVerdict JudgeRestAnswer(int status, bool is_change) {
  if (status / 100 == 2) return RestVerdict::kDone;
  if (status == 401 || status == 419) return RestVerdict::kNewToken;
  if (status == 429) return RestVerdict::kAgain;
  if (IsProvenRefusal(status) || status / 100 == 3) return RestVerdict::kRefused;
  if (is_change) return RestVerdict::kUnknown;
  return status == 408 || status / 100 == 5 ? RestVerdict::kAgain : RestVerdict::kRefused;
}

Status RestAnswerError(const http::HttpResponse& response, bool is_change, std::string_view what,
                       std::string_view origin) {
  const auto error = ParseRestError(response.body);
  const std::string message =
      fmt::format("{}: {} answered {}", what, origin, Said(response.status, error, response.body));
  switch (JudgeRestAnswer(response.status, is_change)) {
    case RestVerdict::kUnknown:
      return MakeError(ErrorKind::kUnknownOutcome, message);
    case RestVerdict::kAgain:
      return MakeError(ErrorKind::kRetry, message,
                       response.status == 429 ? "The catalog limits requests: run again later, or raise its limit."
                                              : "See what the catalog's own log says.");
    default:
      const Meaning meaning = MeaningOfRefusal(response.status, error, origin);
      return MakeError(meaning.kind, message, meaning.remedy);
  }
}

Status RestConnectionError(const Status& error, bool is_change, bool nothing_was_sent, std::string_view what) {
  const Status named = WithContext(error, what);
  if (!is_change || nothing_was_sent) return named;
  return WithKind(named, ErrorKind::kUnknownOutcome, RemedyOf(error));
}

}  // namespace calve::catalog
