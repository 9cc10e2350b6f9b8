#include "calve/storage/exclusive_write.h"

#include <fmt/format.h>

namespace calve::storage {
namespace {

constexpr int kTriesMax = 4;

Status Exists(const objectstore::ObjectName& name) {
  return MakeError(ErrorKind::kAlreadyExists, fmt::format("cannot create {}: it exists", name.location));
}

Status WithoutCondition(objectstore::ObjectStore& store, const objectstore::ObjectName& name,
                        const std::function<Status(const objectstore::WriteMode&)>& write,
                        objectstore::WriteMode mode) {
  const auto head = store.Head(name);
  if (head.ok()) return Exists(name);
  if (KindOf(head.status()) != ErrorKind::kNotFound) return head.status();
  mode.exclusive = false;
  return write(mode);
}

}  // namespace

Status WriteExclusively(objectstore::ObjectStore& store, const objectstore::ObjectName& name,
                        const std::string& write_id,
                        const std::function<Status(const objectstore::WriteMode&)>& write) {
  const objectstore::WriteMode mode{/*exclusive=*/true, write_id};
  Status lost;  // the first answer that did not come
  for (int attempt = 1; attempt <= kTriesMax; ++attempt) {
    const Status status = write(mode);
    if (status.ok()) return status;
    if (lost.ok() && KindOf(status) == ErrorKind::kUnsupported) return WithoutCondition(store, name, write, mode);
    if (lost.ok() && KindOf(status) != ErrorKind::kUnknownOutcome) return status;
    if (lost.ok()) lost = status;
    const auto head = store.Head(name);
    if (head.ok() && head->write_id == mode.write_id) return Status::OK();
    if (head.ok() && !head->write_id.empty()) return Exists(name);
    // An object without an id may be ours in a store that forgets ids. Nothing there may be a request that is late: of
    // it and the next one, only one can pass the condition.
    if (KindOf(head.status()) != ErrorKind::kNotFound) return lost;
  }
  return lost;
}

}  // namespace calve::storage
