#include "calve/serve/metric_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace calve::serve {
namespace {

using prometheus::MetricType;
using ::testing::HasSubstr;

MetricSet Few() {
  return MetricSet({{"rows_total", MetricType::Counter, "Rows."},
                    {"lag", MetricType::Gauge, "Lag."},
                    {"seconds", MetricType::Histogram, "Time.", {1, 5}}});
}

TEST(MetricSet, CountsSetsAndObserves) {
  MetricSet set = Few();
  set.Add("rows_total", {{"table", "a"}}, 3);
  set.Add("rows_total", {{"table", "a"}}, 4);
  set.Set("lag", {}, 2.5);
  set.Set("lag", {}, 1.5);
  for (const double seconds : {0.5, 1.0, 3.0, 60.0}) set.Observe("seconds", {{"table", "a"}}, seconds);
  const std::string text = MetricsText(set.families());
  EXPECT_THAT(text, HasSubstr("# TYPE rows_total counter\nrows_total{table=\"a\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("\nlag 1.5\n"));
  EXPECT_THAT(text, HasSubstr("seconds_count{table=\"a\"} 4\nseconds_sum{table=\"a\"} 64.5\n"));
  EXPECT_THAT(text, HasSubstr("seconds_bucket{table=\"a\",le=\"1\"} 2\nseconds_bucket{table=\"a\",le=\"5\"} 3\n"
                              "seconds_bucket{table=\"a\",le=\"+Inf\"} 4\n"));
}

TEST(MetricSet, GoesOnFromItsText) {
  MetricSet first = Few();
  const std::string odd = "a \"quoted\\\" name\nof two lines, {le=\"1\"}";
  first.Add("rows_total", {{"table", odd}}, 1e15);
  first.Observe("seconds", {{"table", odd}}, 3);
  const auto families = ParseMetricsText(MetricsText(first.families())).ValueOrDie();
  MetricSet second = Few();
  second.Restore(families);
  second.Add("rows_total", {{"table", odd}}, 1);
  second.Observe("seconds", {{"table", odd}}, 0.5);
  EXPECT_EQ(second.Get("rows_total", {{"table", odd}}), 1e15 + 1);
  const auto& histogram = second.families()[2].metric.at(0).histogram;
  EXPECT_EQ(histogram.sample_count, 2u);
  EXPECT_EQ(histogram.bucket.at(0).cumulative_count, 1u);
  EXPECT_EQ(histogram.bucket.at(1).cumulative_count, 2u);
  EXPECT_EQ(histogram.bucket.at(2).cumulative_count, 2u);
}

TEST(MetricSet, RestoresOnlyWhatItKnows) {
  MetricSet set = Few();
  set.Restore(ParseMetricsText("# TYPE other counter\nother 7\n"
                               "# TYPE lag counter\nlag 7\n"  // it was of another kind
                               "# TYPE seconds histogram\nseconds_bucket{le=\"2\"} 1\nseconds_bucket{le=\"+Inf\"} 1\n"
                               "seconds_sum 1\nseconds_count 1\n")
                  .ValueOrDie());
  EXPECT_FALSE(set.Has("lag", {}));
  EXPECT_TRUE(set.families()[2].metric.empty()) << "other buckets cannot be gone on with";
}

TEST(MetricSet, ForgetsTablesThatAreGone) {
  MetricSet set = Few();
  set.Set("lag", {{"table", "a"}}, 1);
  set.Set("lag", {{"table", "b"}}, 1);
  set.Set("lag", {}, 1);
  set.Keep("table", {"b", "c"});
  EXPECT_FALSE(set.Has("lag", {{"table", "a"}}));
  EXPECT_TRUE(set.Has("lag", {{"table", "b"}}));
  EXPECT_TRUE(set.Has("lag", {}));
}

TEST(ParseMetricsText, NamesTheLineThatItDoesNotUnderstand) {
  for (const char* bad : {"rows_total", "rows_total{table=\"a} 1", "rows_total{table=\"a\"}", "rows_total x",
                          "other_total 1", "rows_total{table 1", "{} 1"}) {
    const auto parsed = ParseMetricsText("# TYPE rows_total counter\n" + std::string(bad) + "\n");
    EXPECT_EQ(KindOf(parsed.status()), ErrorKind::kCorrupt) << bad;
    EXPECT_THAT(MessageOf(parsed.status()), HasSubstr("line 2")) << bad;
  }
  EXPECT_EQ(KindOf(ParseMetricsText("rows_total 1\n").status()), ErrorKind::kCorrupt);
  EXPECT_TRUE(ParseMetricsText("")->empty());
}

}  // namespace
}  // namespace calve::serve
