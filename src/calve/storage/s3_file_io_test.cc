// FileIO on real S3 servers: the conformance suite, and what only object stores do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calve/objectstore/s3_store.h"
#include "calve/storage/object_file_io.h"
#include "calve/storage/object_location.h"
#include "calve/storage/testing_file_io_conformance.h"
#include "calve/storage/testing_s3_place.h"

namespace calve::storage {
namespace {

std::unique_ptr<FileIOPlace> Place(S3Server* server) { return server ? std::make_unique<S3Place>(*server) : nullptr; }

INSTANTIATE_TEST_SUITE_P(RealServer, FileIOConformance,
                         ::testing::Values(FileIOCase{"Versitygw", [] { return Place(S3Server::Versitygw()); }},
                                           FileIOCase{"Minio", [] { return Place(S3Server::Minio()); }}),
                         CaseName);

}  // namespace
}  // namespace calve::storage
