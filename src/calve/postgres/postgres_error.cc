#include "calve/postgres/postgres_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace calve::postgres {
namespace {

constexpr const char* kPasswordRemedy =
    "Check the user, and the password in CALVE_STATE_PASSWORD, --state-password-file, PGPASSWORD or PGPASSFILE; the "
    "server's pg_hba.conf decides who may come from where.";

struct Meaning {
  std::string_view state;  // or the class: its first two characters
  ErrorKind kind;
  const char* remedy;
};

// The first that fits decides.
constexpr Meaning kMeanings[] = {
    {"28", ErrorKind::kConfig, kPasswordRemedy},
    {"3D000", ErrorKind::kConfig, "Make the database with CREATE DATABASE, or name another one in the URI."},
    {"3F000", ErrorKind::kConfig, "Make the schema that the search_path names, or name another one."},
    {kInsufficientPrivilege, ErrorKind::kConfig, "Grant the right to the user that the URI names (docs/journal.md)."},
    {"25006", ErrorKind::kConfig, "Name the primary, or add target_session_attrs=read-write to the URI."},
    {kUndefinedTable, ErrorKind::kNotFound, ""},
    {"42", ErrorKind::kConfig, "Compare the table with the one in docs/journal.md."},
    {kUniqueViolation, ErrorKind::kAlreadyExists, ""},
    {"53100", ErrorKind::kFailed, "Free space on the server's file system."},
    {"53", ErrorKind::kRetry, "The server is at its limits: try again."},
    {"08", ErrorKind::kRetry, "Try again."},
    {"40", ErrorKind::kRetry, "Try again."},
    {"55P03", ErrorKind::kRetry, "Another session holds the row or the table locked: try again."},
    {"57014", ErrorKind::kRetry, "Another session holds a lock, or the server is very busy: try again."},
    {"57P", ErrorKind::kRetry, "The server is stopping or starting: try again."},
};

bool IsState(std::string_view text) {
  return text.size() == 5 &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) || (c >= 'A' && c <= 'Z'); });
}

// One line, without the lines that tell where in the server's source code an error was raised.
std::string OneLine(const std::string& text) {
  std::string line, out;
  auto take = [&] {
    size_t begin = line.find_first_not_of(" \t");
    if (begin != std::string::npos && !line.substr(begin).starts_with("LOCATION:")) {
      if (!out.empty()) out += begin > 0 ? " " : "; ";
      out += line.substr(begin);
    }
    line.clear();
  };
  for (char c : text) {
    if (c == '\n') {
      take();
    } else {
      line += c;
    }
  }
  take();
  return out;
}

// Errors of libpq's own have no SQLSTATE; these will not go away by themselves.
bool IsConfigText(std::string_view text) {
  for (std::string_view part : {"certificate", "private key", "invalid ", "does not support SSL", "SSL error"}) {
    if (text.find(part) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

Status ErrorOf(std::string_view state, std::string_view message, std::string_view database) {
  std::string text = fmt::format("{}: {}", database, OneLine(std::string(message)));
  if (state.empty()) return MakeError(ErrorKind::kRetry, text, "Check that the server runs and can be reached.");
  text += fmt::format(" (SQLSTATE {})", state);
  for (const Meaning& meaning : kMeanings) {
    if (state.starts_with(meaning.state)) return MakeError(meaning.kind, text, meaning.remedy);
  }
  return MakeError(ErrorKind::kFailed, text);
}

Status ConnectError(std::string text, bool needs_password, std::string_view database) {
  text = OneLine(text);
  // "… failed: FATAL:  28P01: password authentication failed …"; of several hosts, the last one's.
  std::string state;
  for (size_t at = text.find(":  "); at != std::string::npos; at = text.find(":  ", at + 1)) {
    std::string_view code = std::string_view(text).substr(at + 3, 5);
    if (!IsState(code) || text.compare(at + 8, 2, ": ") != 0) continue;
    state = code;
    text.erase(at + 2, 8);  // leaves ": "
  }
  if (needs_password) return MakeError(ErrorKind::kConfig, fmt::format("{}: {}", database, text), kPasswordRemedy);
  if (state.empty() && IsConfigText(text)) {
    return MakeError(ErrorKind::kConfig, fmt::format("{}: {}", database, text),
                     "Check sslmode, sslrootcert, sslcert and sslkey in the URI.");
  }
  return ErrorOf(state, text, database);
}

std::string Scrub(std::string text, std::string_view secret) {
  if (secret.empty()) return text;
  std::string encoded;
  for (unsigned char c : secret) {
    bool plain = std::isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
    encoded += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  for (std::string_view word : {secret, std::string_view(encoded)}) {
    for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += 3) text.replace(at, word.size(), "***");
  }
  return text;
}

}  // namespace calve::postgres
