// Writes to stderr without ever holding the work up: a reader that has stopped reading costs a second, once, and the
// lines that it does not take.
#pragma once

#include <cstdint>
#include <string_view>

namespace calve::cli {

// Not thread-safe. The descriptor is borrowed; SIGPIPE has to be ignored.
class LogWriter {
 public:
  explicit LogWriter(int fd, int patience_ms = 1000) : fd_(fd), patience_ms_(patience_ms) {}

  // False where it could not be written, or not as a whole.
  bool Write(std::string_view bytes);
  // Writes that were lost since the last call, once writing is possible again; 0 until then.
  int64_t TakeLost();

 private:
  bool WaitUntilWritable(int ms) const;
  bool WriteSome(std::string_view bytes);

  const int fd_;
  const int patience_ms_;
  bool is_stuck_ = false;  // the reader did not read in time
  bool is_gone_ = false;   // there is none any more
  bool is_amid_ = false;   // a write ended in its middle
  int64_t lost_ = 0;
};

// Opens /dev/null in place of each of stdin, stdout and stderr that is closed: else the next file that is opened would
// be taken for it, and be written into.
void OpenStandardDescriptors();

}  // namespace calve::cli
