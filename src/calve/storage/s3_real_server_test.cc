// The S3 servers that other tests use are there, and know their buckets: an unsigned question tells them apart.
#include <gtest/gtest.h>

#include "calve/storage/testing_s3_server.h"

namespace calve::storage {
namespace {

void HasItsBuckets(S3Server* s3) {
  if (!s3) GTEST_SKIP() << "not installed";
  const std::string bucket = s3->NewBucket();
  EXPECT_NE(bucket, s3->NewBucket());
  EXPECT_EQ(http::StatusOf(s3->process().port(), "/" + bucket + "/key"), 403);
}

TEST(S3RealServer, Versitygw) { HasItsBuckets(S3Server::Versitygw()); }
TEST(S3RealServer, Minio) { HasItsBuckets(S3Server::Minio()); }

TEST(S3RealServer, ComesBack) {
  std::unique_ptr<S3Server> s3 = S3Server::MakeVersitygw();
  if (!s3) GTEST_SKIP() << "not installed";
  s3->process().Stop(SIGKILL);
  EXPECT_FALSE(http::Listens(s3->process().port()));
  s3->process().Start();
  HasItsBuckets(s3.get());
}

}  // namespace
}  // namespace calve::storage
