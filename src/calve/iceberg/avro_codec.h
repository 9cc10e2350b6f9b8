// Compression of an Avro file's blocks. Avro 1.11 specification, "Required Codecs" and "Optional Codecs".
#pragma once

#include <string>
#include <string_view>

#include "calve/base/error.h"

namespace calve::iceberg {

// Raw DEFLATE (RFC 1951), as the codec "deflate" wants it.
Result<std::string> AvroDeflate(std::string_view bytes);

// Decompresses a block of codec "null" (or ""), "deflate", "zstandard" or "snappy" (with its CRC checked). At most
// `size_max` bytes come out: kCorrupt beyond it. kUnsupported for the other codecs that Avro knows.
Result<std::string> AvroDecompress(std::string_view codec, std::string_view bytes, size_t size_max);

}  // namespace calve::iceberg
