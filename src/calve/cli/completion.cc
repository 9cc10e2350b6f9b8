#include "calve/cli/completion.h"

#include <algorithm>
#include <cstdlib>

#include "calve/cli/option_shape.h"

namespace calve::cli {
namespace {

// The command line up to the word that is being typed.
struct Typed {
  const CLI::App* command = nullptr;  // the program itself until a command is named
  bool named = false;
  std::vector<std::string> options;      // spellings that were used
  const CLI::Option* waiting = nullptr;  // the word that is being typed is its value
  bool options_ended = false;            // by "--"
  std::string config;                    // the value of --config
};

const CLI::Option* FindSpelling(const CLI::App& command, const std::string& spelling) {
  for (const CLI::Option* option : VisibleOptions(command)) {
    if (std::ranges::count(SpellingsOf(*option), spelling) > 0) return option;
  }
  return nullptr;
}

bool NamesConfig(const CLI::Option& option) { return std::ranges::count(option.get_lnames(), "config") > 0; }

Typed ReadTyped(const CLI::App& app, const std::vector<std::string>& words) {
  Typed typed;
  typed.command = &app;
  for (size_t at = 0; at + 1 < words.size(); ++at) {
    const std::string& word = words[at];
    if (typed.waiting != nullptr) {
      if (NamesConfig(*typed.waiting)) typed.config = word;
      typed.waiting = nullptr;
      continue;
    }
    if (typed.options_ended) continue;
    if (word == "--") {
      typed.options_ended = true;
    } else if (word.starts_with("-")) {
      const size_t equals = word.find('=');
      const std::string spelling = word.substr(0, equals);
      typed.options.push_back(spelling);
      const CLI::Option* option = FindSpelling(*typed.command, spelling);
      if (option == nullptr || !TakesValue(*option)) continue;
      if (equals == std::string::npos) {
        typed.waiting = option;
      } else if (NamesConfig(*option)) {
        typed.config = word.substr(equals + 1);
      }
    } else if (!typed.named) {
      typed.named = true;
      for (const CLI::App* command : VisibleCommands(app)) {
        if (command->get_name() == word) typed.command = command;
      }
    }
  }
  return typed;
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

class Completer {
 public:
  Completer(const CLI::App& app, const std::vector<std::string>& words, const TableNames& tables)
      : app_(app), typed_(ReadTyped(app, words)), word_(words.empty() ? "" : words.back()), tables_(tables) {}

  Completion Complete() {
    const size_t equals = word_.find('=');
    if (typed_.waiting != nullptr) {
      OfferValues(*typed_.waiting);
    } else if (!typed_.options_ended && word_.starts_with("--") && equals != std::string::npos) {
      completion_.before = word_.substr(0, equals + 1);
      const CLI::Option* option = FindSpelling(*typed_.command, word_.substr(0, equals));
      if (option != nullptr && TakesValue(*option)) OfferValues(*option);
    } else if (!typed_.options_ended && word_.starts_with("-")) {
      OfferOptions();
    } else if (!typed_.named) {
      for (const CLI::App* command : VisibleCommands(app_)) Offer(command->get_name(), command->get_description());
    } else {
      OfferPositionals();
    }
    return std::move(completion_);
  }

 private:
  void Offer(const std::string& value, const std::string& description) {
    const std::string whole = completion_.before + value;
    if (whole.starts_with(word_)) completion_.words.push_back({whole, FirstLine(description)});
  }

  void OfferValues(const CLI::Option& option) {
    for (const std::string& choice : ChoicesOf(option)) Offer(choice, "");
    if (TakesFile(option)) completion_.files = true;
    if (std::ranges::count(option.get_lnames(), "table") > 0) {
      for (const std::string& name : tables_(ConfigFile())) Offer(name, "");
    }
  }

  void OfferOptions() {
    for (const CLI::Option* option : VisibleOptions(*typed_.command)) {
      const auto spellings = SpellingsOf(*option);
      const bool used = std::ranges::any_of(
          spellings, [this](const std::string& spelling) { return std::ranges::count(typed_.options, spelling) > 0; });
      if (used && !IsRepeatable(*option)) continue;
      for (const std::string& spelling : spellings) {
        if (spelling.starts_with("--") || word_ == "-") Offer(spelling, option->get_description());
      }
    }
  }

  void OfferPositionals() {
    for (const CLI::Option* option : VisibleOptions(*typed_.command)) {
      if (option->get_positional()) OfferValues(*option);
    }
    // Nothing else can stand there: what there is at all.
    const bool nothing = completion_.words.empty() && !completion_.files;
    if (nothing && word_.empty() && !typed_.options_ended) OfferOptions();
  }

  std::string ConfigFile() const {
    if (!typed_.config.empty()) return typed_.config;
    const char* variable = std::getenv("CALVE_CONFIG");
    return variable != nullptr && *variable != '\0' ? variable : "calve.yaml";
  }

  const CLI::App& app_;
  const Typed typed_;
  const std::string word_;
  const TableNames& tables_;
  Completion completion_;
};

}  // namespace

Completion Complete(const CLI::App& app, const std::vector<std::string>& words, const TableNames& tables) {
  return Completer(app, words, tables).Complete();
}

std::string CompletionText(const Completion& completion) {
  std::string text;
  for (const Completion::Word& word : completion.words) text += word.value + "\t" + word.description + "\n";
  return text + (completion.files ? ":files\t" : ":none\t") + completion.before + "\n";
}

}  // namespace calve::cli
