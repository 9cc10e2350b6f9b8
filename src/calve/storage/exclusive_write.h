// A write that must not overwrite, until it is certain what became of it.
#pragma once

#include <functional>

#include "calve/objectstore/object_store.h"

namespace calve::storage {

// Calls `write`, more than once where an answer is lost and the object is not there. `write_id` is the writer's alone.
// kAlreadyExists: another's object is there. kUnknownOutcome: what is there does not tell whose it is, or cannot be
// seen. A store that knows no conditions (kUnsupported) is written to without one, unless an object is seen before.
Status WriteExclusively(objectstore::ObjectStore& store, const objectstore::ObjectName& name,
                        const std::string& write_id, const std::function<Status(const objectstore::WriteMode&)>& write);

}  // namespace calve::storage
