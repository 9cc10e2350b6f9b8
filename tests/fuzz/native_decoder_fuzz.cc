// Any bytes as FORMAT Native: an error or valid batches, within the limits' memory. Also with clang's libFuzzer:
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined … native_decoder_fuzz.cc
// The first byte chooses the revision, the second the size of the chunks. Seeds: tests/data/native/*.native behind two
// bytes.
#include <arrow/record_batch.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "calve/source/native_decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using calve::source::NativeDecoder;
  constexpr std::array<uint64_t, 4> kRevisions = {0, 54405, 54454, calve::source::kNativeRevision};
  if (size < 2) return 0;
  calve::source::NativeOptions options;
  options.revision = kRevisions[data[0] % kRevisions.size()];
  options.rows_max = 4096;
  options.bytes_max = 1 << 20;
  const size_t chunk = size_t{1} + data[1] * data[1];
  size_t at = 2;
  NativeDecoder decoder(
      [&]() -> arrow::Result<std::shared_ptr<arrow::Buffer>> {
        if (at >= size) return std::shared_ptr<arrow::Buffer>();
        const size_t piece = std::min(chunk, size - at);
        auto buffer = arrow::Buffer::FromString(std::string(reinterpret_cast<const char*>(data + at), piece));
        at += piece;
        return buffer;
      },
      options);
  while (true) {
    const auto batch = decoder.Next();
    if (!batch.ok() || *batch == nullptr) return 0;
    if (!(*batch)->ValidateFull().ok()) std::abort();
  }
}
