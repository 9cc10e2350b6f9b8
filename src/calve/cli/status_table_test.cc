#include "calve/cli/status_table.h"

#include <gtest/gtest.h>

#include "calve/cli/columns.h"

namespace calve::cli {
namespace {

constexpr TimestampMicros kStatusNow = 1'723'161'600'000'000;  // 2024-08-09T00:00:00Z
constexpr int64_t kStatusMinute = 60 * kMicrosPerSecond;

TableStatus StatusOf(const std::string& table, const std::string& layer, std::optional<int64_t> minutes) {
  TableStatus status;
  status.table = table;
  status.layer = layer;
  status.rows = "3820509", status.files = "12", status.bytes = "41234567", status.snapshots = 7;
  if (!minutes) return status;
  status.watermark.emplace();
  status.watermark->stamp.window_to = kStatusNow - *minutes * kStatusMinute;
  status.last_run.emplace();
  status.last_run->status = "success";
  status.last_run->started_at = kStatusNow - *minutes * kStatusMinute + 5 * kStatusMinute;
  return status;
}

std::vector<TableStatus> SomeTables() {
  std::vector<TableStatus> tables = {StatusOf("cold.bronze_trades_binance", "bronze", 6),
                                     StatusOf("cold.取引", "silver", 21), StatusOf("cold.gold_ohlcv_1m", "gold", 300),
                                     StatusOf("cold.new", "gold", std::nullopt)};
  tables[2].failures = 3;
  return tables;
}

std::string StatusText(std::optional<size_t> width) {
  std::string text;
  for (const std::string& line : StatusLines(SomeTables(), kStatusNow, {width})) text += line + "\n";
  return text;
}

TEST(StatusTable, AsWideAsItGets) {
  EXPECT_EQ(
      StatusText(std::nullopt),
      R"(TABLE                       LAYER   WATERMARK                            LAG       ROWS  FILES    BYTES  SNAPSHOTS  LAST RUN                      STATE
cold.bronze_trades_binance  bronze  2024-08-08T23:54:00.000000Z   6 min 00 s  3,820,509     12  41.2 MB          7  success 2024-08-08T23:59:00Z  fresh
cold.取引                   silver  2024-08-08T23:39:00.000000Z  21 min 00 s  3,820,509     12  41.2 MB          7  success 2024-08-08T23:44:00Z  behind
cold.gold_ohlcv_1m          gold    2024-08-08T19:00:00.000000Z   5 h 00 min  3,820,509     12  41.2 MB          7  success 2024-08-08T19:05:00Z  failed 3x
cold.new                    gold    -                                      -  3,820,509     12  41.2 MB          7  -                             empty
)");
}

TEST(StatusTable, FitsEveryWidth) {
  EXPECT_EQ(StatusText(100),
            R"(TABLE                       LAYER   WATERMARK             LAG       ROWS  LAST RUN       STATE
cold.bronze_trades_binance  bronze  08-08 23:54Z   6 min 00 s  3,820,509  ok 1 min ago   fresh
cold.取引                   silver  08-08 23:39Z  21 min 00 s  3,820,509  ok 16 min ago  behind
cold.gold_ohlcv_1m          gold    08-08 19:00Z   5 h 00 min  3,820,509  ok 5 h ago     failed 3x
cold.new                    gold    -                       -  3,820,509  -              empty
)");
  EXPECT_EQ(StatusText(80),
            R"(TABLE                       WATERMARK             LAG  LAST RUN       STATE
cold.bronze_trades_binance  08-08 23:54Z   6 min 00 s  ok 1 min ago   fresh
cold.取引                   08-08 23:39Z  21 min 00 s  ok 16 min ago  behind
cold.gold_ohlcv_1m          08-08 19:00Z   5 h 00 min  ok 5 h ago     failed 3x
cold.new                    -                       -  -              empty
)");
  EXPECT_EQ(StatusText(40),
            R"(TABLE                     LAG  STATE
cold.bronze_tra…   6 min 00 s  fresh
cold.取引         21 min 00 s  behind
cold.gold_ohlcv…   5 h 00 min  failed 3x
cold.new                    -  empty
)");
  for (size_t width = 40; width <= 200; ++width) {
    for (const std::string& line : StatusLines(SomeTables(), kStatusNow, {width})) {
      EXPECT_LE(DisplayWidth(line), width) << width << "\n" << StatusText(width);
    }
  }
}

TEST(StatusTable, ColorsHaveAWord) {
  const auto plain = StatusLines(SomeTables(), kStatusNow, {80});
  const auto colored = StatusLines(SomeTables(), kStatusNow, {80, true});
  EXPECT_EQ(plain[1].find('\x1b'), std::string::npos);
  EXPECT_NE(colored[1].find("\x1b[32mfresh\x1b[0m"), std::string::npos) << colored[1];
  EXPECT_NE(colored[2].find("\x1b[33mbehind\x1b[0m"), std::string::npos);
  EXPECT_NE(colored[3].find("\x1b[31mfailed 3x\x1b[0m"), std::string::npos);
}

TEST(StatusTable, FreshnessIsThatOfTheAlerts) {
  auto of = [](int64_t minutes) { return FreshnessOf(StatusOf("t", "", minutes), kStatusNow); };
  EXPECT_EQ(of(20), TableFreshness::kFresh);
  EXPECT_EQ(of(21), TableFreshness::kBehind);
  EXPECT_EQ(of(25), TableFreshness::kBehind);
  EXPECT_EQ(of(26), TableFreshness::kStale);
  TableStatus hourly = StatusOf("t", "", 61);
  hourly.interval_micros = 60 * kStatusMinute;
  EXPECT_EQ(FreshnessOf(hourly, kStatusNow), TableFreshness::kFresh);
  EXPECT_EQ(FreshnessOf(StatusOf("t", "", std::nullopt), kStatusNow), TableFreshness::kEmpty);
  TableStatus running = StatusOf("t", "", 6);
  running.last_run->status = "running";
  EXPECT_EQ(FreshnessOf(running, kStatusNow), TableFreshness::kRunning);
  running.last_run->started_at = kStatusNow - 2 * kMicrosPerDay;
  EXPECT_EQ(FreshnessOf(running, kStatusNow), TableFreshness::kFresh) << "that run died";
  running.error = Status::IOError("x");
  EXPECT_EQ(FreshnessOf(running, kStatusNow), TableFreshness::kError);
}

TEST(StatusTable, ANameCannotSteerTheTerminal) {
  const auto lines = StatusLines({StatusOf("cold.\x1b[2J\n", "", 6)}, kStatusNow, {80});
  EXPECT_EQ(lines[1].find('\x1b'), std::string::npos);
  EXPECT_EQ(lines[1].find('\n'), std::string::npos);
}

}  // namespace
}  // namespace calve::cli
