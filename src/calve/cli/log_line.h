// An event as the log has it: a line of text for people, or one JSON object. Pure.
#pragma once

#include <string>
#include <string_view>

#include "calve/base/event.h"

namespace calve::cli {

struct TextLineOptions {
  bool show_time = false;
  bool show_fields = false;  // all of them, behind the message
  bool color = false;
};

// With its line end. What belongs to it stands below, indented: the remedy, and what a configuration's error lists.
std::string TextLine(const Event& event, TimestampMicros now, const TextLineOptions& options);
// {"time", "level", "event", "message", then the fields}, with its line end.
std::string JsonLine(const Event& event, TimestampMicros now);

// The tables of docs/logs.md: "| `name` | level | `field`, … | meaning |", a line each.
std::string EventsMarkdown();
std::string FieldsMarkdown();

}  // namespace calve::cli
