#include "calve/storage/location.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/storage/file_io.h"

namespace calve::storage {
namespace {

TEST(Location, LocalPath) {
  EXPECT_EQ(LocalPath("/srv/cold"), "/srv/cold");
  EXPECT_EQ(LocalPath("file:///srv/cold"), "/srv/cold");
  EXPECT_EQ(LocalPath("file:/srv/cold"), "/srv/cold");
  EXPECT_EQ(LocalPath("file://localhost/srv"), "/srv");
  EXPECT_EQ(LocalPath("relative/path"), "relative/path");
  EXPECT_EQ(LocalPath("/a b/x%2Fy#z"), "/a b/x%2Fy#z");
  EXPECT_EQ(LocalPath("file:///x%2Fy?z"), "/x%2Fy?z");
  EXPECT_EQ(LocalPath("file://otherhost/srv"), "");
  EXPECT_EQ(LocalPath("s3://bucket/key"), "");
  EXPECT_EQ(LocalPath("s3a://bucket/key"), "");
  EXPECT_EQ(LocalPath(""), "");
}

TEST(Location, Scheme) {
  EXPECT_EQ(SchemeOf("abfss://c@a/k"), "abfss");
  EXPECT_EQ(SchemeOf("/a:b/c"), "");
  EXPECT_EQ(SchemeOf("a:b"), "");
  EXPECT_EQ(SchemeOf("12:30:00/x"), "");
  EXPECT_EQ(SchemeOf("://x"), "");
}

TEST(Location, Join) {
  EXPECT_EQ(JoinLocation("a", "b/c"), "a/b/c");
  EXPECT_EQ(JoinLocation("a/", "/b"), "a/b");
  EXPECT_EQ(JoinLocation("s3://bucket", "k"), "s3://bucket/k");
  EXPECT_EQ(JoinLocation("s3://bucket//", "k"), "s3://bucket/k");
  EXPECT_EQ(JoinLocation("file:///", "srv"), "file:///srv");
  EXPECT_EQ(JoinLocation("/", "srv"), "/srv");
  EXPECT_EQ(JoinLocation("/srv/", ""), "/srv");
  EXPECT_EQ(JoinLocation("", "a"), "a");
}

TEST(OpenFileIO, DispatchesOnTheScheme) {
  EXPECT_TRUE(OpenFileIO("file:///srv/cold").ok());
  EXPECT_TRUE(OpenFileIO("/srv/cold").ok());
  EXPECT_TRUE(OpenFileIO("cold").ok());
  EXPECT_TRUE(OpenFileIO("s3://bucket/cold").ok());
  EXPECT_EQ(KindOf(OpenFileIO("s3:///cold").status()), ErrorKind::kConfig);
  Status hdfs = OpenFileIO("hdfs://host/cold").status();
  EXPECT_EQ(KindOf(hdfs), ErrorKind::kUnsupported);
  EXPECT_THAT(MessageOf(hdfs), ::testing::HasSubstr("'hdfs'"));
  EXPECT_EQ(KindOf(OpenFileIO("").status()), ErrorKind::kConfig);
  EXPECT_EQ(KindOf(OpenFileIO("file://srv/cold").status()), ErrorKind::kConfig);
}

}  // namespace
}  // namespace calve::storage
