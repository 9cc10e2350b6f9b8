"""calve as a program: run it, read what it says."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess

from . import leaks

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


SECRETS = re.compile(r"(PASSWORD|SECRET|TOKEN|SECRET_ACCESS_KEY)$")


def environment(**more):
    for name, value in more.items():
        if SECRETS.search(name) and len(value) >= leaks.LENGTH_MIN:
            leaks.secret(value)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CALVE_")}
    return {**kept, "CALVE_CHDB_LIBRARY": str(LIBRARY), "CALVE_LISTEN": "127.0.0.1:0", "TZ": "America/New_York", **more}


def command(*arguments):
    return [str(BINARY), *map(str, arguments)]


def run(*arguments, code=DONE, env=None, timeout=120, cwd=None, user=None, lines=None):
    """Runs calve; `code` is the exit code it must end with (None: any); `lines` is what stands on its stdin."""
    given = {"stdin": subprocess.DEVNULL} if lines is None else {"input": "".join(f"{line}\n" for line in lines)}
    done = subprocess.run(command(*arguments), capture_output=True, text=True, errors="replace", timeout=timeout, cwd=cwd,
                          env=environment(**(env or {})), user=user, **given)
    outcome = Outcome(done.returncode, done.stdout, done.stderr)
    see(arguments, outcome.out, outcome.err)
    assert code is None or outcome.code == code, f"calve {' '.join(map(str, arguments))}: expected exit {code}\n{outcome}"
    return outcome


def see(arguments, out, err):
    name = arguments[0] if arguments else "(no command)"
    leaks.saw(f"stdout of calve {name}", out)
    leaks.saw(f"stderr of calve {name}", err)


class Running(subprocess.Popen):
    """A calve that runs, with its output in pipes."""

    def __init__(self, arguments, **options):
        super().__init__(command(*arguments), **options)
        self._arguments = arguments
        if self.stdout:
            self.stdout = leaks.Pipe(self.stdout, f"stdout of calve {arguments[0]}")
        if self.stderr:
            self.stderr = leaks.Pipe(self.stderr, f"stderr of calve {arguments[0]}")

    def communicate(self, *arguments, **options):
        out, err = super().communicate(*arguments, **options)
        see(self._arguments, out, err)
        return out, err


def start(*arguments, env=None, **options):
    return Running(arguments, env=environment(**(env or {})),
                   **{**dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", stdin=subprocess.DEVNULL), **options})
