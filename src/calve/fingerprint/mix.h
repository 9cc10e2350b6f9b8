// The arithmetic under all hashes: 64 bits into two lanes of 64, each of them a bijection of the input.
#pragma once

#include <bit>
#include <cstdint>

namespace calve::fingerprint {

// Random odd numbers.
inline constexpr uint64_t kMix1 = 0x9e6c63d0676a9a99;
inline constexpr uint64_t kMix2 = 0xd6e8feb86659fd93;
inline constexpr uint64_t kMix3 = 0xa3b195354a39b70d;

inline constexpr uint64_t Mix(uint64_t x) {
  x ^= x >> 32;
  x *= kMix1;
  x ^= x >> 29;
  x *= kMix2;
  return x ^ (x >> 32);
}

struct Lanes {
  uint64_t low = 0, high = 0;
};

// The lanes share their first multiplication; the rotations keep the second from being a multiple of the first.
inline constexpr Lanes MixLanes(uint64_t x) {
  x ^= x >> 32;
  x *= kMix1;
  x ^= x >> 29;
  uint64_t low = x * kMix2;
  uint64_t high = (x ^ std::rotl(x, 25) ^ std::rotl(x, 47)) * kMix3;
  return Lanes{low ^ (low >> 32), high ^ (high >> 32)};
}

// 128 bits into two lanes; a bijection.
inline constexpr Lanes MixLanes(uint64_t low, uint64_t high) {
  uint64_t x = Mix(low + kMix3);
  uint64_t y = Mix(high ^ x);
  return Lanes{Mix(x + std::rotl(y, 32)), y};
}

}  // namespace calve::fingerprint
