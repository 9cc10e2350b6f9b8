#include "calve/cli/slice_output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "calve/cli/offload_report.h"
#include "calve/offload/table_lease.h"

namespace calve::cli {
namespace {

constexpr int kPollMs = 100;
constexpr size_t kReadBytes = 1 << 16;

Status StdinError() {
  return MakeError(ErrorKind::kFailed, fmt::format("the lines could not be read from stdin: {}", std::strerror(errno)));
}

bool IsBlank(const std::string& line) { return line.find_first_not_of(" \t\r") == std::string::npos; }

}  // namespace

void PrintLine(const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

Status FlushLines() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return Status::OK();
  return MakeError(ErrorKind::kFailed,
                   fmt::format("the lines could not be written to stdout: {}", std::strerror(errno)),
                   "Whoever reads them has to read to the end.");
}

Status ForEachLine(const StopToken& stop, const std::function<Status(const std::string& line)>& take) {
  std::string held;
  std::string bytes(kReadBytes, '\0');
  for (bool at_end = false; !at_end;) {
    ARROW_RETURN_NOT_OK(stop.Check());
    pollfd in{STDIN_FILENO, POLLIN, 0};
    const int ready = poll(&in, 1, kPollMs);
    if (ready < 0 && errno != EINTR) return StdinError();
    if (ready <= 0) continue;
    const ssize_t count = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return StdinError();
    at_end = count == 0;
    held.append(bytes, 0, static_cast<size_t>(count));
    if (at_end && !held.empty()) held += '\n';
    size_t begin = 0;
    for (size_t end = held.find('\n'); end != std::string::npos; begin = end + 1, end = held.find('\n', begin)) {
      const std::string line = held.substr(begin, end - begin);
      if (!IsBlank(line)) ARROW_RETURN_NOT_OK(take(line));
    }
    held.erase(0, begin);
  }
  return Status::OK();
}

void TellPlanned(const offload::PlannedSlices& planned, const std::string& target, Terminal& terminal) {
  if (planned.held_by) {
    return terminal.Note(fmt::format("skipped, another calve works on {}: {}, since {}; its lease ends at {}", target,
                                     offload::HolderOf(*planned.held_by), FormatTimestamp(planned.held_by->since),
                                     FormatTimestamp(planned.held_by->until)));
  }
  if (planned.lines.empty()) {
    return terminal.Note(
        fmt::format("nothing to do for {}, the window {} is empty", target, WindowText(planned.plan.window)));
  }
  terminal.Note(fmt::format("{}{} slices of {} rows, window {}, plan {}", planned.resumed ? "resumed: " : "",
                            planned.lines.size(), HumanCount(planned.plan.rows), WindowText(planned.plan.window),
                            planned.location));
}

}  // namespace calve::cli
