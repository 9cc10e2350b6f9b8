#include "calve/datafile/writer_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/datafile/testing_batches.h"

namespace calve::datafile {
namespace {

using testing::HasSubstr;
using Properties = std::map<std::string, std::string>;

TEST(WriterOptions, AreReadFromTableProperties) {
  const WriterOptions options =
      Must(WriterOptionsFromProperties({{"write.target-file-size-bytes", "1048576"},
                                        {"write.parquet.row-group-size-bytes", "65536"},
                                        {"write.parquet.page-size-bytes", "4096"},
                                        {"write.parquet.page-row-limit", "20000"},
                                        {"write.parquet.dict-size-bytes", "8192"},
                                        {"write.parquet.compression-codec", "GZIP"},
                                        {"write.parquet.compression-level", "5"},
                                        {"write.metadata.metrics.default", "counts"},
                                        {"write.metadata.metrics.column.a.b", "full"},
                                        {"write.parquet.bloom-filter-enabled.column.x", "true"},
                                        {"owner", "someone"}},
                                       WriterOptions{}));
  EXPECT_EQ(options.target_file_bytes, 1048576);
  EXPECT_EQ(options.row_group_bytes, 65536);
  EXPECT_EQ(options.page_bytes, 4096);
  EXPECT_EQ(options.page_rows_max, 20000);
  EXPECT_EQ(options.dictionary_bytes, 8192);
  EXPECT_EQ(options.compression, "GZIP");
  EXPECT_EQ(options.compression_level, 5);
  EXPECT_EQ(options.metrics_modes, (Properties{{"", "counts"}, {"a.b", "full"}}));
}

TEST(WriterOptions, WhatIsAbsentStaysAsItWas) {
  WriterOptions base;
  base.target_file_bytes = 77;
  EXPECT_EQ(Must(WriterOptionsFromProperties({}, base)).target_file_bytes, 77);
}

TEST(WriterOptions, WrongValuesAreNamed) {
  const Properties wrong = {{"write.target-file-size-bytes", "0"},
                            {"write.parquet.row-group-size-bytes", "-1"},
                            {"write.parquet.page-size-bytes", "1MB"},
                            {"write.parquet.dict-size-bytes", "99999999999999999999"},
                            {"write.parquet.compression-codec", "lzma"},
                            {"write.parquet.compression-level", "99"},
                            {"write.metadata.metrics.default", "truncate(x)"},
                            {"write.metadata.metrics.column.price", "some"}};
  for (const auto& [name, value] : wrong) {
    const Status status = WriterOptionsFromProperties({{name, value}}, WriterOptions{}).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << name;
    EXPECT_THAT(MessageOf(status), HasSubstr(name));
    EXPECT_THAT(MessageOf(status), HasSubstr(value));
  }
}

}  // namespace
}  // namespace calve::datafile
