"""The runbooks as text: each page has what a tired reader looks for, in the same order; every page has a test that causes its incident; links lead
somewhere; alerts and metrics are called by their names. And the drills themselves can fail."""

import pathlib
import re
import types

import pytest
import yaml

from . import program, runbooks, test_runbooks, test_runbooks_of_alerts, test_runbooks_of_moves
from .runbooks import FOLDER, HEADINGS, Drill, Page

LANGUAGES = {"sh", "sql", "yaml", "python", "text"}
LINK = re.compile(r"\[[^]]*\]\(([^)]+)\)")
METRIC = re.compile(r"`((?:offload|watermark)_\w+)")
FIRST_SCREEN = 700  # characters before the first heading


def anchors(text):
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.M)}


@pytest.mark.parametrize("name", runbooks.pages())
def test_what_a_page_has(name):
    page = Page(name)
    assert page.headings == HEADINGS
    assert page.opening.split("\n\n")[1].startswith("**Now:** ") and len(page.opening) < FIRST_SCREEN, "the first screen says what to do"
    for heading in HEADINGS:
        assert page.section(heading).strip(), f"nothing under {heading}"
    assert {block.language for block in page.blocks} <= LANGUAGES
    assert page.text.count("```") == 2 * len(page.blocks), "a block that nobody would execute"
    shown = [block.heading for block in page.blocks]
    assert "text" in {block.language for block in page.blocks if block.heading == "Symptoms"}, "what calve says, literally"
    assert {"Diagnosis", "Remedy", "How to know that it worked"} <= set(shown)
    assert "text" in {block.language for block in page.blocks if block.heading == "How to know that it worked"}, "what one should see"
    assert re.search(r"\bnever\b", page.section("Why it is safe"), re.I), "what never to do"


@pytest.mark.parametrize("name", [*runbooks.pages(), "README"])
def test_links_lead_somewhere(name):
    page = FOLDER / f"{name}.md"
    for link in LINK.findall(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_every_page_is_gone_through_and_in_the_index():
    assert set(runbooks.DRILLS) == set(runbooks.pages())
    for module in (test_runbooks, test_runbooks_of_alerts, test_runbooks_of_moves):
        assert any(hasattr(module, test) for tests in runbooks.DRILLS.values() for test in tests)
    index = (FOLDER / "README.md").read_text()
    assert {f"{name}.md" for name in runbooks.pages()} <= set(link.partition("#")[0] for link in LINK.findall(index))


def test_alerts_and_metrics_by_their_names():
    rules = yaml.safe_load((program.ROOT / "deploy" / "prometheus" / "calve_alerts.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    metrics = (program.ROOT / "docs" / "metrics.md").read_text()
    for name in [*runbooks.pages(), "README"]:
        text = (FOLDER / f"{name}.md").read_text()
        assert set(re.findall(r"\bCalve[A-Z]\w+", text)) <= alerts, name
        for metric in METRIC.findall(text):
            assert metric == "offload_watermarks" or f"`{metric}" in metrics, f"{name}: {metric}"


# --- drills that must fail ------------------------------------------------------------------------------------------------

PAGE = """# A page

**Now:** nothing.

## Symptoms
```text
it is broken
```
## Diagnosis
```sh
echo 3 rows at 2024-08-09T00:00:00Z in 12 ms # exit code 0
false # exit code 1
```
```text
3 rows at 2026-11-30T08:03:49.5Z in 1.5 s
```
## Remedy
### One
```sh
echo $TABLE
```
```text
trades
```
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Makes a page of a text; returns its drill."""
    place = types.SimpleNamespace(folder=tmp_path, programs=tmp_path, replaced={})

    def write(text):
        (tmp_path / "page.md").write_text(text)
        return Drill("page", place)

    monkeypatch.setattr(runbooks, "FOLDER", pathlib.Path(tmp_path))
    return write


def through(drill):
    with drill:
        drill.symptoms("calve: it is broken")
        drill.do("Diagnosis")
        drill.do("Remedy", "One")


def test_a_page_that_is_right(written):
    through(written(PAGE))


@pytest.mark.parametrize("right, wrong", [
    ("it is broken", "it is well"), ("3 rows at 2026", "4 rows at 2026"), ("\ntrades\n", "\nquotes\n"), ("false # exit code 1", "false"), ("# exit code 0", "# exit code 3"),
    ("echo $TABLE", "echo $TABLE | grep -q x | cat"), ("in 1.5 s\n", "in 1.5 s\nand so on\n"), ("### One\n", "```sh\ntrue\n```\n### One\n")])
def test_a_page_that_is_wrong(written, right, wrong):
    assert right in PAGE
    with pytest.raises(AssertionError):
        through(written(PAGE.replace(right, wrong)))
