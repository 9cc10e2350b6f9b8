// The values of a program's metrics: counters, gauges and histograms by name and labels, as Prometheus knows them, and
// their text. Pure values; not thread-safe.
#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "calve/base/error.h"

namespace calve::serve {

using MetricFamilies = std::vector<prometheus::MetricFamily>;
using Labels = std::vector<std::pair<std::string, std::string>>;  // name, value; always in the same order

// What is known of a metric before it has a value.
struct MetricDescription {
  std::string name;
  prometheus::MetricType type = prometheus::MetricType::Gauge;
  std::string help;
  std::vector<double> buckets = {};  // upper bounds of a histogram, ascending
};

class MetricSet {
 public:
  explicit MetricSet(std::vector<MetricDescription> descriptions);

  // Of a counter or a gauge; made where it is not there yet. The name must have been described.
  void Add(std::string_view name, const Labels& labels, double value);
  void Set(std::string_view name, const Labels& labels, double value);
  void Observe(std::string_view name, const Labels& labels, double value);  // of a histogram
  // 0 where there is none.
  double Get(std::string_view name, const Labels& labels) const;
  bool Has(std::string_view name, const Labels& labels) const;
  // Takes away what has a label of that name with another value than these.
  void Keep(const std::string& label, const std::vector<std::string>& values);
  // Takes over values of an earlier process: of described metrics alone, and of histograms with the same buckets.
  void Restore(const MetricFamilies& earlier);

  // All that were described, also those without a value.
  const MetricFamilies& families() const { return families_; }

 private:
  size_t IndexOf(std::string_view name) const;
  prometheus::ClientMetric& At(std::string_view name, const Labels& labels);
  const prometheus::ClientMetric* Find(std::string_view name, const Labels& labels) const;

  const std::vector<MetricDescription> descriptions_;
  MetricFamilies families_;  // in the same order
};

// Prometheus' text format 0.0.4.
std::string MetricsText(const MetricFamilies& families);
// Takes what MetricsText writes; kCorrupt with the line that it does not understand.
Result<MetricFamilies> ParseMetricsText(std::string_view text);

}  // namespace calve::serve
