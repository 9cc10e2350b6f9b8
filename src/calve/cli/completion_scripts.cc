// The shells' side of completion: they ask `calve __complete` and offer what it answers.
#include "calve/cli/completion.h"

namespace calve::cli {
namespace {

constexpr std::string_view kBash = R"(# bash completion of calve; made by `calve completion bash`
_calve() {
  # Words as the shell will see them: COMP_WORDS is also cut at '=' and ':'.
  local rest=$COMP_LINE word i words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((i == 0)) || [[ $rest == [[:space:]]* ]]; then words+=("$word"); else words[${#words[@]} - 1]+=$word; fi
    rest=${rest#"${rest%%[![:space:]]*}"}
    rest=${rest#"$word"}
  done
  local typed=${words[${#words[@]} - 1]} value description before='' files=''
  COMPREPLY=()
  while IFS=$'\t' read -r value description; do
    case $value in
      :none) before=$description ;;
      :files) before=$description files=yes ;;
      *) COMPREPLY+=("$value") ;;
    esac
  done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
  if [[ $files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r value; do COMPREPLY+=("$before$value"); done < <(compgen -f -- "${typed#"$before"}")
  fi
  # The shell replaces what follows the last of its separators.
  local kept=${typed%"${typed##*[=:]}"}
  [[ $COMP_WORDBREAKS == *:* ]] || kept=${typed%"${typed##*=}"}
  if [[ $kept ]]; then
    for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$kept"}; done
  fi
}
complete -F _calve calve
)";

constexpr std::string_view kZsh = R"(#compdef calve
# zsh completion of calve; made by `calve completion zsh`
_calve() {
  local line value description before files
  local -a found
  for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    value=${line%%$'\t'*} description=${line#*$'\t'}
    case $value in
      :none) before=$description ;;
      :files) before=$description files=yes ;;
      ?*) found+=("${value//:/\\:}${description:+:$description}") ;;
    esac
  done
  (( $#found )) && _describe -t values calve found
  if [[ -n $files ]]; then
    [[ -z $before ]] || compset -P "${(b)before}"
    _files
  fi
  (( $#found )) || [[ -n $files ]]
}
if [[ $funcstack[1] == _calve ]]; then _calve "$@"; else compdef _calve calve; fi
)";

constexpr std::string_view kFish = R"(# fish completion of calve; made by `calve completion fish`
function __calve_complete
  set -l words (commandline -opc)
  set -l typed (commandline -ct)
  for line in ($words[1] __complete $words[2..-1] "$typed" 2>/dev/null)
    set -l parts (string split -m 1 \t -- $line)
    switch $parts[1]
      case :none
      case :files
        for path in (__fish_complete_path (string replace -- "$parts[2]" '' "$typed"))
          echo $parts[2]$path
        end
      case '*'
        echo $line
    end
  end
end
complete -c calve -f -a '(__calve_complete)'
)";

}  // namespace

std::string_view CompletionScript(const std::string& shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return "";
}

}  // namespace calve::cli
