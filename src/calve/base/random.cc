#include "calve/base/random.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cstring>
#include <random>

namespace calve {
namespace {

void FillRandom(void* out, size_t size) {
  // getentropy takes up to 256 bytes and fails only where the kernel has no generator at all.
  if (getentropy(out, size) != 0) {
    std::random_device device;
    auto* bytes = static_cast<uint8_t*>(out);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(device());
  }
}

std::string UuidText(uint8_t (&b)[16], int version) {
  b[6] = static_cast<uint8_t>((b[6] & 0x0f) | (version << 4));
  b[8] = static_cast<uint8_t>((b[8] & 0x3f) | 0x80);
  std::string text;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", b[i]);
  }
  return text;
}

}  // namespace

std::string RandomUuid() {
  uint8_t b[16];
  FillRandom(b, sizeof b);
  return UuidText(b, 4);
}

std::string TimeOrderedUuid(int64_t now_ms) {
  uint8_t b[16];
  FillRandom(b, sizeof b);
  for (int i = 0; i < 6; ++i) b[i] = static_cast<uint8_t>(now_ms >> (40 - 8 * i));
  return UuidText(b, 7);
}

int64_t RandomPositiveInt64() {
  int64_t value = 0;
  do {
    uint64_t bits;
    FillRandom(&bits, sizeof bits);
    value = static_cast<int64_t>(bits & INT64_MAX);
  } while (value == 0);
  return value;
}

double RandomUnit() {
  uint64_t bits;
  FillRandom(&bits, sizeof bits);
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace calve
