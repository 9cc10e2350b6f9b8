// What is wrong with a configuration file, all of it at once.
#pragma once

#include <string>
#include <vector>

#include "calve/base/error.h"

namespace calve::config {

// A place in the file; both count from 1.
struct Mark {
  int line = 1, column = 1;
};

struct Finding {
  Mark mark;
  std::string path;  // "tables[1].cursor.timestamp"; empty: the file as a whole
  std::string message;
  std::string remedy;
};

// Kept up to a bound; what comes behind it is only counted.
class Findings {
 public:
  explicit Findings(std::string file) : file_(std::move(file)) {}

  void Add(Mark mark, std::string path, std::string message, std::string remedy = "");
  bool empty() const { return list_.empty(); }
  bool full() const;
  const std::vector<Finding>& list() const { return list_; }

  // OK where there is none; else one kConfig error with a line for each in the order of the file, every one of which
  // begins with FILE:LINE:COLUMN.
  Status ToStatus() const;

 private:
  std::string file_;
  std::vector<Finding> list_;
  size_t left_out_ = 0;
};

}  // namespace calve::config
