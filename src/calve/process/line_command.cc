#include "calve/process/line_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>

#include "calve/process/child.h"

namespace calve::process {
namespace {

constexpr size_t kLastLines = 10;            // of stderr, in messages
constexpr size_t kLineBytesMax = 256 << 20;  // a slice of a hundred thousand files is far below
constexpr size_t kSaidBytesMax = 4096;       // of a line of stderr
constexpr int kStepMillis = 100;

using Steady = std::chrono::steady_clock;

// Puts lines together from what a descriptor has.
class LineReader {
 public:
  using Take = std::function<Status(std::string_view)>;
  LineReader(UniqueFd& fd, Take take) : fd_(fd), take_(std::move(take)) {}

  bool open() const { return fd_.valid(); }
  UniqueFd& fd() { return fd_; }

  Status ReadWhatIsThere() {
    std::array<char, 64 << 10> bytes{};
    while (fd_.valid()) {
      const ssize_t count = read(fd_.get(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return Status::OK();
      if (count <= 0) {
        fd_.Close();
        return rest_.empty() ? Status::OK() : take_(rest_);
      }
      ARROW_RETURN_NOT_OK(Split(std::string_view(bytes.data(), static_cast<size_t>(count))));
    }
    return Status::OK();
  }

 private:
  Status Split(std::string_view bytes) {
    for (size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
      rest_.append(bytes.substr(0, end));
      bytes.remove_prefix(end + 1);
      const std::string line = std::exchange(rest_, {});
      ARROW_RETURN_NOT_OK(take_(line));
    }
    rest_.append(bytes);
    if (rest_.size() > kLineBytesMax) return MakeError(ErrorKind::kFailed, "a line of its output has no end");
    return Status::OK();
  }

  UniqueFd& fd_;
  const Take take_;
  std::string rest_;
};

class Exchange {
 public:
  Exchange(const LineCommand& command, const std::vector<std::string>& lines, const StopToken& stop,
           const LineHandlers& handlers, Child& child)
      : command_(command),
        stop_(stop),
        handlers_(handlers),
        child_(child),
        input_(lines.empty() ? "" : fmt::format("{}\n", fmt::join(lines, "\n"))),
        out_(child.out, [this](std::string_view line) { return Answer(line); }),
        err_(child.err, [this](std::string_view line) { return Said(line); }) {}

  Status Run() {
    std::optional<Ending> ended;
    while (out_.open() || err_.open() || !(ended = child_.Ended())) {
      if (!ended) ended = child_.Ended();
      Judge(ended.has_value());
      Step(ended.has_value());
    }
    child_.Signal(SIGKILL);  // who closed its output, and lives on
    if (why_.ok() && !ended->was_killed && ended->code == 0) return Status::OK();
    if (why_.ok()) why_ = MakeError(ErrorKind::kFailed, ended->Text());
    return WithWhatItSaid(why_);
  }

 private:
  // Whether it is to be ended, and how hard.
  void Judge(bool has_ended) {
    if (why_.ok() && stop_.stopped()) End(MakeError(ErrorKind::kStopped, "was stopped"));
    if (why_.ok() && command_.timeout_micros > 0 && Since(started_) > command_.timeout_micros) {
      End(MakeError(ErrorKind::kFailed, fmt::format("was not done after {}", FormatDuration(command_.timeout_micros))));
    }
    if (has_ended && !patience_from_) patience_from_ = Steady::now();
    if (patience_from_ && Since(*patience_from_) > command_.patience_micros) {
      child_.Signal(SIGKILL);
      // Somebody who left the group holds them: what it says is not waited for.
      if (Since(*patience_from_) > command_.patience_micros + kMicrosPerSecond) child_.out.Close(), child_.err.Close();
    }
  }

  void End(Status why) {
    why_ = std::move(why);
    child_.Signal(SIGTERM);
    child_.in.Close();
    patience_from_ = Steady::now();
  }

  void Step(bool has_ended) {
    std::array<pollfd, 3> watched = {pollfd{child_.in.get(), POLLOUT, 0}, pollfd{child_.out.get(), POLLIN, 0},
                                     pollfd{child_.err.get(), POLLIN, 0}};
    // With both outputs closed nothing wakes this but time.
    const int millis = out_.open() || err_.open() ? kStepMillis : has_ended ? 0 : 10;
    if (poll(watched.data(), watched.size(), millis) <= 0) return;
    if (watched[0].revents != 0) Write();
    if (watched[2].revents != 0) Note(err_.ReadWhatIsThere());
    if (watched[1].revents != 0) Note(out_.ReadWhatIsThere());
  }

  void Note(Status read) {
    if (!read.ok() && why_.ok()) End(std::move(read));
  }

  void Write() {
    while (written_ < input_.size()) {
      const ssize_t count = write(child_.in.get(), input_.data() + written_, input_.size() - written_);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return;
      if (count < 0) break;  // it reads no more: its exit code, and what it answered, say what that means
      written_ += static_cast<size_t>(count);
    }
    child_.in.Close();
  }

  Status Answer(std::string_view line) { return why_.ok() ? handlers_.on_answer(line) : Status::OK(); }

  Status Said(std::string_view line) {
    line = line.substr(0, kSaidBytesMax);
    handlers_.on_said(line);
    last_.emplace_back(line);
    if (last_.size() > kLastLines) last_.pop_front();
    return Status::OK();
  }

  Status WithWhatItSaid(const Status& status) const {
    const std::string said = last_.empty() ? "" : fmt::format("; it said last:\n  {}", fmt::join(last_, "\n  "));
    return MakeError(KindOf(status), fmt::format("{} {}{}", command_.words[0], MessageOf(status), said),
                     RemedyOf(status));
  }

  static int64_t Since(Steady::time_point start) {
    return std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - start).count();
  }

  const LineCommand& command_;
  const StopToken& stop_;
  const LineHandlers& handlers_;
  Child& child_;
  const std::string input_;
  size_t written_ = 0;
  LineReader out_, err_;
  std::deque<std::string> last_;
  const Steady::time_point started_ = Steady::now();
  Status why_;  // it is ended because of this
  std::optional<Steady::time_point> patience_from_;
};

}  // namespace

Status RunLineCommand(const LineCommand& command, const std::vector<std::string>& lines, const StopToken& stop,
                      const LineHandlers& handlers) {
  ARROW_RETURN_NOT_OK(stop.Check());
  ARROW_ASSIGN_OR_RAISE(Child child, Child::Start(command.words));
  return Exchange(command, lines, stop, handlers, child).Run();
}

}  // namespace calve::process
