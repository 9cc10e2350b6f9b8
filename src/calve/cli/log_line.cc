#include "calve/cli/log_line.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <variant>

#include "calve/cli/columns.h"

namespace calve::cli {
namespace {

using LogJson = nlohmann::ordered_json;

// As logfmt: quoted where it has blanks.
std::string FieldText(const Event::Value& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{:.6g}", *number);
  std::string text = Neutralised(std::get<std::string>(value));
  return text.find_first_of(" \"=") == std::string::npos
             ? text
             : LogJson(text).dump(-1, ' ', false, LogJson::error_handler_t::replace);
}

// Findings of a configuration stand on lines of their own; in all else a line end is somebody else's.
std::string MessageText(const Event& event) {
  const bool lists = event.TextOf(EventField::kErrorKind) == ErrorKindName(ErrorKind::kConfig);
  std::string text;
  for (const char c : Neutralised(event.message(), lists)) {
    text += c;
    if (c == '\n') text += "  ";
  }
  return text;
}

}  // namespace

std::string TextLine(const Event& event, TimestampMicros now, const TextLineOptions& options) {
  std::string line;
  if (options.show_time) line += FormatTimestamp(now).substr(0, 19) + "Z ";
  line += "calve: ";
  if (event.level() >= EventLevel::kWarning) {
    const bool is_error = event.level() == EventLevel::kError;
    const char* word = is_error ? "error:" : "warning:";
    line += options.color ? fmt::format("\x1b[1;{}m{}\x1b[0m ", is_error ? 31 : 33, word) : fmt::format("{} ", word);
  }
  line += MessageText(event);
  if (options.show_fields) {
    for (const auto& [field, value] : event.fields()) {
      if (field != EventField::kRemedy) line += fmt::format("  {}={}", FieldName(field), FieldText(value));
    }
  }
  line += '\n';
  if (const std::string remedy = event.TextOf(EventField::kRemedy); !remedy.empty()) {
    line += fmt::format("  remedy: {}\n", Neutralised(remedy));
  }
  return line;
}

std::string JsonLine(const Event& event, TimestampMicros now) {
  LogJson line = {{"time", FormatTimestamp(now)},
                  {"level", EventLevelName(event.level())},
                  {"event", event.name()},
                  {"message", Neutralised(event.message(), /*keeps_lines=*/true)}};
  for (const auto& [field, value] : event.fields()) {
    const std::string name(FieldName(field));
    if (const auto* text = std::get_if<std::string>(&value)) {
      line[name] = Neutralised(*text, /*keeps_lines=*/true);
    } else if (const auto* number = std::get_if<int64_t>(&value)) {
      line[name] = *number;
    } else {
      line[name] = std::get<double>(value);
    }
  }
  return line.dump(-1, ' ', false, LogJson::error_handler_t::replace) + "\n";
}

std::string EventsMarkdown() {
  std::string out;
  for (const EventDescription& event : EventDescriptions()) {
    std::string fields;
    for (const EventField field : event.fields) {
      fields += fmt::format("{}`{}`", fields.empty() ? "" : ", ", FieldName(field));
    }
    out += fmt::format("| `{}` | {} | {} | {} |\n", event.name, EventLevelName(event.level), fields, event.meaning);
  }
  return out;
}

std::string FieldsMarkdown() {
  std::string out;
  for (const FieldDescription& field : FieldDescriptions())
    out += fmt::format("| `{}` | {} |\n", field.name, field.meaning);
  return out;
}

}  // namespace calve::cli
