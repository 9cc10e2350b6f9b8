// A FileIO that lets something happen around the writing of a hadoop table's version file.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "calve/storage/file_io.h"

namespace calve::catalog {

// Runs something once, just before the next WriteNew of a version file: the moment between planning and publishing.
class Interloper : public storage::FileIO {
 public:
  explicit Interloper(storage::FileIO& inner) : inner_(inner) {}
  std::function<void()> before_version, after_version;
  bool lose_answer = false;  // of the next version written, whatever it was

  Status WriteNew(const std::string& location, std::string_view bytes) override {
    if (location.find("/v") == std::string::npos) return inner_.WriteNew(location, bytes);
    if (auto run = std::exchange(before_version, nullptr)) run();
    Status status = inner_.WriteNew(location, bytes);
    if (auto run = std::exchange(after_version, nullptr)) run();
    if (std::exchange(lose_answer, false)) return MakeError(ErrorKind::kUnknownOutcome, "the connection was lost");
    return status;
  }
  Result<std::string> Read(const std::string& l) override { return inner_.Read(l); }
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& l) override {
    return inner_.OpenInput(l);
  }
  Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(const std::string& l) override {
    return inner_.OpenOutput(l);
  }
  Status Replace(const std::string& l, std::string_view bytes) override { return inner_.Replace(l, bytes); }
  Result<bool> Exists(const std::string& l) override { return inner_.Exists(l); }
  Status Delete(const std::string& l) override { return inner_.Delete(l); }
  Result<std::vector<storage::FileInfo>> List(const std::string& l) override { return inner_.List(l); }
  Result<std::vector<std::string>> ListFolders(const std::string& l) override { return inner_.ListFolders(l); }

 private:
  storage::FileIO& inner_;
};

}  // namespace calve::catalog
