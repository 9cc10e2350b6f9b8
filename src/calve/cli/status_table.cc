#include "calve/cli/status_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "calve/cli/columns.h"
#include "calve/cli/progress_line.h"

namespace calve::cli {
namespace {

constexpr size_t kGap = 2, kTableMin = 8;
constexpr int64_t kRunsAtMost = kMicrosPerDay;  // a run that says that it runs for longer is dead

enum Column { kTable, kLayer, kWatermark, kLag, kRows, kFiles, kBytes, kSnapshots, kLastRun, kState, kColumns };
constexpr std::array<const char*, kColumns> kHeads = {"TABLE", "LAYER", "WATERMARK", "LAG",      "ROWS",
                                                      "FILES", "BYTES", "SNAPSHOTS", "LAST RUN", "STATE"};
bool IsNumber(int column) { return column >= kLag && column <= kSnapshots; }

enum class WatermarkForm { kMicros, kSeconds, kMinutes };

// What is shown, and how.
struct Form {
  WatermarkForm watermark = WatermarkForm::kMinutes;
  bool short_run = true;
  std::array<bool, kColumns> shown{};
};

// What is added as long as there is room, the most important first.
std::vector<std::function<void(Form&)>> AdditionsOf(bool has_layers) {
  std::vector<std::function<void(Form&)>> additions;
  for (const Column column : {kWatermark, kLastRun, kRows, kLayer, kFiles, kBytes, kSnapshots}) {
    if (column == kLayer && !has_layers) continue;
    additions.emplace_back([column](Form& form) { form.shown[column] = true; });
  }
  additions.emplace_back([](Form& form) { form.watermark = WatermarkForm::kSeconds; });
  additions.emplace_back([](Form& form) { form.short_run = false; });
  additions.emplace_back([](Form& form) { form.watermark = WatermarkForm::kMicros; });
  return additions;
}

std::string WatermarkText(TimestampMicros time, WatermarkForm form) {
  const std::string full = FormatTimestamp(time);
  switch (form) {
    case WatermarkForm::kMicros:
      return full;
    case WatermarkForm::kSeconds:
      return full.substr(0, 19) + "Z";
    case WatermarkForm::kMinutes:
      break;
  }
  return full.substr(5, 5) + " " + full.substr(11, 5) + "Z";
}

std::string AgeText(double seconds) {
  if (seconds < 60) return fmt::format("{:.0f} s", std::max(0.0, seconds));
  if (seconds < 3600) return fmt::format("{:.0f} min", seconds / 60);
  return seconds < 172'800 ? fmt::format("{:.0f} h", seconds / 3600) : fmt::format("{:.0f} d", seconds / 86'400);
}

double SecondsBetween(TimestampMicros from, TimestampMicros to) { return static_cast<double>(to - from) / 1e6; }

using Cells = std::array<std::string, kColumns>;

Cells CellsOf(const TableStatus& s, TimestampMicros now, const Form& form) {
  const auto count = [](const std::string& text) {
    return text.empty() ? std::string("?") : HumanCount(std::atoll(text.c_str()));
  };
  Cells cells;
  cells[kTable] = Neutralised(s.table);
  cells[kLayer] = s.layer.empty() ? "-" : Neutralised(s.layer);
  cells[kWatermark] = s.watermark ? WatermarkText(s.watermark->stamp.window_to, form.watermark) : "-";
  cells[kLag] = s.watermark ? HumanSeconds(SecondsBetween(s.watermark->stamp.window_to, now)) : "-";
  cells[kRows] = count(s.rows);
  cells[kFiles] = count(s.files);
  cells[kBytes] = s.bytes.empty() ? "?" : HumanBytes(std::atoll(s.bytes.c_str()));
  cells[kSnapshots] = std::to_string(s.snapshots);
  cells[kLastRun] = "-";
  if (s.last_run) {
    const std::string& run = s.last_run->status;
    cells[kLastRun] = form.short_run ? fmt::format("{} {} ago", run == "success" ? "ok" : run,
                                                   AgeText(SecondsBetween(s.last_run->started_at, now)))
                                     : run + " " + WatermarkText(s.last_run->started_at, WatermarkForm::kSeconds);
  }
  cells[kState] = FreshnessName(FreshnessOf(s, now));
  if (s.paused_since) cells[kLastRun] += ", paused";
  if (s.failures > 0 && FreshnessOf(s, now) == TableFreshness::kFailed)
    cells[kState] += fmt::format(" {}x", s.failures);
  return cells;
}

int ColorOf(TableFreshness freshness) {
  switch (freshness) {
    case TableFreshness::kFresh:
      return 32;
    case TableFreshness::kRunning:
      return 36;
    case TableFreshness::kBehind:
      return 33;
    case TableFreshness::kEmpty:
      return 90;
    case TableFreshness::kStale:
    case TableFreshness::kFailed:
    case TableFreshness::kError:
      break;
  }
  return 31;
}

struct Widths {
  std::array<size_t, kColumns> of{};
  size_t total = 0;
};

Widths WidthsOf(const std::vector<Cells>& rows, const Form& form) {
  Widths widths;
  for (int column = 0; column < kColumns; ++column) {
    if (!form.shown[static_cast<size_t>(column)]) continue;
    size_t& width = widths.of[static_cast<size_t>(column)];
    for (const Cells& cells : rows) width = std::max(width, DisplayWidth(cells[static_cast<size_t>(column)]));
    widths.total += width + (column > 0 ? kGap : 0);
  }
  return widths;
}

// `color`: of the state; 0: none.
std::string LineOf(const Cells& cells, const Form& form, const Widths& widths, int color) {
  std::string line;
  for (int column = 0; column < kColumns; ++column) {
    const auto at = static_cast<size_t>(column);
    if (!form.shown[at]) continue;
    if (column > 0) line += std::string(kGap, ' ');
    if (column == kState) {
      const std::string state = Fitted(cells[at], widths.of[at]);
      line += color != 0 ? fmt::format("\x1b[{}m{}\x1b[0m", color, state) : state;
    } else {
      line += Padded(cells[at], widths.of[at], IsNumber(column));
    }
  }
  return line;
}

Json NumberOrNull(const std::string& text) {
  int64_t value = 0;
  return std::sscanf(text.c_str(), "%ld", &value) == 1 ? Json(value) : Json(nullptr);
}

}  // namespace

TableFreshness FreshnessOf(const TableStatus& s, TimestampMicros now) {
  if (!s.error.ok()) return TableFreshness::kError;
  if (s.failures > 0 || (s.last_run && s.last_run->status == "failed")) return TableFreshness::kFailed;
  if (s.last_run && s.last_run->status == "running" && now - s.last_run->started_at < kRunsAtMost) {
    return TableFreshness::kRunning;
  }
  if (!s.watermark) return TableFreshness::kEmpty;
  const int64_t beyond = now - s.watermark->stamp.window_to - s.delay_micros;
  if (beyond > std::max(20 * 60 * kMicrosPerSecond, s.interval_micros / 3 * 4)) return TableFreshness::kStale;
  return beyond > std::max(15 * 60 * kMicrosPerSecond, s.interval_micros) ? TableFreshness::kBehind
                                                                          : TableFreshness::kFresh;
}

std::string_view FreshnessName(TableFreshness freshness) {
  switch (freshness) {
    case TableFreshness::kFresh:
      return "fresh";
    case TableFreshness::kRunning:
      return "running";
    case TableFreshness::kBehind:
      return "behind";
    case TableFreshness::kStale:
      return "stale";
    case TableFreshness::kFailed:
      return "failed";
    case TableFreshness::kError:
      return "error";
    case TableFreshness::kEmpty:
      break;
  }
  return "empty";
}

Json StatusJson(const TableStatus& s, TimestampMicros now) {
  Json json;
  json["table"] = s.table;
  json["watermark"] = s.watermark ? Json(FormatTimestamp(s.watermark->stamp.window_to)) : Json(nullptr);
  json["lag_seconds"] = s.watermark ? Json(SecondsBetween(s.watermark->stamp.window_to, now)) : Json(nullptr);
  json["source"] = s.watermark ? Json(offload::SourceTableOf(s.watermark->stamp.source)) : Json(nullptr);
  json["snapshot_id"] = s.snapshot_id ? Json(*s.snapshot_id) : Json(nullptr);
  json["snapshots"] = s.snapshots;
  json["rows"] = NumberOrNull(s.rows);
  json["files"] = NumberOrNull(s.files);
  json["bytes"] = NumberOrNull(s.bytes);
  json["paused_since"] = TimeOrNull(s.paused_since);
  json["last_run"] = nullptr;
  if (s.last_run) {
    const journal::RunRecord& r = *s.last_run;
    json["last_run"] = {{"run_id", r.run_id},
                        {"status", r.status},
                        {"started_at", FormatTimestamp(r.started_at)},
                        {"finished_at", r.finished_at ? Json(FormatTimestamp(*r.finished_at)) : Json(nullptr)},
                        {"rows", r.rows},
                        {"error", r.error}};
  }
  if (!s.error.ok()) json["error"] = {{"message", MessageOf(s.error)}, {"remedy", RemedyOf(s.error)}};
  return json;
}

std::vector<std::string> StatusLines(const std::vector<TableStatus>& tables, TimestampMicros now,
                                     const StatusTableOptions& options) {
  const bool has_layers = std::ranges::any_of(tables, [](const TableStatus& s) { return !s.layer.empty(); });
  const auto rows_of = [&](const Form& form) {
    std::vector<Cells> rows(1);
    std::ranges::copy(kHeads, rows[0].begin());
    for (const TableStatus& s : tables) rows.push_back(CellsOf(s, now, form));
    return rows;
  };
  // Long names are cut before much else is left out.
  const auto fits = [&](const Form& form) {
    if (!options.width) return true;
    const Widths widths = WidthsOf(rows_of(form), form);
    const size_t cut = widths.of[kTable] - std::min(widths.of[kTable], std::max(kTableMin, *options.width * 2 / 5));
    return widths.total - cut <= *options.width;
  };
  Form form;
  for (const Column column : {kTable, kLag, kState}) form.shown[column] = true;
  for (const auto& add : AdditionsOf(has_layers)) {
    Form more = form;
    add(more);
    if (fits(more)) form = more;
  }
  const std::vector<Cells> rows = rows_of(form);
  Widths widths = WidthsOf(rows, form);
  if (options.width && widths.total > *options.width) {
    const size_t excess = widths.total - *options.width;
    widths.of[kTable] -= std::min(excess, widths.of[kTable] - std::min(widths.of[kTable], kTableMin));
  }
  std::vector<std::string> lines;
  for (size_t i = 0; i < rows.size(); ++i) {
    const int color = options.color && i > 0 ? ColorOf(FreshnessOf(tables[i - 1], now)) : 0;
    lines.push_back(LineOf(rows[i], form, widths, color));
    if (i == 0 && options.color) lines.back() = fmt::format("\x1b[1m{}\x1b[0m", lines.back());
  }
  return lines;
}

}  // namespace calve::cli
