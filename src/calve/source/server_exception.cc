#include "calve/source/server_exception.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace calve::source {
namespace {

constexpr std::string_view kCode = "Code: ";
constexpr std::string_view kMarker = "__exception__";
constexpr size_t kMessageMax = 4096;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Bytes that an exception's text consists of: anything but control characters other than tab and line ends.
bool IsText(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || c == '\n' || c == '\r' || c == '\t';
}

// "Code: 395, e.displayText() = DB::" or "Code: 395. DB::"; 0 where there is no such thing at `text`'s beginning.
struct Head {
  int code = 0;
  size_t length = 0;  // up to and with the class name and its colon
};

std::optional<Head> ParseHead(std::string_view text) {
  if (!text.starts_with(kCode)) return std::nullopt;
  Head head;
  const char* begin = text.data() + kCode.size();
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), head.code);
  if (error != std::errc() || end == begin) return std::nullopt;
  std::string_view rest = text.substr(end - text.data());
  for (std::string_view joint : {", e.displayText() = ", ". "}) {
    if (!rest.starts_with(joint)) continue;
    const std::string_view name = rest.substr(joint.size(), 80);
    // The class: DB::Exception, DB::NetException, Coordination::Exception, Poco::…
    const size_t colon = name.find(": ");
    if (colon == std::string_view::npos || name.substr(0, colon).find("Exception") == std::string_view::npos) continue;
    head.length = (end - text.data()) + joint.size() + colon + 2;
    return head;
  }
  return std::nullopt;
}

std::string CleanMessage(std::string_view text) {
  for (std::string_view stop : {"Stack trace", ", e.what() = ", "\n__exception__", "\r\n__exception__"}) {
    if (const size_t at = text.find(stop); at != std::string_view::npos) text = text.substr(0, at);
  }
  bool cut = text.size() > kMessageMax;
  if (cut) {
    text = text.substr(0, kMessageMax);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.remove_suffix(1);
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xC0) text.remove_suffix(1);
  }
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    const bool space = !IsText(c) || c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!space) {
      out.push_back(c);
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == ',')) out.pop_back();
  if (cut) out += " …";
  return out;
}

struct CodeMeaning {
  int code;
  ErrorKind kind;
  const char* remedy;
};

constexpr auto kMeanings = std::to_array<CodeMeaning>({
    {8, ErrorKind::kConfig, "Check the configured columns against the source table."},    // THERE_IS_NO_COLUMN
    {16, ErrorKind::kConfig, "Check the configured columns against the source table."},   // NO_SUCH_COLUMN_IN_TABLE
    {43, ErrorKind::kConfig, "Check the column expressions of the configuration."},       // ILLEGAL_TYPE_OF_ARGUMENT
    {46, ErrorKind::kConfig, "Check the column expressions of the configuration."},       // UNKNOWN_FUNCTION
    {47, ErrorKind::kConfig, "Check the configured columns against the source table."},   // UNKNOWN_IDENTIFIER
    {60, ErrorKind::kConfig, "Check the source table's name and database."},              // UNKNOWN_TABLE
    {62, ErrorKind::kConfig, "Check the column expressions of the configuration."},       // SYNTAX_ERROR
    {81, ErrorKind::kConfig, "Check the database in the source's URL and table names."},  // UNKNOWN_DATABASE
    {115, ErrorKind::kConfig, "This server does not know the setting: remove it."},       // UNKNOWN_SETTING
    {158, ErrorKind::kFailed,
     "Raise max_rows_to_read of the source's user, or offload smaller windows."},  // TOO_MANY_ROWS
    {159, ErrorKind::kFailed, "Raise max_execution_time for this source, or offload smaller windows."},
    {160, ErrorKind::kFailed,
     "Take min_execution_speed (or max_estimated_execution_time) out of the user's profile."},  // TOO_SLOW
    {164, ErrorKind::kConfig,
     "The user's profile is read-only: use readonly=2 for what reads, no readonly for what writes."},  // READONLY
    {192, ErrorKind::kConfig, "Check the source's user name."},                                        // UNKNOWN_USER
    {193, ErrorKind::kConfig, "Check the source's password."},                                         // WRONG_PASSWORD
    {194, ErrorKind::kConfig, "Give the source's password."},                             // REQUIRED_PASSWORD
    {195, ErrorKind::kConfig, "The server does not admit this user from this address."},  // IP_ADDRESS_NOT_ALLOWED
    {201, ErrorKind::kFailed,
     "Raise the quota of the source's user, or wait for its next interval."},  // QUOTA_EXCEEDED
    {202, ErrorKind::kRetry,
     "The server runs as many queries as it may; try again later."},  // TOO_MANY_SIMULTANEOUS_QUERIES
    {209, ErrorKind::kRetry, ""},                                     // SOCKET_TIMEOUT
    {210, ErrorKind::kRetry, ""},                                     // NETWORK_ERROR
    {241, ErrorKind::kFailed, "Raise max_memory_usage for this source's user, or offload smaller windows."},
    {242, ErrorKind::kFailed,
     "The replica has lost its ZooKeeper or Keeper: see system.replicas."},  // TABLE_IS_READ_ONLY
    {279, ErrorKind::kRetry,
     "A shard of the cluster does not answer: see system.clusters."},  // ALL_CONNECTION_TRIES_FAILED
    {291, ErrorKind::kConfig,
     "Let the source's user into the database (allow_databases in users.xml)."},  // DATABASE_ACCESS_DENIED
    {307, ErrorKind::kFailed,
     "Raise max_bytes_to_read of the source's user, or offload smaller windows."},  // TOO_MANY_BYTES
    {369, ErrorKind::kRetry,
     "Every replica of a shard lags behind: see absolute_delay in system.replicas."},  // ALL_REPLICAS_ARE_STALE
    {394, ErrorKind::kFailed, "Somebody ended the query: run again."},                 // QUERY_WAS_CANCELLED
    {396, ErrorKind::kFailed,
     "Raise max_result_rows and max_result_bytes of the source's user."},  // TOO_MANY_ROWS_OR_BYTES
    {439, ErrorKind::kRetry, ""},                                          // CANNOT_SCHEDULE_TASK
    {452, ErrorKind::kConfig,
     "The user's profile does not allow this setting: remove it."},  // SETTING_CONSTRAINT_VIOLATION
    {497, ErrorKind::kConfig,
     "Grant it to the source's user; docs/clickhouse-rights.md lists what each command needs."},  // ACCESS_DENIED
    {516, ErrorKind::kConfig, "Check the source's user name and password."},  // AUTHENTICATION_FAILED
    {745, ErrorKind::kRetry, "The server is overloaded; try again later."},   // SERVER_OVERLOADED
});

const CodeMeaning* MeaningOf(int code) {
  const auto* found =
      std::find_if(kMeanings.begin(), kMeanings.end(), [&](const CodeMeaning& m) { return m.code == code; });
  return found == kMeanings.end() ? nullptr : found;
}

std::optional<ServerException> ParseAt(std::string_view text) {
  const std::optional<Head> head = ParseHead(text);
  if (!head) return std::nullopt;
  ServerException exception;
  exception.code = head->code;
  exception.message = CleanMessage(text.substr(head->length));
  exception.kind = KindOfServerError(head->code);
  if (const CodeMeaning* meaning = MeaningOf(head->code)) exception.remedy = meaning->remedy;
  return exception;
}

// "std::exception. Code: 1001, type: std::bad_alloc, e.what() = …", "Poco::Exception. Code: 1000, e.code() = 111, …".
std::optional<ServerException> ParseForeign(std::string_view before, std::string_view text) {
  if (!before.ends_with("std::exception. ") && !before.ends_with("Poco::Exception. ")) return std::nullopt;
  ServerException exception;
  const char* begin = text.data() + kCode.size();
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), exception.code);
  if (error != std::errc() || end == begin) return std::nullopt;
  text.remove_prefix(end - text.data());
  while (text.starts_with(',') || text.starts_with(' ')) text.remove_prefix(1);
  constexpr std::string_view kWhat = "e.what() = ";
  if (const size_t what = text.find(kWhat); what != std::string_view::npos) text.remove_prefix(what + kWhat.size());
  exception.message = CleanMessage(text);
  return exception;
}

// The text inside a frame that ends `body`; nothing where there is none.
std::optional<std::string_view> FramedText(std::string_view body, std::string_view tag) {
  const std::string end = fmt::format(" {}\r\n{}\r\n", tag, kMarker);
  if (!body.ends_with(end)) return std::nullopt;
  body.remove_suffix(end.size());
  size_t digits = 0;
  while (digits < body.size() && digits < 10 && IsDigit(body[body.size() - 1 - digits])) ++digits;
  if (digits == 0) return std::nullopt;
  body.remove_suffix(digits);
  const std::string begin = fmt::format("{}\r\n{}\r\n", kMarker, tag);
  const size_t at = body.rfind(begin);
  return at == std::string_view::npos ? body : body.substr(at + begin.size());
}

}  // namespace

Status ServerException::ToStatus() const {
  return MakeError(kind, fmt::format("ClickHouse: Code {}: {}", code, message), remedy);
}

ErrorKind KindOfServerError(int code) {
  const CodeMeaning* meaning = MeaningOf(code);
  return meaning == nullptr ? ErrorKind::kFailed : meaning->kind;
}

std::optional<ServerException> ParseServerException(std::string_view text) {
  for (size_t at = text.find(kCode); at != std::string_view::npos; at = text.find(kCode, at + 1)) {
    if (auto exception = ParseAt(text.substr(at))) return exception;
    if (auto exception = ParseForeign(text.substr(0, at), text.substr(at))) return exception;
  }
  return std::nullopt;
}

std::optional<ServerException> ExceptionAtEnd(std::string_view tail, std::string_view tag) {
  if (!tag.empty()) {
    const std::optional<std::string_view> framed = FramedText(tail, tag);
    return framed ? ParseServerException(*framed) : std::nullopt;
  }
  if (tail.empty() || tail.back() != '\n') return std::nullopt;
  size_t begin = tail.size();
  while (begin > 0 && IsText(tail[begin - 1])) --begin;
  return ParseServerException(tail.substr(begin));
}

std::optional<ServerException> ExceptionAtStart(std::string_view text, std::string_view tag) {
  while (text.starts_with('\r') || text.starts_with('\n')) text.remove_prefix(1);
  if (text.starts_with(kMarker)) {
    text.remove_prefix(kMarker.size());
    while (text.starts_with('\r') || text.starts_with('\n')) text.remove_prefix(1);
    if (!tag.empty() && text.starts_with(tag)) text.remove_prefix(tag.size());
    return ParseServerException(text.substr(0, kMessageMax));
  }
  return ParseAt(text);
}

}  // namespace calve::source
