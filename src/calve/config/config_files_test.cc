// Whole files: those of the tests, the example, and what is published of the format.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <sstream>

#include "calve/config/json_schema.h"
#include "calve/config/load_config.h"
#include "calve/config/reference.h"
#include "calve/config/resolved.h"
#include "calve/config/testing_config_files.h"

namespace calve::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
namespace fs = std::filesystem;

Result<Config> Parse(const std::string& text, const Environment& environment = NoVariables) {
  return ParseConfig(text, "calve.yaml", environment);
}

const std::string kTop =
    "source: {url: \"http://default@127.0.0.1:8123/k2\"}\ncatalog: {warehouse: \"file:///srv/cold\"}\n";

TEST(LoadConfig, TheValidFilesLoad) {
  for (const fs::path& file : ConfigFiles("valid")) {
    auto config = LoadConfig(file.string(), NoVariables);
    EXPECT_TRUE(config.ok()) << config.status().ToString();
  }
}

// The first line of such a file: "# expect LINE:COLUMN PATH words of message or remedy".
TEST(LoadConfig, TheOthersAreRefusedWithPlacePathAndReason) {
  for (const char* kind : {"invalid", "rule"}) {
    for (const fs::path& file : ConfigFiles(kind)) {
      SCOPED_TRACE(file.filename().string());
      auto config = LoadConfig(file.string(), NoVariables);
      if (config.ok()) {
        ADD_FAILURE() << "loaded";
        continue;
      }
      const std::string text = TextOf(file);
      std::istringstream first(text.substr(0, text.find('\n')));
      std::string hash, expect, place, path, words;
      first >> hash >> expect >> place;
      first.get();
      std::getline(first, path, ' ');
      std::getline(first, words);
      ASSERT_EQ(expect, "expect");
      EXPECT_EQ(KindOf(config.status()), ErrorKind::kConfig);
      const std::string message = MessageOf(config.status());
      EXPECT_THAT(message,
                  StartsWith(fmt::format("{}:{}: {}{}", file.string(), place, path, path.empty() ? "" : ": ")));
      EXPECT_THAT(message + "\n" + RemedyOf(config.status()), HasSubstr(words));
      EXPECT_THAT(message + RemedyOf(config.status()), Not(HasSubstr("hunter2")));
    }
  }
}

// What is shown is itself a configuration that says the same.
TEST(LoadConfig, TheResolvedFormLoadsToTheSame) {
  std::vector<fs::path> files = ConfigFiles("valid");
  files.push_back(ExampleFile());
  for (const fs::path& file : files) {
    SCOPED_TRACE(file.filename().string());
    auto config = LoadConfig(file.string(), NoVariables);
    ASSERT_TRUE(config.ok()) << config.status().ToString();
    const std::string shown = ResolvedYaml(*config);
    auto again = ParseConfig(shown, file.string(), NoVariables);
    ASSERT_TRUE(again.ok()) << again.status().ToString() << "\n" << shown;
    EXPECT_EQ(again->tables, config->tables);
    EXPECT_EQ(again->source, config->source);
    EXPECT_EQ(again->catalog, config->catalog);
    EXPECT_EQ(again->state, config->state);
    EXPECT_EQ(again->schedule, config->schedule);
    EXPECT_EQ(again->limits, config->limits);
    EXPECT_EQ(again->serve, config->serve);
    EXPECT_EQ(again->metrics, config->metrics);
  }
}

TEST(ExampleConfig, TheNineTablesStandInThreeLayers) {
  auto config = LoadConfig(ExampleFile(), NoVariables);
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  ASSERT_EQ(config->tables.size(), 9u);
  EXPECT_THAT(config->tables[0].after, IsEmpty());
  EXPECT_THAT(config->tables[2].after, ElementsAre("bronze_trades_binance", "bronze_trades_kraken"));
  for (size_t i = 3; i < 9; ++i) {
    EXPECT_THAT(config->tables[i].after, ElementsAre("silver_trades"));
    EXPECT_EQ(config->tables[i].target.ToString(), "cold.gold_" + config->tables[i].name);
  }
}

// Neither a crash nor an endless loop, whatever happens to the file; and never a value without a verdict.
TEST(ExampleConfig, CutAndDamagedAnywhereItIsStillReadOrRefused) {
  const std::string text = TextOf(ExampleFile());
  for (size_t size = 0; size < text.size(); ++size) {
    auto config = Parse(text.substr(0, size));
    EXPECT_TRUE(config.ok() || KindOf(config.status()) == ErrorKind::kConfig) << size;
  }
  constexpr std::array<unsigned char, 5> kFlips = {0x01, 0x04, 0x20, 0x80, 0xff};
  for (size_t shift : {0, 2}) {
    std::string damaged = text;
    for (size_t i = 0; i < text.size(); ++i) {
      damaged[i] = static_cast<char>(text[i] ^ kFlips[(i + shift) % kFlips.size()]);
      auto config = Parse(damaged);
      EXPECT_TRUE(config.ok() || KindOf(config.status()) == ErrorKind::kConfig) << i;
      damaged[i] = text[i];
    }
  }
}

TEST(ExampleConfig, PiecesOfYamlInAnyOrderAreReadOrRefused) {
  const std::vector<std::string> pieces = {
      "source", ": ", "- ", "\n",          "  ",           "{",       "}",      "[",
      "]",      ",",  "\"", "'",           "&a ",          "*a",      "!!x ",   "? ",
      "|",      ">",  "#",  "%YAML 1.2\n", "---",          "...",     "tables", "${X:-1}",
      "\t",     "@",  "`",  "<<",          "\xef\xbb\xbf", "\xc2\x85"};
  uint64_t state = 20240809;
  for (int round = 0; round < 10'000; ++round) {
    std::string text = round % 2 == 0 ? kTop : "";
    for (int i = 0; i < 12; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      text += pieces[(state >> 33) % pieces.size()];
    }
    auto config = Parse(text);
    EXPECT_TRUE(config.ok() || KindOf(config.status()) == ErrorKind::kConfig) << text;
  }
}

TEST(PublishedSchema, IsWhatTheGeneratorWrites) {
  EXPECT_EQ(TextOf(ProjectFolder() / "docs" / "calve.schema.json"), JsonSchemaText())
      << "write it again: calve config --schema > docs/calve.schema.json";
}

TEST(PublishedReference, IsWhatTheGeneratorWrites) {
  EXPECT_EQ(TextOf(ProjectFolder() / "docs" / "config-reference.md"), ReferenceText())
      << "write it again: calve config --reference > docs/config-reference.md";
}

}  // namespace
}  // namespace calve::config
