#include "calve/serve/metric_set.h"

#include <fmt/format.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <stdexcept>

namespace calve::serve {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

namespace {

bool HasLabels(const ClientMetric& metric, const Labels& labels) {
  return std::ranges::equal(metric.label, labels, [](const ClientMetric::Label& own, const auto& wanted) {
    return own.name == wanted.first && own.value == wanted.second;
  });
}

// The last bucket is Prometheus' own: all there are.
ClientMetric::Histogram EmptyHistogram(const std::vector<double>& bounds) {
  ClientMetric::Histogram histogram;
  for (const double bound : bounds) histogram.bucket.push_back({0, bound});
  histogram.bucket.push_back({0, std::numeric_limits<double>::infinity()});
  return histogram;
}

bool HasBuckets(const ClientMetric::Histogram& histogram, const std::vector<double>& bounds) {
  return histogram.bucket.size() == bounds.size() + 1 &&
         std::equal(bounds.begin(), bounds.end(), histogram.bucket.begin(),
                    [](double bound, const ClientMetric::Bucket& bucket) { return bound == bucket.upper_bound; });
}

}  // namespace

MetricSet::MetricSet(std::vector<MetricDescription> descriptions) : descriptions_(std::move(descriptions)) {
  for (const MetricDescription& each : descriptions_) families_.push_back({each.name, each.help, each.type, {}});
}

size_t MetricSet::IndexOf(std::string_view name) const {
  const auto found = std::ranges::find(families_, name, &MetricFamily::name);
  if (found == families_.end()) throw std::out_of_range(fmt::format("no metric {}", name));  // a defect of the caller
  return static_cast<size_t>(found - families_.begin());
}

const ClientMetric* MetricSet::Find(std::string_view name, const Labels& labels) const {
  const auto& metrics = families_[IndexOf(name)].metric;
  const auto found = std::ranges::find_if(metrics, [&](const auto& metric) { return HasLabels(metric, labels); });
  return found == metrics.end() ? nullptr : &*found;
}

ClientMetric& MetricSet::At(std::string_view name, const Labels& labels) {
  if (const ClientMetric* found = Find(name, labels)) return *const_cast<ClientMetric*>(found);
  const size_t index = IndexOf(name);
  ClientMetric metric;
  for (const auto& [label, value] : labels) metric.label.push_back({label, value});
  if (families_[index].type == MetricType::Histogram) metric.histogram = EmptyHistogram(descriptions_[index].buckets);
  return families_[index].metric.emplace_back(std::move(metric));
}

void MetricSet::Add(std::string_view name, const Labels& labels, double value) {
  ClientMetric& metric = At(name, labels);
  metric.counter.value += value;
  metric.gauge.value += value;
}

void MetricSet::Set(std::string_view name, const Labels& labels, double value) {
  ClientMetric& metric = At(name, labels);
  metric.counter.value = metric.gauge.value = value;
}

void MetricSet::Observe(std::string_view name, const Labels& labels, double value) {
  ClientMetric::Histogram& histogram = At(name, labels).histogram;
  ++histogram.sample_count;
  histogram.sample_sum += value;
  for (auto& bucket : histogram.bucket) {
    if (value <= bucket.upper_bound) ++bucket.cumulative_count;
  }
}

double MetricSet::Get(std::string_view name, const Labels& labels) const {
  const ClientMetric* found = Find(name, labels);
  return found ? found->gauge.value : 0;
}

bool MetricSet::Has(std::string_view name, const Labels& labels) const { return Find(name, labels) != nullptr; }

void MetricSet::Keep(const std::string& label, const std::vector<std::string>& values) {
  for (MetricFamily& family : families_) {
    std::erase_if(family.metric, [&](const ClientMetric& metric) {
      return std::ranges::any_of(metric.label, [&](const ClientMetric::Label& own) {
        return own.name == label && std::ranges::find(values, own.value) == values.end();
      });
    });
  }
}

void MetricSet::Restore(const MetricFamilies& earlier) {
  for (const MetricFamily& family : earlier) {
    const auto own = std::ranges::find(families_, family.name, &MetricFamily::name);
    if (own == families_.end() || own->type != family.type) continue;
    const auto& bounds = descriptions_[static_cast<size_t>(own - families_.begin())].buckets;
    for (const ClientMetric& metric : family.metric) {
      if (own->type == MetricType::Histogram && !HasBuckets(metric.histogram, bounds)) continue;
      Labels labels;
      for (const auto& label : metric.label) labels.emplace_back(label.name, label.value);
      ClientMetric& restored = At(family.name, labels);
      restored.counter = metric.counter;
      restored.gauge = metric.gauge;
      restored.histogram = metric.histogram;
    }
  }
}

std::string MetricsText(const MetricFamilies& families) {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

}  // namespace calve::serve
