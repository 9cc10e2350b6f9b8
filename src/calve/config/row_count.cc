#include "calve/config/row_count.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

namespace calve::config {
namespace {

constexpr std::array<std::pair<std::string_view, int64_t>, 4> kRowUnits = {
    {{"B", 1'000'000'000}, {"M", 1'000'000}, {"K", 1'000}, {"", 1}}};

}  // namespace

Result<int64_t> ParseRows(std::string_view text) {
  int64_t number = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed == std::errc() && number >= 0) {
    std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
    if (rest.ends_with("rows")) rest.remove_suffix(4);
    while (rest.ends_with(' ')) rest.remove_suffix(1);
    for (const auto& [name, size] : kRowUnits) {
      int64_t rows = 0;
      if (rest == name && !__builtin_mul_overflow(number, size, &rows)) return rows;
    }
  }
  return MakeError(ErrorKind::kConfig, fmt::format("'{}' is not a number of rows", text), "Write it as 50M or 500000.");
}

std::string FormatRows(int64_t rows) {
  for (const auto& [name, size] : kRowUnits) {
    if (rows != 0 && rows % size == 0) return fmt::format("{}{}", rows / size, name);
  }
  return "0";
}

}  // namespace calve::config
