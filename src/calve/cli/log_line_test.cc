#include "calve/cli/log_line.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "calve/cli/columns.h"

namespace calve::cli {
namespace {

constexpr TimestampMicros kLogNow = 1'723'161'600'123'456;  // 2024-08-09T00:00:00.123456Z

std::string LogsPage() {
  std::ifstream in(std::string(CALVE_TEST_DATA) + "/../../docs/logs.md");
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

// The rows of the table under a heading, a line each.
std::string RowsUnder(const std::string& page, const std::string& heading) {
  const size_t begin = page.find("| --- |", page.find(heading));
  const size_t first = page.find('\n', begin) + 1;
  return page.substr(first, page.find("\n\n", first) + 1 - first);
}

TEST(LogLine, TextIsASentenceForPeople) {
  Event event(EventKind::kTableDone, "silver_trades: 2,300 rows");
  event.Set(EventField::kRows, 2300).Set(EventField::kTable, "silver_trades").Set(EventField::kReason, "two words");
  EXPECT_EQ(TextLine(event, kLogNow, {}), "calve: silver_trades: 2,300 rows\n");
  EXPECT_EQ(TextLine(event, kLogNow, {.show_time = true}), "2024-08-09T00:00:00Z calve: silver_trades: 2,300 rows\n");
  EXPECT_EQ(TextLine(event, kLogNow, {.show_fields = true}),
            "calve: silver_trades: 2,300 rows  rows=2300  table=silver_trades  reason=\"two words\"\n");
  const Event error = Event::Of(EventKind::kError, MakeError(ErrorKind::kRetry, "gone", "wait"));
  EXPECT_EQ(TextLine(error, kLogNow, {}), "calve: error: gone\n  remedy: wait\n");
  EXPECT_EQ(TextLine(error, kLogNow, {.color = true}), "calve: \x1b[1;31merror:\x1b[0m gone\n  remedy: wait\n");
}

TEST(LogLine, JsonHasTheFields) {
  Event event(EventKind::kTableDone, "done");
  event.Set(EventField::kRows, 2300).Set(EventField::kDurationSeconds, 0.5).SetTime(EventField::kWindowTo, kLogNow);
  EXPECT_EQ(JsonLine(event, kLogNow),
            R"({"time":"2024-08-09T00:00:00.123456Z","level":"info","event":"table_done","message":"done","rows":2300,)"
            R"("duration_seconds":0.5,"window_to":"2024-08-09T00:00:00.123456Z"})"
            "\n");
}

// Whatever a server says, one event is one line, and no byte of it steers a terminal.
TEST(LogLine, OddInputStaysOneLine) {
  const std::string odd =
      "a\nb\r\x1b[2Jc\x07\x7f\xc2\x9b"
      "d\xff\xfe\xe2\x80\xaex\xc3(" +
      std::string(1, '\0');
  for (const EventKind kind : {EventKind::kNote, EventKind::kError}) {
    const Event event = Event::Of(kind, MakeError(ErrorKind::kFailed, odd, odd));
    const std::string text = TextLine(event, kLogNow, {.show_fields = true});
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;  // it, and its remedy
    EXPECT_NE(text.find("a\\nb\\r\\x1b[2Jc\\x07\\x7f\\x9bd\xEF\xBF\xBD\xEF\xBF\xBD\\u202ex\xEF\xBF\xBD(\\x00"),
              std::string::npos)
        << text;
    const std::string json = JsonLine(event, kLogNow);
    EXPECT_EQ(json.find('\n'), json.size() - 1);
    EXPECT_TRUE(std::none_of(json.begin(), json.end() - 1, [](unsigned char c) { return c < 0x20 || c == 0x7f; }));
    EXPECT_EQ(json.find("\xc2\x9b"), std::string::npos);
    EXPECT_NE(nlohmann::json::parse(json)["message"].get<std::string>().find("a\nb"), std::string::npos);
  }
}

// What is wrong with a configuration is a list; none of its lines can be taken for an event.
TEST(LogLine, FindingsStandBelowEachOther) {
  const Event event = Event::Of(EventKind::kError, MakeError(ErrorKind::kConfig, "a.yaml:1:1: x\ncalve: y", "mend"));
  EXPECT_EQ(TextLine(event, kLogNow, {}), "calve: error: a.yaml:1:1: x\n  calve: y\n  remedy: mend\n");
  EXPECT_EQ(JsonLine(event, kLogNow).find('\n'), JsonLine(event, kLogNow).size() - 1);
}

TEST(LogLine, ThePageTellsOfEveryEventAndFieldAndOfNoOther) {
  const std::string page = LogsPage();
  EXPECT_EQ(RowsUnder(page, "\n## Events\n"), EventsMarkdown());
  EXPECT_EQ(RowsUnder(page, "\n## Fields\n"), FieldsMarkdown());
}

TEST(Columns, WidthsAreThoseOfATerminal) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("größe"), 5u);
  EXPECT_EQ(DisplayWidth("取引"), 4u);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1u);  // e and a combining accent
  EXPECT_EQ(Fitted("abcdef", 6), "abcdef");
  EXPECT_EQ(Fitted("abcdef", 4), "abc…");
  EXPECT_EQ(Fitted("取引取引", 6), "取引…");
  EXPECT_EQ(Fitted("abc", 0), "");
  EXPECT_EQ(Padded("取", 4), "取  ");
  EXPECT_EQ(Padded("12", 4, /*right_aligned=*/true), "  12");
  EXPECT_EQ(DisplayWidth(Padded("取引取引", 6)), 6u);
}

}  // namespace
}  // namespace calve::cli
