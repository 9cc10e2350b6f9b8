// Rows in a file of FORMAT ArrowStream that lives as long as its object.
#pragma once

#include <memory>
#include <string>

#include "calve/base/stop.h"
#include "calve/source/source.h"

namespace calve::source {

class ArrowStreamFile {
 public:
  // In a directory of its own, which only this user may read, below the system's one for temporary files. Null where
  // there is no batch.
  static Result<std::unique_ptr<ArrowStreamFile>> Write(const BatchProducer& rows, const StopToken& stop);
  ~ArrowStreamFile();  // removes both
  ArrowStreamFile(const ArrowStreamFile&) = delete;
  ArrowStreamFile& operator=(const ArrowStreamFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  explicit ArrowStreamFile(std::string directory) : directory_(std::move(directory)), path_(directory_ + "/rows") {}
  const std::string directory_, path_;
};

}  // namespace calve::source
