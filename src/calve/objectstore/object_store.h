// What calve asks of an object store, whoever's it is. Each kind implements it over HTTP; storage/object_file_io makes
// files of it.
#pragma once

#include <arrow/buffer.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/error.h"

namespace calve::objectstore {

struct ObjectName {
  std::string bucket;    // or container
  std::string key;       // without a leading slash
  std::string location;  // as the caller spells it: what messages name
};

struct ObjectHead {
  int64_t size = 0;
  std::string etag;
  std::string write_id;  // of the Put or upload that made it; empty where it had none or the store forgot it
};

struct ListedObject {
  std::string key;
  int64_t size = 0;
  int64_t mtime_ms = 0;
};

struct ListedPage {
  std::vector<ListedObject> objects;
  std::vector<std::string> prefixes;  // up to and with the slash; only where they were asked for
  std::string next;                   // empty: this was the last page
};

struct PendingUpload {
  std::string key, id;
  int64_t begun_ms = 0;
};

// How an object comes to be. `write_id` is kept with it, so that a writer can tell its own object from another's.
struct WriteMode {
  bool exclusive = false;  // only where there is none: kAlreadyExists
  std::string write_id;
};

// Thread-safe. Transient failures are retried inside, within bounds, unless that could do a thing twice: then
// kUnknownOutcome. Otherwise errors as FileIO's (storage/file_io.h), and each names the location.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual Result<ObjectHead> Head(const ObjectName& name) = 0;
  virtual Result<std::string> Get(const ObjectName& name) = 0;
  // `etag`: kFailed where the object is another one by now. Fewer bytes only at the object's end.
  virtual Result<std::shared_ptr<arrow::Buffer>> GetRange(const ObjectName& name, int64_t offset, int64_t length,
                                                          const std::string& etag) = 0;
  virtual Status Put(const ObjectName& name, std::shared_ptr<arrow::Buffer> bytes, const WriteMode& mode) = 0;
  // OK also where there is nothing.
  virtual Status Delete(const ObjectName& name) = 0;
  // Of keys that begin with `prefix.key`; `folders`: those with another slash behind it as prefixes alone.
  virtual Result<ListedPage> List(const ObjectName& prefix, bool folders, const std::string& page) = 0;

  // An object in parts, visible as a whole or not at all. Parts may go up side by side; numbers begin at 1.
  virtual Result<std::string> BeginUpload(const ObjectName& name, const WriteMode& mode) = 0;
  // What CompleteUpload wants to know of the part.
  virtual Result<std::string> UploadPart(const ObjectName& name, const std::string& upload, int number,
                                         std::shared_ptr<arrow::Buffer> bytes) = 0;
  virtual Status CompleteUpload(const ObjectName& name, const std::string& upload,
                                const std::vector<std::string>& parts, const WriteMode& mode) = 0;
  // OK also where there is no such upload.
  virtual Status AbortUpload(const ObjectName& name, const std::string& upload) = 0;
  // Begun and neither completed nor aborted; of keys that begin with `prefix.key`.
  virtual Result<std::vector<PendingUpload>> ListUploads(const ObjectName& prefix) = 0;

  virtual int parts_max() const = 0;
};

}  // namespace calve::objectstore
