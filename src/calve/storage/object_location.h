// A location in an object store: "s3://bucket/key". Keys are taken as they are: nothing is decoded, no slash is lost.
#pragma once

#include <string>

#include "calve/objectstore/object_store.h"

namespace calve::storage {

// kConfig where no bucket is named.
Result<objectstore::ObjectName> ParseObjectLocation(const std::string& location);
// The prefix of what is below a location: its key with a slash behind it; empty for a bucket.
std::string FolderKey(const objectstore::ObjectName& name);
// "s3://bucket/" of "s3://bucket/key": what stands in front of every key.
std::string RootOf(const objectstore::ObjectName& name);

}  // namespace calve::storage
