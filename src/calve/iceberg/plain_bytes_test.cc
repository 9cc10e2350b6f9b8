#include "calve/iceberg/plain_bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace calve::iceberg {
namespace {

TEST(PlainBytes, EndAtAnyByteThatIsNotPlainWhereverItStands) {
  for (size_t size = 0; size < 20; ++size) EXPECT_EQ(PlainBytes(std::string(size, 'x')), size);
  for (int byte = 0; byte < 256; ++byte) {
    const bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
    for (size_t size = 1; size < 20; ++size) {
      for (size_t at = 0; at < size; ++at) {
        std::string text(size, '~');
        text[at] = static_cast<char>(byte);
        ASSERT_EQ(PlainBytes(text), plain ? size : at) << byte << " at " << at << " of " << size;
      }
    }
  }
}

TEST(PlainBytes, EndAtTheFirstOfMany) { EXPECT_EQ(PlainBytes("\x20\x21!~\x7f#[]\"\\\x80\x1f"), 8u); }

}  // namespace
}  // namespace calve::iceberg
