#include "calve/maintain/theta_sketch.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace calve::maintain {
namespace {

constexpr uint64_t kDefaultSeed = 9001;
constexpr uint16_t kSeedHash = 0x93cc;  // of that seed: sketches of different ones cannot be joined
constexpr uint8_t kSerialVersion = 3, kCompactFamily = 3;
constexpr uint8_t kReadOnly = 2, kEmpty = 4, kCompact = 8, kOrdered = 16, kSingleItem = 32;

uint64_t Load64(const char* from) {
  uint64_t value = 0;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

uint64_t Finish64(uint64_t k) {
  k ^= k >> 33;
  k *= 0xff51afd7ed558ccdULL;
  k ^= k >> 33;
  k *= 0xc4ceb9fe1a85ec53ULL;
  return k ^ k >> 33;
}

// The first half of MurmurHash3's x64 variant with 128 bits.
uint64_t Murmur3(std::string_view value, uint64_t seed) {
  constexpr uint64_t kC1 = 0x87c37b91114253d5ULL, kC2 = 0x4cf5ad432745937fULL;
  uint64_t h1 = seed, h2 = seed;
  const auto mix1 = [&](uint64_t k) { h1 ^= std::rotl(k * kC1, 31) * kC2; };
  const auto mix2 = [&](uint64_t k) { h2 ^= std::rotl(k * kC2, 33) * kC1; };
  size_t at = 0;
  for (; at + 16 <= value.size(); at += 16) {
    mix1(Load64(value.data() + at));
    h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52dce729;
    mix2(Load64(value.data() + at + 8));
    h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495ab5;
  }
  char tail[16] = {};
  const size_t left = value.size() - at;
  if (left > 0) std::memcpy(tail, value.data() + at, left);
  if (left > 8) mix2(Load64(tail + 8));
  if (left > 0) mix1(Load64(tail));
  h1 ^= value.size();
  h2 ^= value.size();
  h1 += h2;
  h2 += h1;
  return Finish64(h1) + Finish64(h2);
}

void PutLittle(uint64_t value, int bytes, std::string& out) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

}  // namespace

uint64_t ThetaSketch::HashOf(std::string_view value) { return Murmur3(value, kDefaultSeed) >> 1; }

void ThetaSketch::Settle() {
  std::ranges::sort(hashes_);
  const auto twice = std::ranges::unique(hashes_);
  hashes_.erase(twice.begin(), twice.end());
  if (hashes_.size() <= kNominalEntries) return;
  theta_ = hashes_[kNominalEntries];
  hashes_.resize(kNominalEntries);
}

double ThetaSketch::Estimate() {
  Settle();
  return static_cast<double>(hashes_.size()) * (static_cast<double>(kThetaMax) / static_cast<double>(theta_));
}

std::string ThetaSketch::Compact() {
  Settle();
  const bool is_exact = theta_ == kThetaMax;
  const bool is_single = is_exact && hashes_.size() == 1;
  const uint8_t preamble_longs = !is_exact ? 3 : hashes_.size() > 1 ? 2 : 1;
  uint8_t flags = kReadOnly | kCompact | kOrdered;
  if (is_exact && hashes_.empty()) flags |= kEmpty;
  if (is_single) flags |= kSingleItem;
  std::string out;
  for (const uint8_t byte : {preamble_longs, kSerialVersion, kCompactFamily, uint8_t{0}, uint8_t{0}, flags}) {
    out.push_back(static_cast<char>(byte));
  }
  PutLittle(kSeedHash, 2, out);
  if (preamble_longs > 1) {
    PutLittle(hashes_.size(), 4, out);
    PutLittle(std::bit_cast<uint32_t>(1.0F), 4, out);  // sampling: none
  }
  if (preamble_longs > 2) PutLittle(theta_, 8, out);
  for (const uint64_t hash : hashes_) PutLittle(hash, 8, out);
  return out;
}

}  // namespace calve::maintain
