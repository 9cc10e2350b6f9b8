"""calve as a program: run it, read what it says."""

import dataclasses
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("CALVE_BINARY") or ROOT / "build" / "release" / "calve")
DEPS = pathlib.Path(os.environ.get("CALVE_DEPS") or ROOT / ".deps")
LIBRARY = DEPS / "chdb" / "libchdb.so"

DONE, FAILED, USAGE, DIFFERENCE, PARTLY = 0, 1, 2, 3, 4


@dataclasses.dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self):
        """The one object on stdout; anything else there is a failure of the contract."""
        return json.loads(self.out)

    def __str__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CALVE_")}
    return {**kept, "CALVE_CHDB_LIBRARY": str(LIBRARY), "TZ": "America/New_York", **more}


def command(*arguments):
    return [str(BINARY), *map(str, arguments)]


def run(*arguments, code=DONE, env=None, timeout=120, cwd=None, user=None):
    """Runs calve; `code` is the exit code it must end with (None: any)."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, errors="replace", timeout=timeout, cwd=cwd,
                          env=environment(**(env or {})), stdin=subprocess.DEVNULL, user=user)
    outcome = Outcome(done.returncode, done.stdout, done.stderr)
    assert code is None or outcome.code == code, f"calve {' '.join(map(str, arguments))}: expected exit {code}\n{outcome}"
    return outcome


def start(*arguments, env=None, **options):
    return subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            errors="replace", env=environment(**(env or {})), stdin=subprocess.DEVNULL, **options)
