// What a shell may offer for the word that is being typed: worked out from the commands and options themselves.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>
#include <vector>

namespace calve::cli {

struct Completion {
  struct Word {
    std::string value, description;

    bool operator==(const Word&) const = default;
  };
  std::vector<Word> words;  // all begin with what is typed
  bool files = false;       // the shell offers files besides
  std::string before;       // of the typed word: "--config=" of "--config=ca", what the shell's own words stand behind
};

// The tables of that configuration file; none where it cannot be read.
using TableNames = std::function<std::vector<std::string>(const std::string& file)>;

// `words`: those after the program's name, the last one as far as it is typed (empty: nothing yet).
Completion Complete(const CLI::App& app, const std::vector<std::string>& words, const TableNames& tables);

// For the shells' functions: "value\tdescription" a line, and at the end ":files\tBEFORE" or ":none\t".
std::string CompletionText(const Completion& completion);

// The function for `bash`, `zsh` or `fish`; empty for other names.
std::string_view CompletionScript(const std::string& shell);

}  // namespace calve::cli
