// How many distinct values there are, from a few thousand of their hashes. Puffin spec: "apache-datasketches-theta-v1",
// whose bytes are those of Apache DataSketches' compact theta sketch (serial version 3). That library has no package
// for C++ in Debian; what is needed of it is this: no more than an estimate depends on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace calve::maintain {

// The k smallest hashes. Values are bytes as Iceberg's single-value serialization has them. Not thread-safe.
class ThetaSketch {
 public:
  // As many as the library keeps where nothing else is said: a standard error of 1.6 %.
  static constexpr size_t kNominalEntries = 4096;

  // An empty value is left out, as the library does.
  void Update(std::string_view value) {
    if (!value.empty()) Take(HashOf(value));
  }
  // The number of distinct values: exact up to kNominalEntries.
  double Estimate();
  std::string Compact();

  // The library's hash of a value: 63 bits.
  static uint64_t HashOf(std::string_view value);

 private:
  static constexpr uint64_t kThetaMax = (uint64_t{1} << 63) - 1;

  void Take(uint64_t hash) {
    if (hash >= theta_ || hash == 0) return;
    if (!hashes_.empty() && hashes_.back() == hash) return;
    hashes_.push_back(hash);
    if (hashes_.size() >= 4 * kNominalEntries) Settle();
  }
  // Sorted, each once, and no more than kNominalEntries.
  void Settle();

  std::vector<uint64_t> hashes_;  // all below theta_
  uint64_t theta_ = kThetaMax;
};

}  // namespace calve::maintain
