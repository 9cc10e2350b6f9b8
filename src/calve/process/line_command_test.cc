#include "calve/process/line_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

namespace calve::process {
namespace {

using Steady = std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LineCommandTest : public ::testing::Test {
 protected:
  LineCommandTest() { signal(SIGPIPE, SIG_IGN); }

  Status Run(std::vector<std::string> words, const std::vector<std::string>& lines = {}) {
    command_.words = std::move(words);
    return RunLineCommand(command_, lines, stop_,
                          {[this](std::string_view line) {
                             answers_.emplace_back(line);
                             return on_answer_;
                           },
                           [this](std::string_view line) {
                             said_.emplace_back(line);
                             if (line.starts_with("pid ")) pid_ = std::stoi(std::string(line.substr(4)));
                             if (stop_when_it_speaks_) stop_.RequestStop(SIGTERM);
                           }});
  }
  Status Shell(const std::string& script, const std::vector<std::string>& lines = {}) {
    return Run({"sh", "-c", script}, lines);
  }
  // Whether it still does after a while. A zombie, which whoever inherited it has not waited for yet, does not.
  bool Lives() const {
    for (int i = 0; i < 500; ++i) {
      std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
      std::string number, name, state;
      if (!(stat >> number >> name >> state) || state == "Z") return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }

  LineCommand command_;
  StopToken stop_;
  std::vector<std::string> answers_, said_;
  Status on_answer_;
  bool stop_when_it_speaks_ = false;
  pid_t pid_ = 0;
};

TEST_F(LineCommandTest, LinesToLines) {
  ASSERT_TRUE(Run({"cat"}, {"a", "", "c"}).ok());
  EXPECT_THAT(answers_, ElementsAre("a", "", "c"));
  EXPECT_THAT(said_, IsEmpty());
}

TEST_F(LineCommandTest, NoLines) {
  ASSERT_TRUE(Run({"cat"}).ok());
  EXPECT_THAT(answers_, IsEmpty());
}

TEST_F(LineCommandTest, MoreThanPipesHold) {
  const std::vector<std::string> lines(300, std::string(10'000, 'x'));
  ASSERT_TRUE(Shell("tee /dev/stderr", lines).ok());
  EXPECT_EQ(answers_, lines);
  EXPECT_EQ(said_.size(), lines.size());
}

TEST_F(LineCommandTest, ALastLineWithoutItsEnd) {
  ASSERT_TRUE(Shell("printf 'a\\nb'").ok());
  EXPECT_THAT(answers_, ElementsAre("a", "b"));
}

TEST_F(LineCommandTest, WordsAreNoShell) {
  ASSERT_TRUE(Run({"printf", "%s\n", "$HOME; echo b", "*"}).ok());
  EXPECT_THAT(answers_, ElementsAre("$HOME; echo b", "*"));
}

TEST_F(LineCommandTest, OneThatReadsNothingIsJudgedByWhatItSays) {
  const std::vector<std::string> lines(300, std::string(10'000, 'x'));
  ASSERT_TRUE(Shell("echo done", lines).ok());
  EXPECT_THAT(answers_, ElementsAre("done"));
}

TEST_F(LineCommandTest, FailureTellsWhatItSaidLast) {
  const Status status = Shell("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo \"line $i\" >&2; done; exit 3");
  EXPECT_EQ(KindOf(status), ErrorKind::kFailed);
  EXPECT_EQ(MessageOf(status),
            "sh ended with exit code 3; it said last:\n  line 3\n  line 4\n  line 5\n  line 6\n  line 7\n  line 8\n"
            "  line 9\n  line 10\n  line 11\n  line 12");
  EXPECT_EQ(said_.size(), 12);
}

TEST_F(LineCommandTest, DeathByASignal) {
  EXPECT_EQ(MessageOf(Shell("kill -9 $$")), "sh was killed by signal 9 (Killed)");
}

TEST_F(LineCommandTest, OneThatIsNotThere) {
  const Status status = Run({"/nowhere/calve-writer"});
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig);
  EXPECT_EQ(MessageOf(status), "/nowhere/calve-writer cannot be run: No such file or directory");
  EXPECT_EQ(KindOf(Run({})), ErrorKind::kConfig);
}

TEST_F(LineCommandTest, AFileThatIsNoProgram) { EXPECT_EQ(KindOf(Run({"/etc/passwd"})), ErrorKind::kConfig); }

TEST_F(LineCommandTest, AWrongAnswerEndsIt) {
  on_answer_ = MakeError(ErrorKind::kCorrupt, "gave an answer that does not parse");
  const auto began = Steady::now();
  const Status status = Shell("echo \"pid $$\" >&2; echo x; echo y; exec sleep 100");
  EXPECT_LT(Steady::now() - began, std::chrono::seconds(20));
  EXPECT_EQ(KindOf(status), ErrorKind::kCorrupt);
  EXPECT_THAT(MessageOf(status), HasSubstr("sh gave an answer that does not parse; it said last:\n  pid "));
  EXPECT_THAT(answers_, ElementsAre("x"));
  EXPECT_FALSE(Lives());
}

TEST_F(LineCommandTest, TimeIsUp) {
  command_.timeout_micros = 200'000;
  const Status status = Shell("echo \"pid $$\" >&2; exec sleep 100");
  EXPECT_THAT(MessageOf(status), HasSubstr("sh was not done after 200ms"));
  EXPECT_FALSE(Lives());
}

// As the signal to calve does: the command may tidy up, and its children are ended as well.
TEST_F(LineCommandTest, AStopIsPassedOnToTheWholeGroup) {
  stop_when_it_speaks_ = true;
  command_.patience_micros = 2 * kMicrosPerSecond;  // a shell's child that is no sleep yet does not hear it
  const Status status = Shell("trap 'echo tidied >&2; exit 0' TERM; sleep 100 & echo \"pid $!\" >&2; wait");
  EXPECT_EQ(KindOf(status), ErrorKind::kStopped);
  EXPECT_EQ(said_.back(), "tidied");
  EXPECT_FALSE(Lives());
}

TEST_F(LineCommandTest, WhoDoesNotListenIsKilled) {
  stop_when_it_speaks_ = true;
  command_.patience_micros = 300'000;
  const auto began = Steady::now();
  const Status status = Shell("trap '' TERM; echo \"pid $$\" >&2; while :; do sleep 1; done");
  EXPECT_LT(Steady::now() - began, std::chrono::seconds(20));
  EXPECT_EQ(KindOf(status), ErrorKind::kStopped);
  EXPECT_FALSE(Lives());
}

TEST_F(LineCommandTest, AStopBeforeItBegan) {
  stop_.RequestStop(SIGTERM);
  EXPECT_EQ(KindOf(Shell("echo x")), ErrorKind::kStopped);
  EXPECT_THAT(answers_, IsEmpty());
}

// A job that was left behind holds the output open.
TEST_F(LineCommandTest, WhatIsLeftBehindIsEnded) {
  command_.patience_micros = 300'000;
  const auto began = Steady::now();
  ASSERT_TRUE(Shell("sleep 100 & echo \"pid $!\" >&2; echo x").ok());
  EXPECT_LT(Steady::now() - began, std::chrono::seconds(20));
  EXPECT_THAT(answers_, ElementsAre("x"));
  EXPECT_FALSE(Lives());
}

TEST_F(LineCommandTest, OutputsThatAreClosedEarly) {
  const Status status = Shell("exec 1>&- 2>&-; sleep 0.2; exit 5");
  EXPECT_EQ(MessageOf(status), "sh ended with exit code 5");
}

// calve's threads have signals blocked, and SIGPIPE ignored; files that it has open are nobody else's.
TEST_F(LineCommandTest, ItBeginsWithDefaultsAndNothingOpen) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  const int leaked = dup(0);
  const Status status = Shell("grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | tr '\\n' ' '; echo");
  close(leaked);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(status.ok());
  ASSERT_EQ(answers_.size(), 3);
  EXPECT_THAT(answers_[0], EndsWith("0000000000000000"));
  EXPECT_EQ(std::stoull(answers_[1].substr(answers_[1].find('\t')), nullptr, 16) >> (SIGPIPE - 1) & 1, 0);
  EXPECT_EQ(answers_[2], "0 1 2 3 ");  // 3: the folder that ls reads
}

}  // namespace
}  // namespace calve::process
