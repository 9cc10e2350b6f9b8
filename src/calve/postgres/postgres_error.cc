#include "calve/postgres/postgres_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace calve::postgres {
namespace {

// {0} is where the password may stand, {1} the page about the tables.
constexpr std::string_view kPasswordRemedy =
    "Check the user, and the password in {0}; the server's pg_hba.conf decides who may come from where.";

struct Meaning {
  std::string_view state;  // or the class: its first two characters
  ErrorKind kind;
  std::string_view remedy;
};

// The first that fits decides.
constexpr Meaning kMeanings[] = {
    {"28", ErrorKind::kConfig, kPasswordRemedy},
    {"3D000", ErrorKind::kConfig, "Make the database with CREATE DATABASE, or name another one in the URI."},
    {"3F000", ErrorKind::kConfig, "Make the schema that the search_path names, or name another one."},
    {kInsufficientPrivilege, ErrorKind::kConfig, "Grant the right to the user that the URI names ({1})."},
    {"22001", ErrorKind::kConfig, "Choose a shorter name, or widen the column with ALTER TABLE."},
    {"22021", ErrorKind::kConfig, "Names are written in UTF-8."},
    {"25006", ErrorKind::kConfig, "Name the primary, or add target_session_attrs=read-write to the URI."},
    {kUndefinedTable, ErrorKind::kNotFound, ""},
    {"42", ErrorKind::kConfig, "Compare the table with the one in {1}."},
    {kUniqueViolation, ErrorKind::kAlreadyExists, ""},
    {"53100", ErrorKind::kFailed, "Free space on the server's file system."},
    {"53", ErrorKind::kRetry, "The server is at its limits: try again."},
    {"08", ErrorKind::kRetry, "Try again."},
    {"40", ErrorKind::kRetry, "Try again."},
    {"55P03", ErrorKind::kRetry, "Another session holds the row or the table locked: try again."},
    {"57014", ErrorKind::kRetry, "Another session holds a lock, or the server is very busy: try again."},
    {"57P", ErrorKind::kRetry, "The server is stopping or starting: try again."},
};

std::string Remedy(std::string_view text, const Purpose& purpose) {
  return fmt::format(fmt::runtime(text), purpose.password_places, purpose.page);
}

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

// What TLS stumbled over, by libpq's own words or the server's; the first that fits decides. None of it goes away by
// itself.
struct TlsMeaning {
  std::string_view text;
  std::string_view remedy;
};
constexpr std::string_view kClientRemedy =
    "Name a certificate that the server's authority signed, and that has not expired, and its key in the URI: "
    "sslcert=/path/client.pem&sslkey=/path/client.key; it is issued to the user that the URI names.";
constexpr TlsMeaning kTlsMeanings[] = {
    {"does not match host name",
     "Name the host in the URI as the certificate does, or have the server given a certificate for this name."},
    {"requires a valid client certificate", kClientRemedy},
    {"certificate authentication failed", kClientRemedy},
    {"alert", kClientRemedy},
    {"does not support SSL",
     "Turn ssl on in the server's configuration; sslmode=disable sends everything in the clear."},
    {"root certificate file",
     "Name the file of the authority that signed the server's certificate: sslrootcert=/path/ca.pem."},
    {"private key", "Check sslkey in the URI: PEM, readable by nobody but its owner (chmod 600)."},
    {"certificate", "Check sslmode, sslrootcert, sslcert and sslkey in the URI."},
    {"SSL error", "Check sslmode, sslrootcert, sslcert and sslkey in the URI."},
    {"invalid ", "Check the parameters behind the '?' of the URI."},
};

const TlsMeaning* TlsMeaningOf(std::string_view text) {
  for (const TlsMeaning& meaning : kTlsMeanings) {
    if (text.find(meaning.text) != std::string_view::npos) return &meaning;
  }
  return nullptr;
}

}  // namespace

Status ErrorOf(std::string_view state, std::string_view message, std::string_view database, const Purpose& purpose) {
  std::string text = fmt::format("{}: {}", database, OneLine(std::string(message)));
  if (state.empty()) return MakeError(ErrorKind::kRetry, text, "Check that the server runs and can be reached.");
  text += fmt::format(" (SQLSTATE {})", state);
  for (const Meaning& meaning : kMeanings) {
    if (state.starts_with(meaning.state)) return MakeError(meaning.kind, text, Remedy(meaning.remedy, purpose));
  }
  return MakeError(ErrorKind::kFailed, text);
}

Status ConnectError(std::string text, bool needs_password, std::string_view database, const Purpose& purpose) {
  text = OneLine(text);
  // "… failed: FATAL:  28P01: password authentication failed …"; of several hosts, the last one's.
  std::string state;
  for (size_t at = text.find(":  "); at != std::string::npos; at = text.find(":  ", at + 1)) {
    std::string_view code = std::string_view(text).substr(at + 3, 5);
    if (!IsState(code) || text.compare(at + 8, 2, ": ") != 0) continue;
    state = code;
    text.erase(at + 2, 8);  // leaves ": "
  }
  if (needs_password) {
    return MakeError(ErrorKind::kConfig, fmt::format("{}: {}", database, text), Remedy(kPasswordRemedy, purpose));
  }
  const TlsMeaning* tls = state.empty() || state.starts_with("28") ? TlsMeaningOf(text) : nullptr;
  if (tls && (state.empty() || tls->remedy == kClientRemedy)) {
    return MakeError(ErrorKind::kConfig, fmt::format("{}: {}", database, text), std::string(tls->remedy));
  }
  return ErrorOf(state, text, database, purpose);
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
