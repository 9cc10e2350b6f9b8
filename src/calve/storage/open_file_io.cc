#include <fmt/format.h>

#include "calve/storage/file_io.h"
#include "calve/storage/local_file_io.h"
#include "calve/storage/location.h"
#include "calve/storage/object_file_io.h"
#include "calve/storage/object_location.h"
#include "calve/storage/routing_file_io.h"
#include "calve/storage/s3_stores.h"

namespace calve::storage {

Status CheckLocation(const std::string& location) {
  const std::string_view scheme = SchemeOf(location);
  const std::string_view store = StoreOfScheme(scheme);
  if (location.empty()) return MakeError(ErrorKind::kConfig, "a location is empty", "Name a folder, as file:///path.");
  if (store.empty()) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("locations of scheme '{}' are not supported ({})", scheme, location),
                     "Use s3://bucket/path, file:///path or a plain path.");
  }
  if (store == "file" && LocalPath(location).empty()) {
    return MakeError(ErrorKind::kConfig, fmt::format("{} names another host", location),
                     "Write a local folder as file:///path, with three slashes.");
  }
  return store == "file" ? Status::OK() : ParseObjectLocation(location).status();
}

Result<std::unique_ptr<FileIO>> OpenFileIO(const FileIOContext& given) {
  static const StopToken kNever;
  static const SystemClock kSystemClock;
  FileIOContext context = given;
  if (!context.stop) context.stop = &kNever;
  if (!context.clock) context.clock = &kSystemClock;
  // The one place that knows which store is served by what: another one is a new branch here and a class beside
  // LocalFileIO that passes the same conformance suite.
  auto open = [context](std::string_view store) -> Result<std::unique_ptr<FileIO>> {
    if (store == "s3") {
      auto stores = std::make_shared<S3Stores>(context, objectstore::ProcessEnvironment());
      auto find = [stores](const std::string& location) { return stores->StoreOf(location); };
      return std::make_unique<ObjectFileIO>(find, context.options.part_bytes, context.options.uploads_max,
                                            *context.stop);
    }
    return std::make_unique<LocalFileIO>();
  };
  return std::make_unique<RoutingFileIO>(std::move(open));
}

Result<std::unique_ptr<FileIO>> OpenFileIO(const std::string& warehouse, const FileIOContext& context) {
  if (warehouse.empty()) {
    return MakeError(ErrorKind::kConfig, "no warehouse is named", "Pass --warehouse file:///path/of/the/warehouse.");
  }
  ARROW_RETURN_NOT_OK(WithContext(CheckLocation(warehouse), "the warehouse"));
  return OpenFileIO(context);
}

}  // namespace calve::storage
