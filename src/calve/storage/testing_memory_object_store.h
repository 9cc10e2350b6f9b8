// An object store in memory that goes wrong where it is told to.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "calve/objectstore/object_store.h"

namespace calve::storage {

class MemoryObjectStore : public objectstore::ObjectStore {
 public:
  using Buffer = std::shared_ptr<arrow::Buffer>;
  using ObjectName = objectstore::ObjectName;
  using WriteMode = objectstore::WriteMode;
  struct Object {
    std::string bytes, write_id;
  };

  // Asked before each call ("put", "part", "complete", "abort", "head", …). Not OK: nothing happens, unless it is
  // kUnknownOutcome, which is returned after the call was carried out.
  std::function<Status(const std::string& call, const ObjectName& name)> fault;
  int64_t now_ms = 0;
  bool ignores_conditions = false, refuses_conditions = false, forgets_ids = false;
  std::atomic<int> parts_on_their_way{0}, parts_on_their_way_max{0};
  std::function<void()> during_part;  // while no lock is held

  std::map<std::string, Object> objects() const {
    std::lock_guard lock(mutex_);
    return objects_;
  }
  size_t uploads() const {
    std::lock_guard lock(mutex_);
    return uploads_.size();
  }

  Result<objectstore::ObjectHead> Head(const ObjectName& name) override {
    ARROW_RETURN_NOT_OK(Ask("head", name));
    ARROW_ASSIGN_OR_RAISE(const Object object, Find(name));
    return objectstore::ObjectHead{static_cast<int64_t>(object.bytes.size()), "etag", object.write_id};
  }
  Result<std::string> Get(const ObjectName& name) override {
    ARROW_RETURN_NOT_OK(Ask("get", name));
    ARROW_ASSIGN_OR_RAISE(const Object object, Find(name));
    return object.bytes;
  }
  Result<Buffer> GetRange(const ObjectName& name, int64_t offset, int64_t length, const std::string&) override {
    ARROW_ASSIGN_OR_RAISE(const Object object, Find(name));
    return arrow::Buffer::FromString(object.bytes.substr(static_cast<size_t>(offset), static_cast<size_t>(length)));
  }
  Status Put(const ObjectName& name, Buffer bytes, const WriteMode& mode) override {
    return Do("put", name, [&] { return Store(name, bytes->ToString(), mode); });
  }
  Status Delete(const ObjectName& name) override {
    return Do("delete", name, [&] {
      std::lock_guard lock(mutex_);
      objects_.erase(name.key);
      return Status::OK();
    });
  }
  Result<objectstore::ListedPage> List(const ObjectName& prefix, bool folders, const std::string& page) override {
    ARROW_RETURN_NOT_OK(Ask("list", prefix));
    std::lock_guard lock(mutex_);
    objectstore::ListedPage listed;
    for (auto it = objects_.upper_bound(page); it != objects_.end(); ++it) {
      const auto& [key, object] = *it;
      if (!key.starts_with(prefix.key)) continue;
      const size_t slash = folders ? key.find('/', prefix.key.size()) : std::string::npos;
      if (slash == std::string::npos) {
        listed.objects.push_back({key, static_cast<int64_t>(object.bytes.size()), 0});
      } else if (const auto folder = key.substr(0, slash + 1);
                 std::find(listed.prefixes.begin(), listed.prefixes.end(), folder) == listed.prefixes.end()) {
        listed.prefixes.push_back(folder);
      }
      if (!folders && listed.objects.size() == 2) {  // short pages, so that there are some
        listed.next = key;
        break;
      }
    }
    return listed;
  }

  Result<std::string> BeginUpload(const ObjectName& name, const WriteMode& mode) override {
    ARROW_RETURN_NOT_OK(Ask("begin", name));
    std::lock_guard lock(mutex_);
    const std::string id = "upload-" + std::to_string(++last_upload_);
    uploads_[id] = {name.key, now_ms, mode.write_id, {}};
    return id;
  }
  Result<std::string> UploadPart(const ObjectName& name, const std::string& upload, int number, Buffer bytes) override {
    int now = ++parts_on_their_way;
    for (int max = parts_on_their_way_max; now > max && !parts_on_their_way_max.compare_exchange_weak(max, now);) {
    }
    if (during_part) during_part();
    --parts_on_their_way;
    ARROW_RETURN_NOT_OK(Ask("part", name));
    std::lock_guard lock(mutex_);
    uploads_[upload].parts[number] = bytes->ToString();
    return "part-" + std::to_string(number);
  }
  Status CompleteUpload(const ObjectName& name, const std::string& upload, const std::vector<std::string>& parts,
                        const WriteMode& mode) override {
    return Do("complete", name, [&]() -> Status {
      std::string bytes;
      WriteMode own = mode;
      {
        std::lock_guard lock(mutex_);
        const auto found = uploads_.find(upload);
        if (found == uploads_.end()) return MakeError(ErrorKind::kNotFound, "no such upload");
        for (size_t i = 0; i < parts.size(); ++i) {
          if (parts[i] != "part-" + std::to_string(i + 1)) return MakeError(ErrorKind::kFailed, "parts out of order");
          bytes += found->second.parts[static_cast<int>(i) + 1];
        }
        own.write_id = found->second.write_id;
      }
      ARROW_RETURN_NOT_OK(Store(name, bytes, own));
      std::lock_guard lock(mutex_);
      uploads_.erase(upload);
      return Status::OK();
    });
  }
  Status AbortUpload(const ObjectName& name, const std::string& upload) override {
    return Do("abort", name, [&] {
      std::lock_guard lock(mutex_);
      uploads_.erase(upload);
      return Status::OK();
    });
  }
  Result<std::vector<objectstore::PendingUpload>> ListUploads(const ObjectName& prefix) override {
    std::lock_guard lock(mutex_);
    std::vector<objectstore::PendingUpload> found;
    for (const auto& [id, upload] : uploads_) {
      if (upload.key.starts_with(prefix.key)) found.push_back({upload.key, id, upload.begun_ms});
    }
    return found;
  }
  int parts_max() const override { return 100; }

 private:
  struct Upload {
    std::string key;
    int64_t begun_ms = 0;
    std::string write_id;
    std::map<int, std::string> parts;
  };

  Status Ask(const std::string& call, const ObjectName& name) { return fault ? fault(call, name) : Status::OK(); }

  template <typename Call>
  Status Do(const std::string& call, const ObjectName& name, Call carry_out) {
    const Status asked = Ask(call, name);
    if (!asked.ok() && KindOf(asked) != ErrorKind::kUnknownOutcome) return asked;
    const Status done = carry_out();
    return asked.ok() ? done : asked;
  }

  Result<Object> Find(const ObjectName& name) const {
    std::lock_guard lock(mutex_);
    const auto found = objects_.find(name.key);
    if (found == objects_.end()) return MakeError(ErrorKind::kNotFound, "no such object: " + name.location);
    return found->second;
  }

  Status Store(const ObjectName& name, std::string bytes, const WriteMode& mode) {
    if (mode.exclusive && refuses_conditions) return MakeError(ErrorKind::kUnsupported, "501 NotImplemented");
    std::lock_guard lock(mutex_);
    if (mode.exclusive && !ignores_conditions && objects_.contains(name.key)) {
      return MakeError(ErrorKind::kAlreadyExists, "cannot create " + name.location + ": it exists");
    }
    objects_[name.key] = {std::move(bytes), forgets_ids ? "" : mode.write_id};
    return Status::OK();
  }

  mutable std::mutex mutex_;
  // Protected by mutex_.
  std::map<std::string, Object> objects_;
  std::map<std::string, Upload> uploads_;
  int last_upload_ = 0;
};

}  // namespace calve::storage
