#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "calve/serve/metric_set.h"

namespace calve::serve {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::string_view kLe = "le";

std::optional<double> NumberOf(std::string_view text) {
  if (text == "+Inf" || text == "Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  if (text == "NaN" || text == "Nan") return std::numeric_limits<double>::quiet_NaN();
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || *end != '\0') return std::nullopt;
  return value;
}

// `name{label="value",…} number`: what stands before the number, taken apart.
struct Sample {
  std::string name;
  std::vector<ClientMetric::Label> labels;
  double value = 0;
};

std::optional<Sample> SampleOf(std::string_view line) {
  Sample sample;
  size_t at = line.find_first_of("{ ");
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  sample.name = line.substr(0, at);
  if (line[at] == '{') {
    ++at;
    while (at < line.size() && line[at] != '}') {
      const size_t equals = line.find("=\"", at);
      if (equals == std::string_view::npos) return std::nullopt;
      ClientMetric::Label label{std::string(line.substr(at, equals - at)), ""};
      for (at = equals + 2; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] == '\\' && at + 1 < line.size()) {
          ++at;
          label.value += line[at] == 'n' ? '\n' : line[at];
        } else {
          label.value += line[at];
        }
      }
      if (at >= line.size()) return std::nullopt;
      ++at;
      if (at < line.size() && line[at] == ',') ++at;
      sample.labels.push_back(std::move(label));
    }
    if (at >= line.size()) return std::nullopt;
    ++at;
  }
  if (at >= line.size() || line[at] != ' ') return std::nullopt;
  const auto number = NumberOf(line.substr(at + 1));
  if (!number) return std::nullopt;
  sample.value = *number;
  return sample;
}

MetricType TypeOf(std::string_view word) {
  if (word == "counter") return MetricType::Counter;
  if (word == "gauge") return MetricType::Gauge;
  if (word == "histogram") return MetricType::Histogram;
  return MetricType::Untyped;
}

// A whole number of samples: what a counter of a file can be.
uint64_t CountOf(double value) { return value >= 0 && value < 1e18 ? static_cast<uint64_t>(std::llround(value)) : 0; }

ClientMetric& MetricOf(MetricFamily& family, const std::vector<ClientMetric::Label>& labels) {
  const auto found = std::ranges::find(family.metric, labels, &ClientMetric::label);
  if (found != family.metric.end()) return *found;
  ClientMetric metric;
  metric.label = labels;
  return family.metric.emplace_back(std::move(metric));
}

// False: it does not belong to the family.
bool Take(MetricFamily& family, Sample sample) {
  if (family.type != MetricType::Histogram) {
    if (sample.name != family.name) return false;
    ClientMetric& metric = MetricOf(family, sample.labels);
    metric.counter.value = metric.gauge.value = metric.untyped.value = sample.value;
    return true;
  }
  if (!sample.name.starts_with(family.name)) return false;
  const std::string_view part = std::string_view(sample.name).substr(family.name.size());
  std::optional<double> bound;
  std::erase_if(sample.labels, [&](const ClientMetric::Label& label) {
    if (label.name == kLe) bound = NumberOf(label.value);
    return label.name == kLe;
  });
  ClientMetric::Histogram& histogram = MetricOf(family, sample.labels).histogram;
  if (part == "_count") {
    histogram.sample_count = CountOf(sample.value);
  } else if (part == "_sum") {
    histogram.sample_sum = sample.value;
  } else if (part == "_bucket" && bound) {
    histogram.bucket.push_back({CountOf(sample.value), *bound});
  } else {
    return false;
  }
  return true;
}

}  // namespace

Result<MetricFamilies> ParseMetricsText(std::string_view text) {
  MetricFamilies families;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    constexpr std::string_view kHelp = "# HELP ", kType = "# TYPE ";
    if (line.empty()) continue;
    if (line.starts_with(kHelp) || line.starts_with(kType)) {
      const std::string_view rest = line.substr(kHelp.size());
      const size_t blank = std::min(rest.find(' '), rest.size());
      const std::string_view name = rest.substr(0, blank);
      const std::string_view word = blank < rest.size() ? rest.substr(blank + 1) : "";
      if (families.empty() || families.back().name != name) families.push_back({std::string(name), "", {}, {}});
      if (line.starts_with(kHelp)) {
        families.back().help = word;
      } else {
        families.back().type = TypeOf(word);
      }
      continue;
    }
    if (line.front() == '#') continue;
    auto sample = SampleOf(line);
    if (!sample || families.empty() || !Take(families.back(), std::move(*sample))) {
      return MakeError(ErrorKind::kCorrupt, fmt::format("line {} is no sample of a metric that was announced", number));
    }
  }
  return families;
}

}  // namespace calve::serve
