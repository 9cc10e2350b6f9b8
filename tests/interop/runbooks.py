"""Runbooks (docs/runbooks) as something that can be gone through: their blocks in order, at a place where the incident has been caused.

What a page may hold, and what becomes of it:

    ```sh       each line is a command, run by bash in the folder of calve.yaml, with TABLE and the drill's other variables set;
                it has to end with exit code 0, or with the one that a comment behind it names: # exit code 3.
                `systemctl … calve` acts on the calve serve of the place.
    ```sql      statements for ClickHouse; where it begins with `-- Spark` or `-- PostgreSQL`, for that. $TABLE and its like are put in, here and below
    ```yaml     what is to be changed in calve.yaml: merged into the place's
    ```python   a script
    ```text     under Symptoms: what calve says, to be found in what the incident made it say. Elsewhere: what the block before prints.

Text is compared line by line, each line somewhere behind the one before: numbers, names and words as they stand there. Times, durations, sizes,
rates, snapshot ids and UUIDs only have to be some, and … stands for anything. Names of places (REPLACED) are those of the place.
"""

import contextlib
import os
import re
import subprocess
import sys

import yaml

from . import leaks, program

FOLDER = program.ROOT / "docs" / "runbooks"
HEADINGS = ["Symptoms", "What it means", "Diagnosis", "Remedy", "How to know that it worked", "Why it is safe", "See also"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
EXIT_CODE = re.compile(r"\s+# exit code (\d+)$")
LOOSE = [(re.compile(pattern), stands_for) for pattern, stands_for in (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?", "TIME"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"),
    (r"\([\d.,]+ ?[kM]? ?rows/s\)", "RATE"),
    (r"-?\b[\d.,]+ (ms|s|min|h|d)\b", "DURATION"),
    (r"\b[\d.,]+ (B|kB|MB|GB)\b", "BYTES"),
    (r"\b\d{15,20}\b", "ID"),
    (r"process \d+", "process PID"),
    (r"\s+", " "))]


def pages():
    return sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")


class Block:
    def __init__(self, heading, part, language, text):
        self.heading, self.part, self.language, self.text = heading, part, language, text
        self.used = False

    def __repr__(self):
        return f"{self.heading}{' / ' + self.part if self.part else ''}: ```{self.language}\n{self.text}"


class Page:
    def __init__(self, name):
        self.name, self.text = name, (FOLDER / f"{name}.md").read_text()
        self.title = re.match(r"# (.*)\n", self.text)[1]
        self.headings = re.findall(r"^## (.*)$", self.text, re.M)
        self.opening = self.text.partition("\n## ")[0]
        self.blocks = [Block("", "", *found) for found in BLOCK.findall(self.opening)]
        for section in re.split(r"^## ", self.text, flags=re.M)[1:]:
            heading, _, body = section.partition("\n")
            for part in re.split(r"^### ", "\n" + body, flags=re.M):
                name, _, rest = part.partition("\n")
                self.blocks += [Block(heading, name, *found) for found in BLOCK.findall(rest)]

    def section(self, heading):
        return re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", self.text, re.M | re.S)[1]


def loose(text):
    for pattern, stands_for in LOOSE:
        text = pattern.sub(stands_for, text)
    return text.strip()


def lines_missing(expected, printed):
    """The first line of what is expected that is not to be found behind those before it; None where all are."""
    rest = [loose(line) for line in printed.splitlines()]
    for line in filter(None, (loose(line) for line in expected.splitlines())):
        pattern = re.compile(".*".join(re.escape(piece.strip()) for piece in line.split("…")))
        found = next((number for number, seen in enumerate(rest) if pattern.search(seen)), None)
        if found is None:
            return line
        rest = rest[found + 1:]
    return None


class Drill:
    """A page gone through at a place. At the end of the `with` nothing of it may be left out.

    `place` has folder, replaced (names of the page: names of the place), variables, sql(text), service(verb), change(mapping);
    and spark(text), postgres(text) where a page asks for them."""

    def __init__(self, name, place, **variables):
        self.page, self.place = Page(name), place
        self.variables = {"TABLE": "trades", **{name: str(value) for name, value in variables.items()}}
        self.said = ""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is None:
            left = [block for block in self.page.blocks if not block.used]
            assert not left, f"{self.page.name}: no test of these, or not as the page says: {left}"

    # --- what the incident made calve say

    def symptoms(self, *said, only=None):
        """Each text under Symptoms (or the one that holds these words) is in what was said."""
        printed = "\n".join(map(str, said))
        shown = [block for block in self.page.blocks if block.heading == "Symptoms" and block.language == "text" and (only is None or only in block.text)]
        assert shown, f"{self.page.name} shows no such symptom"
        for block in shown:
            missing = lines_missing(self._here(block.text), printed)
            assert missing is None, f"{self.page.name}: not said: {missing}\n--- but\n{printed}"
            block.used = True

    # --- its commands

    def do(self, heading, part=None):
        """All blocks under the heading (and its part, `### part`); what they printed."""
        blocks = [block for block in self.page.blocks if block.heading == heading and (part is None or block.part == part)]
        assert blocks, f"{self.page.name} has nothing under {heading} {part or ''}"
        printed, everything = None, ""
        for block in blocks:
            block.used = True
            text = self._here(block.text)
            if block.language == "text":
                assert printed is not None, f"{self.page.name}: whose output is {block}"
                missing = lines_missing(text, printed)
                assert missing is None, f"{self.page.name}: {heading}: not printed: {missing}\n--- but\n{printed}"
                continue
            printed = getattr(self, f"_{block.language}")(text)
            everything += printed
        self.said += everything
        return everything

    def run_only(self, heading, *languages):
        """The blocks under the heading of these languages (none: all but text), at a place that prints other numbers than the page."""
        languages = languages or ("sh", "sql", "yaml", "python")
        return "".join(getattr(self, f"_{block.language}")(self._here(block.text)) for block in self.page.blocks
                       if block.heading == heading and block.language in languages)

    def _here(self, text):
        for theirs, ours in self.place.replaced.items():
            text = text.replace(theirs, str(ours))
        return text

    def _sh(self, text):
        printed = ""
        for line in text.replace("\\\n", " ").splitlines():
            wanted = EXIT_CODE.search(line)
            command = EXIT_CODE.sub("", line).strip()
            if not command or command.startswith("#"):
                continue
            if found := re.fullmatch(r"systemctl (\w+) calve", command):
                self.place.service(found[1])
                continue
            environment = program.environment(**self.variables)
            environment["PATH"] = f"{self.place.programs}:{environment['PATH']}"
            done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], cwd=self.place.folder, env=environment, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=120)
            leaks.saw(f"{self.page.name}: {command}", done.stdout + done.stderr)
            assert done.returncode == (int(wanted[1]) if wanted else 0), f"{self.page.name}: {command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
            printed += done.stdout + done.stderr
        return printed

    def _sql(self, text):
        text = self._with_variables(text)
        who = re.match(r"-- (\w+)", text)
        act = {"Spark": lambda: self.place.spark, "PostgreSQL": lambda: self.place.postgres}.get(who and who[1], lambda: self.place.sql)()
        statement = "\n".join(line for line in text.splitlines() if not line.startswith("-- "))
        return "\n".join(filter(None, (act(one) for one in statement.split(";\n") if one.strip()))) + "\n"

    def _with_variables(self, text):
        for name, value in self.variables.items():
            text = re.sub(rf"\${name}\b", lambda _, value=value: value, text)
        return text

    def _yaml(self, text):
        self.place.change(yaml.safe_load(self._with_variables(text)))
        return ""

    def _python(self, text):
        done = subprocess.run([sys.executable, "-c", self._with_variables(text)], cwd=self.place.folder, env=dict(os.environ), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{self.page.name}: {done.stderr}"
        return done.stdout + done.stderr


DRILLS = {}  # page: the tests that go through it


def drill(page):
    """Marks a test as the one of this page."""
    def mark(test):
        DRILLS.setdefault(page, []).append(test.__name__)
        return test
    return mark


@contextlib.contextmanager
def gone_through(name, place, **variables):
    with Drill(name, place, **variables) as going:
        yield going
