// Any text as a ClickHouse type: a tree or an error, in bounded time, stack and memory; what parses has an Arrow type
// or is refused. Also with clang's libFuzzer:
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined … clickhouse_type_fuzz.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "calve/source/clickhouse_type.h"
#include "calve/source/native_decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto type = calve::source::ParseClickHouseType(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!type.ok()) return 0;
  (void)type->Unwrapped();
  (void)type->IsNullable();
  (void)calve::source::ArrowFieldOf("c", *type);
  return 0;
}
