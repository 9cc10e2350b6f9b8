#include "calve/cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "calve/cli/command.h"
#include "calve/cli/manual.h"
#include "calve/cli/option_shape.h"

namespace calve::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

const BuildInfo kBuild = {"1.2.3", "abc123-dirty", "2026-11-30", "Debug"};

class CompletionTest : public testing::Test {
 protected:
  CompletionTest() { AddCommands(app_, kBuild, run_); }

  Completion At(const std::vector<std::string>& words) {
    return Complete(app_, words, [this](const std::string& file) {
      asked_ = file;
      return std::vector<std::string>{"trades", "tickers"};
    });
  }
  std::vector<std::string> Words(const std::vector<std::string>& words) {
    std::vector<std::string> values;
    for (const auto& word : At(words).words) values.push_back(word.value);
    return values;
  }

  CLI::App app_{"calve moves windows.", "calve"};
  RunCommand run_;
  std::string asked_;
};

TEST_F(CompletionTest, Commands) {
  EXPECT_THAT(Words({""}), IsSupersetOf({"offload", "run", "serve", "status", "completion"}));
  EXPECT_THAT(Words({}), Contains("doctor"));
  EXPECT_THAT(Words({"re"}), ElementsAre("restore", "retire"));
  EXPECT_THAT(Words({"nothing"}), ElementsAre());
  EXPECT_THAT(Words({"-"}), IsSupersetOf({"--help", "-h", "--version"}));
  EXPECT_THAT(Words({"--v"}), ElementsAre("--version"));
  EXPECT_FALSE(At({""}).words[0].description.empty());
}

TEST_F(CompletionTest, OptionsOfTheCommand) {
  EXPECT_THAT(Words({"offload", "--source-t"}), ElementsAre("--source-table"));
  EXPECT_THAT(Words({"run", "--source-t"}), ElementsAre()) << "of another command";
  EXPECT_THAT(Words({"offload", "--dry-run", "--dry"}), ElementsAre()) << "used";
  EXPECT_THAT(Words({"offload", "--partition-by", "a", "--partition"}), ElementsAre("--partition-by")) << "repeatable";
  EXPECT_THAT(Words({"offload", "--"}), Not(Contains("-q")));
  EXPECT_THAT(Words({"offload", "-"}), Contains("-q"));
  EXPECT_THAT(Words({"offload", ""}), Contains("--source")) << "there is nothing else";
  EXPECT_THAT(Words({"offload", "--", ""}), ElementsAre());
  EXPECT_THAT(Words({"offload", "--dry-run", "--source-t"}), ElementsAre("--source-table")) << "a flag takes no value";
}

TEST_F(CompletionTest, Values) {
  EXPECT_THAT(Words({"run", "--progress", ""}), ElementsAre("auto", "always", "never"));
  EXPECT_THAT(Words({"run", "--progress", "a"}), ElementsAre("auto", "always"));
  EXPECT_THAT(Words({"run", "--progress=al"}), ElementsAre("--progress=always"));
  EXPECT_THAT(Words({"run", "--json=a"}), ElementsAre()) << "a flag";
  EXPECT_THAT(Words({"completion", ""}), ElementsAre("bash", "zsh", "fish"));
  EXPECT_THAT(Words({"offload", "--until", ""}), ElementsAre()) << "anything goes";
  EXPECT_THAT(Words({"run", "--progress", "auto", "--prog"}), ElementsAre());
}

TEST_F(CompletionTest, Files) {
  EXPECT_TRUE(At({"run", "--config", "x"}).files);
  EXPECT_TRUE(At({"offload", "--source-password-file", ""}).files);
  EXPECT_EQ(At({"run", "--config=x"}).before, "--config=");
  EXPECT_TRUE(At({"run", "--config=x"}).files);
  EXPECT_TRUE(At({"config", ""}).files) << "a positional";
  EXPECT_FALSE(At({"run", "--progress", ""}).files);
  EXPECT_EQ(CompletionText(At({"run", "--config=x"})), ":files\t--config=\n");
  EXPECT_EQ(CompletionText(At({"run", "--progress", "al"})), "always\t\n:none\t\n");
}

TEST_F(CompletionTest, TablesOfTheConfiguration) {
  EXPECT_THAT(Words({"run", "--config", "x.yaml", "--table", "t"}), ElementsAre("trades", "tickers"));
  EXPECT_EQ(asked_, "x.yaml");
  EXPECT_THAT(Words({"run", "--config=y.yaml", "--table=ti"}), ElementsAre("--table=tickers"));
  EXPECT_EQ(asked_, "y.yaml");
  asked_.clear();
  EXPECT_THAT(Words({"offload", "--target-table", ""}), ElementsAre());
  EXPECT_EQ(asked_, "") << "not read without need";
}

// Each option's help and shape: a new one cannot be forgotten.
TEST_F(CompletionTest, EveryOptionIsCompletedAndInThePages) {
  const auto pages = ManualPages(app_, kBuild);
  std::map<std::string, std::string> text;
  for (const auto& page : pages) text[page.name] = page.text;
  EXPECT_EQ(text.size(), VisibleCommands(app_).size() + 1);
  for (const CLI::App* command : VisibleCommands(app_)) {
    const std::string& page = text.at("calve-" + command->get_name() + ".1");
    EXPECT_THAT(text.at("calve.1"), HasSubstr("\\fBcalve " + RoffText(command->get_name()) + "\\fR\n"));
    for (const CLI::Option* option : VisibleOptions(*command)) {
      for (const std::string& spelling : SpellingsOf(*option)) {
        EXPECT_THAT(page, HasSubstr("\\fB" + RoffText(spelling) + "\\fR")) << command->get_name();
        EXPECT_THAT(Words({command->get_name(), spelling.starts_with("--") ? spelling : "-"}), Contains(spelling));
      }
    }
  }
}

TEST(RoffText, PrintsWhatItIs) {
  EXPECT_EQ(RoffText("--a-b"), "\\-\\-a\\-b");
  EXPECT_EQ(RoffText(".x\n'y\nz.'"), "\\&.x\n\\&\\(aqy\nz.\\(aq");
  EXPECT_EQ(RoffText("a\\b"), "a\\eb");
}

TEST(ManualPage, HasWhatItsHelpHas) {
  CLI::App app{"Does things.", "calve"};
  CLI::App* command = app.add_subcommand("melt", "Melts 'ice'");
  std::string level = "low", file;
  command->add_option("--level", level, "how much")->capture_default_str()->envname("CALVE_LEVEL")->group("Heat");
  command->add_option("--in-file", file, "which")->required();
  command->footer("Examples:\n  calve melt \\\n      --x\n\nA remark.\nAnd more.\n  as it is\nExit codes: 0 done.");
  const std::string page = ManualPages(app, kBuild)[1].text;
  EXPECT_THAT(page, HasSubstr(".TH CALVE\\-MELT 1 \"2026-11-30\" \"calve 1.2.3\""));
  EXPECT_THAT(page, HasSubstr("\\fBcalve melt\\fR \\fB\\-\\-in\\-file\\fR \\fIFILE\\fR [\\fIOPTIONS\\fR]"));
  EXPECT_THAT(page, HasSubstr(".SS Heat\n.TP\n\\fB\\-\\-level\\fR \\fIVALUE\\fR\nhow much (default \\fBlow\\fR; "
                              "variable \\fBCALVE_LEVEL\\fR)\n"));
  EXPECT_THAT(page, HasSubstr(".PP\nA remark.\nAnd more.\n.RS 2\n.nf\nas it is\n.fi\n.RE\n"));
  EXPECT_THAT(page, HasSubstr(".SH \"EXIT STATUS\"\n0 done.\n"));
  EXPECT_THAT(page, HasSubstr(".SH EXAMPLES\n.RS 2\n.nf\ncalve melt \\e\n    \\-\\-x\n.fi\n.RE\n"));
}

TEST(Version, TextAndJson) {
  const auto libraries = LibraryVersions();
  const std::string text = VersionText(kBuild, libraries);
  EXPECT_EQ(text.substr(0, text.find('\n')), "calve 1.2.3");
  EXPECT_THAT(text, HasSubstr("abc123-dirty of 2026-11-30"));
  EXPECT_THAT(text, HasSubstr("Debug, GCC "));
  std::set<std::string> names;
  for (const auto& library : libraries) {
    EXPECT_FALSE(library.version.empty()) << library.name;
    names.insert(library.name);
  }
  EXPECT_THAT(names, IsSupersetOf({"arrow", "libcurl", "openssl", "libpq", "sqlite", "nlohmann-json", "libchdb"}));
  const Json json = VersionJson({"1.2.3", "unknown", "", "Debug"}, libraries);
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["commit"], "unknown");
  EXPECT_TRUE(json["commit_date"].is_null());
  EXPECT_EQ(json["libraries"]["sqlite"], libraries[4].version);
}

}  // namespace
}  // namespace calve::cli
