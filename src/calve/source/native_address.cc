// IPv4 and IPv6 as text, spelled as ClickHouse prints them.
#include <arrow/buffer_builder.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "calve/source/native_fixed_width.h"

namespace calve::source {
namespace {

using arrow::ArrayData;
using arrow::Buffer;

constexpr size_t kTextMax = 46;  // "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255" and one over

char* PutOctet(char* out, uint8_t value) {
  if (value >= 100) *out++ = static_cast<char>('0' + value / 100);
  if (value >= 10) *out++ = static_cast<char>('0' + value / 10 % 10);
  *out++ = static_cast<char>('0' + value % 10);
  return out;
}

char* PutIpv4(char* out, const uint8_t* big_endian) {
  for (int i = 0; i < 4; ++i) {
    if (i > 0) *out++ = '.';
    out = PutOctet(out, big_endian[i]);
  }
  return out;
}

char* PutGroup(char* out, uint16_t group) {
  bool started = false;
  for (int shift = 12; shift >= 0; shift -= 4) {
    const int digit = (group >> shift) & 15;
    started = started || digit != 0 || shift == 0;
    if (started) *out++ = "0123456789abcdef"[digit];
  }
  return out;
}

// RFC 5952, with the last 32 bits dotted where only zeros, or zeros and ffff, stand before them.
char* PutIpv6(char* out, const uint8_t* bytes) {
  std::array<uint16_t, 8> groups;
  for (int i = 0; i < 8; ++i) groups[i] = static_cast<uint16_t>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  int zeros_at = -1, zeros = 1;  // the first longest run of at least two
  for (int i = 0; i < 8;) {
    int end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > zeros) zeros_at = i, zeros = end - i;
    i = std::max(end, i + 1);
  }
  const bool dotted = zeros_at == 0 && (zeros == 6 || (zeros == 5 && groups[5] == 0xffff));
  for (int i = 0; i < 8; ++i) {
    if (zeros_at >= 0 && i >= zeros_at && i < zeros_at + zeros) {
      if (i == zeros_at) *out++ = ':';
      continue;
    }
    if (i > 0) *out++ = ':';
    if (i == 6 && dotted) return PutIpv4(out, bytes + 12);
    out = PutGroup(out, groups[i]);
  }
  if (zeros_at >= 0 && zeros_at + zeros == 8) *out++ = ':';
  return out;
}

char* PutIpv4LittleEndian(char* out, const uint8_t* bytes) {
  const uint8_t big_endian[4] = {bytes[3], bytes[2], bytes[1], bytes[0]};
  return PutIpv4(out, big_endian);
}

template <int kWidth, char* (*kPut)(char*, const uint8_t*)>
class AddressReader final : public FixedWidthReader {
 public:
  AddressReader(std::string path, const NativeLimits& limits)
      : FixedWidthReader(std::move(path), arrow::utf8(), kWidth, limits) {}

 protected:
  Result<std::shared_ptr<ArrayData>> Convert(std::shared_ptr<Buffer> raw, int64_t rows, const uint8_t*) override {
    constexpr int64_t kOffset = sizeof(int32_t);
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> offsets, arrow::AllocateBuffer((rows + 1) * kOffset));
    auto* to = reinterpret_cast<int32_t*>(offsets->mutable_data());
    arrow::BufferBuilder text;
    ARROW_RETURN_NOT_OK(text.Reserve(rows * 16));
    to[0] = 0;
    for (int64_t i = 0; i < rows; ++i) {
      char one[kTextMax];
      const char* end = kPut(one, raw->data() + i * kWidth);
      ARROW_RETURN_NOT_OK(text.Append(one, end - one));
      to[i + 1] = static_cast<int32_t>(text.length());
    }
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> data, text.Finish());
    return ArrayData::Make(type(), rows, {nullptr, std::move(offsets), std::move(data)}, 0);
  }
};

}  // namespace

Result<std::unique_ptr<ColumnReader>> MakeAddressReader(const std::string& path, const ClickHouseType& type,
                                                        const NativeLimits& limits) {
  // The text is up to 15 bytes for 4, 45 for 16: it must stay within 32-bit offsets.
  const NativeLimits text_limits{limits.rows_max, limits.bytes_max / 4};
  if (type.kind == TypeKind::kIpv4) return std::make_unique<AddressReader<4, PutIpv4LittleEndian>>(path, text_limits);
  if (type.kind == TypeKind::kIpv6) return std::make_unique<AddressReader<16, PutIpv6>>(path, text_limits);
  return nullptr;
}

}  // namespace calve::source
