#include "calve/cli/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "calve/cli/columns.h"

namespace calve::cli {
namespace {

constexpr size_t kBarMin = 6, kBarMax = 30;

// "[####......] ", of what room there is; empty where there is too little.
std::string BarText(double share, size_t room) {
  if (room < kBarMin + 3) return "";
  const size_t cells = std::min(room - 3, kBarMax);
  const auto full = static_cast<size_t>(share * static_cast<double>(cells));
  return "[" + std::string(full, '#') + std::string(cells - full, '.') + "] ";
}

// Parts that are there, two blanks between them.
std::string JoinedParts(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) {
    if (!part.empty()) out += (out.empty() ? "" : "  ") + part;
  }
  return out;
}

}  // namespace

std::string HumanCount(int64_t count) {
  std::string digits = std::to_string(count);
  for (int at = static_cast<int>(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

std::string HumanBytes(int64_t bytes) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 999.95 && unit < 5) value /= 1000, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string HumanRate(double per_second) {
  if (per_second >= 1e6) return fmt::format("{:.2f} M", per_second / 1e6);
  if (per_second >= 1e4) return fmt::format("{:.0f} k", per_second / 1e3);
  return fmt::format("{:.0f}", per_second);
}

std::string HumanSeconds(double seconds) {
  if (seconds < 0.0005) return "0 ms";
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {} h", whole / 86'400, whole / 3600 % 24);
}

std::string ProgressLine(const Progress& p, size_t width) {
  if (p.phase == "planning") return Fitted(p.phase, width);
  const double per_second = p.seconds > 0 ? static_cast<double>(p.rows) / p.seconds : 0;
  const std::string count = fmt::format("{} {}", HumanCount(p.rows), p.unit);
  const std::string rate = fmt::format("{} {}/s", HumanRate(per_second), p.unit);
  const std::string bytes = JoinedParts({p.bytes_read > 0 ? HumanBytes(p.bytes_read) + " read" : "",
                                         p.bytes_written > 0 ? HumanBytes(p.bytes_written) + " written" : ""});
  const bool is_told = p.rows_expected > 0 && p.phase != "committing" && p.phase != "committed";
  if (!is_told) {
    const std::string head = fmt::format("{:<10} ", p.phase);
    for (const std::string& line : {JoinedParts({count, rate, bytes}), JoinedParts({count, rate}), count}) {
      if (DisplayWidth(head) + DisplayWidth(line) <= width) return head + line;
    }
    return Fitted(head + count, width);
  }
  const double share = std::min(1.0, static_cast<double>(p.rows) / static_cast<double>(p.rows_expected));
  const double seconds =
      static_cast<double>(std::max<int64_t>(0, p.rows_expected - p.rows)) / std::max(per_second, 1e-9);
  const std::string left = per_second > 0 ? HumanSeconds(seconds) + " left" : "";
  const std::string head = fmt::format("{:<8} {:>3.0f}% ", p.phase, share * 100);
  for (const std::string& numbers :
       {JoinedParts({count, rate, bytes, left}), JoinedParts({count, rate, left}), JoinedParts({rate, left}), left}) {
    const size_t taken = DisplayWidth(head) + DisplayWidth(numbers);
    if (taken + kBarMin + 3 <= width) return head + BarText(share, width - taken) + numbers;
  }
  return Fitted(head + left, width);
}

std::string ProgressLine(const std::string& table, const Progress& progress, size_t width) {
  if (table.empty()) return ProgressLine(progress, width);
  const size_t name = std::min<size_t>(24, width / 3);
  const std::string line = ProgressLine(progress, width - std::min(width, name + 1));
  return Fitted(Padded(Neutralised(table), name) + " " + line, width);
}

}  // namespace calve::cli
