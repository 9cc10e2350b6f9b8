// What every FileIO must do. Each implementation runs it:
//   INSTANTIATE_TEST_SUITE_P(Local, FileIOConformance, ::testing::Values(FileIOCase{"local", MakeLocal}), CaseName);
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "calve/storage/file_io.h"

namespace calve::storage {

// A FileIO and an empty place of its own; what keeps the place alive is behind it.
struct FileIOPlace {
  virtual ~FileIOPlace() = default;
  virtual FileIO& io() = 0;
  virtual std::string root() = 0;  // a location
};

struct FileIOCase {
  std::string name;
  std::function<std::unique_ptr<FileIOPlace>()> make;  // null: what it needs is not installed
};

inline std::string CaseName(const ::testing::TestParamInfo<FileIOCase>& info) { return info.param.name; }

class FileIOConformance : public ::testing::TestWithParam<FileIOCase> {
 protected:
  void SetUp() override {
    place_ = GetParam().make();
    if (!place_) GTEST_SKIP() << "not installed";
    io_ = &place_->io();
    root_ = place_->root();
  }

  std::string At(const std::string& name) const { return JoinLocation(root_, name); }
  // "" where it cannot be read; the failure is reported.
  std::string ReadBack(const std::string& location);
  Status WriteStream(const std::string& location, std::string_view bytes);

  std::unique_ptr<FileIOPlace> place_;
  FileIO* io_ = nullptr;
  std::string root_;
};

}  // namespace calve::storage
