#include <cstdio>

#include "calve/cli/command.h"
#include "calve/cli/completion.h"
#include "calve/cli/exit_code.h"

namespace calve::cli {
namespace {

constexpr const char* kCompletionFooter = R"(Examples:
  calve completion bash >/etc/bash_completion.d/calve
  source <(calve completion bash)                                 for this shell alone
  calve completion zsh >"${fpath[1]}/_calve"
  calve completion fish >~/.config/fish/completions/calve.fish

The Debian package and `make install` bring the three. Options, their values, files and the configuration's tables are offered.)";

}  // namespace

void AddCompletionCommand(CLI::App& app, RunCommand& run) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("completion", "Prints the function with which a shell completes calve's words");
  command->add_option("shell", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(fmt::format("{}\n{}", kCompletionFooter, kExitCodesHelp));
  command->callback([shell, &run] {
    run = [shell](StopToken&) {
      const std::string_view script = CompletionScript(*shell);
      std::fwrite(script.data(), 1, script.size(), stdout);
      return kExitDone;
    };
  });
}

}  // namespace calve::cli
