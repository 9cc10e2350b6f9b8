"""What bash, zsh and fish offer for the word that is typed, in the real shells; and the manual pages, in the eyes of mandoc and groff."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import need

from . import program

TABLES = """
source: {url: "http://default@127.0.0.1:8123/x"}
catalog: {type: hadoop, warehouse: "file:///srv/cold"}
defaults: {cursor: {timestamp: ts}}
tables: [{source: trades, target: cold.trades}, {source: tickers, target: cold.tickers}, {source: other, target: cold.other}]
"""

# What the shell's own machinery would do at a TAB: COMP_WORDS as readline cuts it, at = and : as well.
BASH = r"""
source <(calve completion bash)
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
cut=${1//=/ = } cut=${cut//:/ : }
read -ra COMP_WORDS <<<"$cut"
[[ $1 != *[\ =:] ]] || [[ $1 == *[=:] ]] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_calve calve
printf '%s\n' "${COMPREPLY[@]}"
"""

ZSH = r"""
# A zsh in a terminal of zsh's own (zpty), where TAB is pressed.
zmodload zsh/zpty
zpty -b z zsh -f -i
zpty -w z 'PROMPT= RPROMPT=; autoload -Uz compinit; compinit -u -d $ZDOTDIR/dump; source <(calve completion zsh); LISTMAX=10000; zstyle ":completion:*" list-separator "--"; setopt nobeep; stty cols 200 rows 200; bindkey "^I" complete-word; print READY=='
while zpty -r z line; do [[ $line == *READY==* && $line != *print* ]] && break; done
zpty -w -n z "$1"$'\t\t'
lines=0
for ((idle = 0; idle < (lines > 1 ? PATIENCE : 100); idle++)); do sleep 0.05; while zpty -rt z line; do print -r -- "$line"; ((lines++)); idle=0; done; done
zpty -d z
"""


@pytest.fixture
def shells(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "calve").symlink_to(program.BINARY)
    (tmp_path / "calve.yaml").write_text(TABLES)
    (tmp_path / "some file.txt").touch()
    (tmp_path / "calm").mkdir()

    def run(shell, script, line):
        need(shutil.which(shell), f"{shell} is missing")
        done = subprocess.run([shell, "-c", script, shell, line] if shell != "fish" else [shell, "--no-config", "-c", script, line], capture_output=True, text=True,
                              cwd=tmp_path, timeout=60, env={**program.environment(), "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "TERM": "dumb"})
        return done.stdout, done.stderr

    return run


@pytest.mark.parametrize("line, offered", [
    ("calve of", ["offload"]),
    ("calve re", ["restore", "retire"]),
    ("calve offload --source-ta", ["--source-table"]),
    ("calve run --progress ", ["auto", "always", "never"]),
    ("calve run --progress=al", ["always"]),       # readline replaces what follows the =
    ("calve run --table t", ["trades", "tickers"]),  # of the calve.yaml here
    ("calve run --config calve.yaml --table o", ["other"]),
    ("calve run --config cal", ["calm", "calve.yaml"]),
    ("calve run --config=calve", ["calve.yaml"]),
    ("calve config so", ["some file.txt"]),
    ("calve offload --source http://default@127.0.0.1:8123/k2 --source-ta", ["--source-table"]),
    ("calve completion ", ["bash", "zsh", "fish"]),
    ("calve nothing", []),
])
def test_bash(shells, line, offered):
    out, err = shells("bash", BASH, line)
    assert err == "" and sorted(out.splitlines()) == sorted(offered or [""])


def test_fish(shells):
    script = "calve completion fish | source; complete -C $argv[1]"
    for line, offered in [("calve re", ["restore", "retire"]), ("calve run --progress ", ["always", "auto", "never"]), ("calve run --table t", ["tickers", "trades"]),
                          ("calve run --config calve.y", ["calve.yaml"]), ("calve run --progress=al", ["--progress=always"]), ("calve run --config=calve.y", ["--config=calve.yaml"])]:
        out, err = shells("fish", script, line)
        assert err == "" and sorted(word.split("\t")[0] for word in out.splitlines()) == offered, (line, out, err)
    assert "\t" in shells("fish", script, "calve re")[0], "with what they are for"


def test_zsh(shells):
    for line, offered in [("calve re", ["restore", "retire"]), ("calve run --progress ", ["always", "auto", "never"]), ("calve run --table t", ["tickers", "trades"]),
                          ("calve run --config calve.y", ["aml"])]:  # what is lacking of the only one is written out, or the whole line again
        # There is no telling when zsh has done: it is given up after half a second of silence, on a busy machine after five.
        for patience in ("10", "100"):
            out, err = shells("zsh", ZSH.replace("PATIENCE", patience), line)
            if all(re.search(rf"{re.escape(word)}\b", out) for word in offered):
                break
        else:
            raise AssertionError((line, out, err))
        assert err == "" and (line != "calve re" or "Inserts cold rows back" in out)


def test_the_shell_gets_no_errors(shells):
    assert program.run("completion", "ksh", code=program.USAGE).out == ""
    assert program.run("__complete", "run", "--config", "/nonexistent", "--table", "").out == ":none\t\n"
    assert program.run("__complete", "--frobnicate", "x", "").err == ""


def test_manual_pages(tmp_path):
    """One for the program and one for each command, which mandoc and groff format without a word of complaint."""
    assert program.run("__manual", tmp_path / "nowhere", code=program.FAILED).err.startswith("calve: error: ")
    program.run("__manual", tmp_path)
    commands = set(re.findall(r"^  ([\w-]+) {2,}", program.run("--help").out.split("Subcommands:")[1], re.M))
    assert {path.name for path in tmp_path.iterdir()} == {"calve.1"} | {f"calve-{name}.1" for name in commands} and len(commands) > 12
    need(shutil.which("mandoc") and shutil.which("groff"), "mandoc or groff is missing")
    for path in tmp_path.iterdir():
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True)
        assert done.stdout + done.stderr == "", path.name
        done = subprocess.run(["groff", "-man", "-ww", "-Kutf8", "-Tutf8", "-rLL=100n", path], capture_output=True, text=True)
        assert done.stderr == "" and "NAME" in re.sub(".\b", "", done.stdout), done.stderr
    text = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=100", tmp_path / "calve-serve.1"], capture_output=True, text=True).stdout
    plain = re.sub(".\b", "", text)
    for words in ("calve-serve - Cycles on the configuration's schedule", "--stop-limit VALUE", "(default 25s)", "CALVE_LISTEN", "kill -HUP PID", "EXIT STATUS", "calve(1)"):
        assert words in plain, words


def test_version():
    text = program.run("--version").out
    assert re.fullmatch(r"calve \d+\.\d+\.\d+", text.splitlines()[0])
    for line in (r"  commit +([0-9a-f]{40}(-dirty)? of \d{4}-\d\d-\d\d|unknown)", r"  build +\w+, GCC [\d.]+", r"  arrow +\d+\.\d+", r"  libcurl +\d+\.\d+\S* \(.*OpenSSL/3",
                 r"  libpq +1\d\.\d+", r"  sqlite +3\.\d+\.\d+", r"  libchdb +/.*/libchdb\.so"):
        assert re.search(rf"^{line}", text, re.M), (line, text)
    told = program.run("--version", "--json").json
    assert told["version"] == text.split()[1] and told["commit"][:7] in text and set(told["libraries"]) >= {"arrow", "libcurl", "openssl", "libpq", "sqlite", "libchdb"}
    assert "none (only sources chdb:DIR" in program.run("--version", env={"CALVE_CHDB_LIBRARY": "/nonexistent"}).out


@pytest.mark.parametrize("place, said", [("git", r"[0-9a-f]{40}"), ("changed", r"[0-9a-f]{40}-dirty"), ("archive", r"[0-9a-f]{40}"), ("nothing", "unknown")])
def test_where_the_commit_comes_from(tmp_path, place, said):
    """A checkout, a changed one, an archive that `git archive` made, and a bare folder; a second time nothing is written."""
    folder = tmp_path / "source"
    folder.mkdir()
    git = ["git", "-C", folder, "-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "init.defaultBranch=main"]
    for name in ("COMMIT", ".gitattributes"):
        shutil.copy(program.ROOT / name, folder)
    if place != "nothing":
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
            subprocess.run([*git, *words], check=True)
    if place == "changed":
        (folder / "COMMIT").write_text("x")
    if place == "archive":
        packed = subprocess.run([*git, "archive", "HEAD"], check=True, capture_output=True).stdout
        shutil.rmtree(folder)
        folder.mkdir()
        subprocess.run(["tar", "-x", "-C", folder], input=packed, check=True)
    output = tmp_path / "commit.cc"
    command = ["cmake", f"-DSOURCE={folder}", f"-DOUTPUT={output}", "-P", program.ROOT / "cmake" / "CalveCommit.cmake"]
    subprocess.run(command, check=True)
    assert re.search(rf'kCommit\[\] = "{said}";', output.read_text()), output.read_text()
    assert re.search(r'kCommitDate\[\] = "(\d{4}-\d\d-\d\d)?";', output.read_text())
    before = output.stat().st_mtime_ns
    subprocess.run(command, check=True)
    assert output.stat().st_mtime_ns == before, "or every build would link anew"
