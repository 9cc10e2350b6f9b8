"""The examples for orchestrators: the Prefect flow in the real Prefect, the others as far as they can be judged without their masters."""

import ast
import configparser
import json
import os
import re
import subprocess

import pytest
import yaml

from . import program
from .configuration import Configuration
from .test_run import make, numbers

EXAMPLES = program.ROOT / "examples" / "orchestrators"
PREFECT = program.DEPS / "venv-prefect" / "bin" / "python"

FLOW = """
import json, sys
sys.path.insert(0, {examples!r})
import prefect_flow
from prefect.testing.utilities import prefect_test_harness

prefect_flow.run_cycle.retry_delay_seconds = [0, 0]
with prefect_test_harness(server_startup_timeout=120):
    for _ in range({times}):
        state = prefect_flow.calve_cycle(return_state=True)
        print(json.dumps([state.type.value, state.message or "", None if state.is_failed() else state.result()]), flush=True)
"""


@pytest.fixture
def prefect(tmp_path):
    if not PREFECT.exists():
        (pytest.fail if os.environ.get("CALVE_STRICT") else pytest.skip)("Prefect is missing; run `make setup`")

    def run(config, times=1):
        done = subprocess.run([PREFECT, "-c", FLOW.format(examples=str(EXAMPLES), times=times)], capture_output=True, text=True, timeout=300,
                              env=program.environment(CALVE_CONFIG=str(config.file), CALVE_BINARY=str(program.BINARY), PREFECT_HOME=str(tmp_path / "prefect"),
                                                      PREFECT_SERVER_ANALYTICS_ENABLED="false", DO_NOT_TRACK="1"))
        states = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
        assert done.returncode == 0 and len(states) == times, done.stderr[-4000:]
        return states, done.stderr

    return run


def test_the_prefect_flow(cold, hot, prefect, duckdb):
    make(hot, "a", "b")
    config = Configuration(hot).write("a", {"source": "b", "after": ["a"]})
    (first, second), log = prefect(config, times=2)
    assert first == ["COMPLETED", first[1], 200] and second == ["COMPLETED", second[1], 0]
    assert "calve: a: 100 rows up to" in log and "2 tables done, 0 failed" in log
    # A table that fails fails the flow, which names it; the others are in.
    hot.execute("INSERT INTO a SELECT now64(3, 'UTC'), 100")
    config.write("a", "gone")
    ((state, message, _),), log = prefect(config)
    assert state == "FAILED" and "gone" in message and "a" in log
    assert numbers(duckdb, cold, "a") == list(range(101))
    # What is wrong with the configuration is not tried again.
    config.write({"source": "a", "colour": "red"})
    ((state, message, _),), log = prefect(config)
    assert state == "FAILED" and "colour" in message and log.count("calve: error: ") == 1


def commands():
    """Each command line of calve's in the examples."""
    for path in sorted(EXAMPLES.iterdir()):
        for line in path.read_text().splitlines():
            found = re.search(r"(?:ExecStart=|calve )(?:/usr/local/bin/calve|bash_command=\"calve) ((?:run|serve)[^>\"]*)", line)
            if found:
                yield path.name, found[1].split()
    job = yaml.safe_load((EXAMPLES / "cronjob.yaml").read_text())
    yield "cronjob.yaml", job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]


def test_their_command_lines_are_calves(cold, hot):
    make(hot, "a")
    config = Configuration(hot).write("a")
    seen = []
    for name, words in commands():
        words = [str(config.file) if word.endswith("calve.yaml") else word for word in words]
        more = ["--once"] if words[0] == "serve" else []
        program.run(*words, *more, env={"CALVE_CONFIG": str(config.file)})
        seen.append(name)
    assert {"calve.cron", "calve.service", "calve-serve.service", "cronjob.yaml"} <= set(seen), seen


def test_they_are_what_they_claim_to_be():
    for path in EXAMPLES.glob("*.py"):
        ast.parse(path.read_text())
    for path in [*EXAMPLES.glob("*.service"), *EXAMPLES.glob("*.timer")]:
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str
        unit.read_string(path.read_text())
        assert unit.has_section("Unit") and (unit.has_section("Service") or unit.has_section("Timer")), path.name
    job = yaml.safe_load((EXAMPLES / "cronjob.yaml").read_text())
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
