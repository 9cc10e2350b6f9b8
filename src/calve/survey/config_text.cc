#include "calve/survey/config_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "calve/base/time.h"
#include "calve/config/key.h"
#include "calve/config/written.h"
#include "calve/config/yaml_text.h"

namespace calve::survey {
namespace {

using config::Json;

constexpr size_t kLineMax = 118;

std::string Value(const std::string& text) { return config::InYaml(config::WithDollarsDoubled(text)); }

std::string List(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + Value(text);
  return "[" + out + "]";
}

// Text of one line that no reader of YAML takes for more: control characters and the line ends of Unicode are blanks,
// bytes that are not UTF-8 question marks.
std::string OneLine(const std::string& text) {
  std::string out = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  out = Json::parse(out, nullptr, /*allow_exceptions=*/false).get<std::string>();
  std::string line;
  for (size_t i = 0; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned char>(out[i]);
    const bool is_c1 = byte == 0xc2 && static_cast<unsigned char>(out[i + 1]) < 0xa0;
    const bool is_special = out.compare(i, 2, "\xe2\x80") == 0 &&
                            (out.compare(i + 2, 1, "\xa8") == 0 || out.compare(i + 2, 1, "\xa9") == 0);
    const bool is_mark = out.compare(i, 3, "\xef\xbb\xbf") == 0 || out.compare(i, 3, "\xef\xbf\xbe") == 0 ||
                         out.compare(i, 3, "\xef\xbf\xbf") == 0;
    if (byte < 0x20 || byte == 0x7f || is_c1 || is_special || is_mark) {
      line += ' ';
      i += is_c1 ? 1 : is_special || is_mark ? 2 : 0;
    } else {
      line += out[i];
    }
  }
  return line;
}

// The keys of a top-level mapping that differ from their defaults, and those that are always said.
std::string Section(const std::string& name, const void* owner, const void* defaults,
                    const std::vector<std::string>& always) {
  const config::Mapping& mapping = *config::FileKeys().Find(name)->mapping;
  std::string out;
  for (const config::Key& key : mapping.keys) {
    if (!key.write) continue;
    const Json value = key.write(key, owner);
    const bool said = std::ranges::find(always, key.name) != always.end() || value != key.write(key, defaults);
    if (value.is_null() || !said) continue;
    out += fmt::format("  {}: ", key.name);
    if (value.is_object()) {
      std::string pairs;
      for (const auto& [setting, text] : value.items()) {
        pairs += fmt::format("{}{}: {}", pairs.empty() ? "" : ", ", config::InYaml(setting),
                             text.is_string() ? Value(text.get<std::string>()) : config::InYaml(text));
      }
      out += "{" + pairs + "}\n";
    } else {
      out += (value.is_string() ? Value(value.get<std::string>()) : config::InYaml(value)) + "\n";
    }
  }
  return name + ":\n" + out;
}

std::string Head(const DatabaseFacts& facts, const config::Config& config) {
  const config::Config defaults;
  const bool is_embedded = config.source.url.starts_with("chdb:");
  std::string out;
  out += Comment(fmt::format("Proposed by `calve init` for database {} of {}.", facts.database, facts.server), 0);
  out += Comment("Read the comments, above all those that say CHECK THIS, and change what is wrong. Then:", 0);
  out += "#   calve config FILE --check     is it right?\n";
  out += "#   calve config FILE             what it says, with every default and dependency written out\n\n";
  out += Section("source", &config.source, &defaults.source, {"url"});
  if (!is_embedded && config.source.password_file.empty()) {
    out += Comment("No password stands in this file: give it in the variable CALVE_SOURCE_PASSWORD, or in a file:", 2);
    out += "  # password_file: /run/secrets/clickhouse\n";
  }
  out += "\n" + Section("catalog", &config.catalog, &defaults.catalog, {"type", "warehouse"}) + "\n";
  if (config.state.url.empty()) {
    out += Comment("The journal is calve-journal.db in the warehouse unless it is named here:", 0);
    out += "# state: {url: \"postgresql://calve@127.0.0.1/platform\", password_file: /run/secrets/postgres}\n\n";
  } else {
    out += Section("state", &config.state, &defaults.state, {"url"}) + "\n";
  }
  const config::TableConfig table;
  out += fmt::format("schedule: {{every: {}, maintain_every: 1h}}\n\n", FormatDuration(config.schedule.every_micros));
  out += "defaults:\n";
  out += fmt::format("  buffer: {}     # the newest rows are left alone for so long: they may still arrive\n",
                     FormatDuration(table.buffer_micros));
  out += fmt::format("  lookback: {}   # so far behind the watermark rows are looked for that came late or changed\n",
                     FormatDuration(table.lookback_micros));
  return out + "\n";
}

// The key of a table, with the reason above it.
void Say(std::string& out, const std::string& why, const std::string& line) {
  if (!why.empty()) out += Comment(why + ".", 4);
  out += "    " + line + "\n";
}

void SayCursor(std::string& out, const TableProposal& table) {
  const CursorChoice& cursor = table.cursor;
  std::string why = cursor.why, keys = "timestamp: " + Value(cursor.timestamp);
  if (!cursor.sequence.empty()) {
    why += "; " + cursor.sequence_why;
    keys += ", sequence: " + Value(cursor.sequence);
  }
  if (table.span) {
    const std::string span = FormatDuration(table.span->micros);
    why += fmt::format(". A row stands for {} from its timestamp on, and is offloaded when that has passed: {}", span,
                       table.span->why);
    keys += ", covers: " + span;
  }
  Say(out, why, "cursor: {" + keys + "}");
}

void SayColumns(std::string& out, const std::vector<ColumnChoice>& columns) {
  if (columns.empty()) return;
  out += "    columns:\n";
  for (const ColumnChoice& choice : columns) {
    using Remedy = ColumnChoice::Remedy;
    std::string keys = "exclude: true";
    if (choice.remedy == Remedy::kExpression) keys = "expr: " + Value(choice.text);
    if (choice.remedy == Remedy::kType) keys = "type: " + Value(choice.text);
    out += Comment(choice.why + ".", 6);
    out += fmt::format("      {}: {{{}}}\n", config::InYaml(choice.column), keys);  // a key: its dollars are its own
  }
}

std::string TableText(const TableProposal& table) {
  std::string out = Comment(table.about, 2);
  out += "  - source: " + Value(table.source) + "\n";
  if (!table.name.empty()) out += "    name: " + Value(table.name) + "\n";
  Say(out, table.target_why, "target: " + Value(table.target));
  const OrderChoice& order = table.order;
  if (!order.layer.empty()) Say(out, order.layer_why, "layer: " + Value(order.layer));
  if (order.after) Say(out, order.after_why, "after: " + List(*order.after));
  if (table.cursor.timestamp.empty()) return out + "    cursor: {timestamp: COLUMN}\n";
  SayCursor(out, table);
  std::string why;
  for (const std::string& reason : table.partitions.why) why += (why.empty() ? "" : ". ") + reason;
  if (!table.partitions.terms.empty()) {
    Say(out, why, "partition_by: " + List(table.partitions.terms));
  } else {
    out += Comment(why + ".", 4);
  }
  if (table.identity.mode.empty()) {
    out += Comment(table.identity.mode_why + ".", 4);
  } else {
    Say(out, table.identity.mode_why, "mode: " + Value(table.identity.mode));
  }
  if (!table.identity.key.empty()) {
    Say(out, table.identity.key_why, "key: " + List(table.identity.key));
  } else if (!table.identity.key_why.empty()) {
    out += Comment(table.identity.key_why + ".", 4);
  }
  SayColumns(out, table.columns);
  for (const std::string& note : table.notes) out += Comment(note + ".", 4);
  return out;
}

// Each line behind a '#', as it would stand without it.
std::string CommentedOut(const std::string& yaml) {
  std::string out;
  for (size_t at = 0; at < yaml.size();) {
    const size_t end = yaml.find('\n', at);
    const std::string line = yaml.substr(at, end - at);
    const size_t blanks = std::min<size_t>(2, line.find_first_not_of(' '));
    out += line.substr(0, blanks) + (line.substr(blanks).starts_with('#') ? "" : "# ") + line.substr(blanks) + "\n";
    at = end + 1;
  }
  return out;
}

std::string LayerLine(const std::string& layer) {
  const std::string text = layer.empty() ? "tables that wait for no other" : layer;
  const size_t begun = text.size() + 8;
  return fmt::format("  # --- {} {}\n", text, std::string(begun < kLineMax ? kLineMax - begun : 0, '-'));
}

}  // namespace

std::string Comment(const std::string& text, size_t indent) {
  const std::string begin = std::string(indent, ' ') + "#";
  std::string out, line = begin;
  const std::string flat = OneLine(text);
  for (size_t at = 0; at < flat.size();) {
    const size_t end = std::min(flat.find(' ', at), flat.size());
    const std::string word = flat.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    if (line.size() + 1 + word.size() > kLineMax && line != begin) {
      out += line + "\n";
      line = begin;
    }
    line += " " + word;
  }
  return out + line + "\n";
}

std::string ConfigText(const Proposal& proposal, const DatabaseFacts& facts, const config::Config& config) {
  std::string out = Head(facts, config) + "tables:\n";
  const std::string* layer = nullptr;
  for (const TableProposal& table : proposal.tables) {
    if (!layer || *layer != table.order.layer) {
      const bool is_all = !layer && table.order.layer.empty() && proposal.tables.back().order.layer.empty();
      if (!is_all) out += LayerLine(table.order.layer);
    }
    layer = &table.order.layer;
    out += TableText(table) + "\n";
  }
  for (const TableProposal& table : proposal.without_cursor) {
    out += Comment(fmt::format("Not offloaded until it has a cursor: {}.", table.cursor.why), 2);
    out += CommentedOut(TableText(table)) + "\n";
  }
  if (proposal.left_out.empty()) return out;
  out += "# Left out:\n";
  for (const LeftOut& left : proposal.left_out) out += Comment(left.table + " - " + left.reason, 0);
  return out;
}

}  // namespace calve::survey
