"""The watch for secrets sees what it should: a suite whose program gives them away fails, and says where."""

import os
import re
import subprocess
import sys

import pytest

from . import leaks, program

SUITE = program.ROOT / "tests" / "interop" / "leaking.py"
# In calve's place. The secret is what is in the environment.
LEAKY = """#!/bin/bash
p=$CALVE_STATE_PASSWORD
case $1 in
  stdout | goes-on) echo "connecting with $p" ;;
  by-line) echo "connecting with $p"; sleep 60 ;;
  stderr) echo "no such user: $p" >&2; exit 1 ;;
  percent) echo 'http://u:l%2Feak%20ed%2Bs3cret@h/' ;;
  base64) printf 'user:%s' "$p" | base64 ;;
  json) printf '{"x":"%s"}' "$p" ;;
  token) echo 0123-token-4567 ;;
esac
"""
PLACES = ["stdout of calve stdout", "stderr of calve stderr", "stdout of calve percent", "stdout of calve base64", "stdout of calve json", "stdout of calve goes-on",
          "stdout of calve by-line", "v1.metadata.json", "v2.gz.metadata.json unpacked", "state.db as SQL", "stdout of calve token", "PostgreSQL's tables"]


@pytest.fixture
def suite(tmp_path):
    """Runs leaking.py as pytest runs it; returns (exit code, what it printed)."""
    fake = tmp_path / "calve"
    fake.write_text(LEAKY)
    fake.chmod(0o755)

    def run(*options):
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-c", str(program.ROOT / "tests" / "pytest.ini"), f"--basetemp={tmp_path}/tests", *options, str(SUITE)],
                              capture_output=True, text=True, timeout=120, env={**os.environ, "CALVE_BINARY": str(fake)})
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_suite_that_gives_nothing_away_passes(suite):
    code, said = suite("-k", "nothing_leaks")
    assert code == 0 and "1 passed" in said, said


def test_a_suite_that_gives_secrets_away_fails(suite):
    code, said = suite()
    assert code == 1 and "places give secrets away" in said and re.search(r"9 passed.*1 error", said), said
    for place in PLACES:
        assert re.search(rf"secret .{{2,4}}… in .*{re.escape(place)}", said), f"{place}\n{said}"
    assert not re.search(r"… in .*nothing_leaks", said)


def test_every_form_is_found_wherever_it_stands():
    import base64

    watch = leaks.Watch()
    watch.secret("pass wörd")
    for before in ("", "a", "ab", "abc", "abcd"):
        watch.saw("header", base64.b64encode(f"{before}:pass wörd".encode()))
        assert len(watch.found()) == 1
        watch._seen.clear()
    watch.saw("elsewhere", "pass word")
    watch.check()
