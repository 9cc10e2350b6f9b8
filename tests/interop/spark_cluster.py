"""Spark with executors that are processes of their own (local-cluster), and spark/calve_offload.py on it.

    python -m interop.spark_cluster

is its driver: a SparkContext that stays, and runs the program as often as a line of stdin asks for it. Starting Spark takes longer than
all that is done with it here.
"""

import contextlib
import json
import os
import pathlib
import runpy
import shutil
import signal
import subprocess
import sys
import time

from . import leaks, program

ADAPTER = program.ROOT / "spark" / "calve_offload.py"
EXECUTORS = 3
QUICK = {  # no UI, nothing that listens elsewhere than on loopback, and a second attempt as soon as one is late
    "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "512m", "spark.executor.memory": "512m", "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    "spark.executor.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1", "spark.python.task.killTimeout": "200ms",
    "spark.speculation": "true", "spark.speculation.interval": "200ms", "spark.speculation.quantile": "0.5",
    "spark.speculation.minTaskRuntime": "2s", "spark.task.reaper.enabled": "false", "spark.python.worker.reuse": "true"}


JAVA = """#!/bin/bash
# A second attempt of a task is only made on another host, and the workers of local-cluster share one: here each executor has an address of its own.
words=("$@")
for i in "${{!words[@]}}"; do
  case ${{words[i]}} in --executor-id) id=${{words[i + 1]}} ;; --hostname) host=$((i + 1)) ;; esac
done
[ -z "${{host-}}" ] || words[host]=127.0.0.$((id % {executors} + 2))
exec '{java}' "${{words[@]}}"
"""


def home(folder):
    """pyspark's own Spark in a place where its workers may leave their files."""
    import pyspark

    installed, here = pathlib.Path(pyspark.__path__[0]), folder / "spark-home"
    here.mkdir(parents=True, exist_ok=True)
    java = folder / "java" / "bin" / "java"
    java.parent.mkdir(parents=True, exist_ok=True)
    java.write_text(JAVA.format(java=shutil.which("java"), executors=EXECUTORS))
    java.chmod(0o755)
    for name in ("bin", "jars", "python", "sbin"):
        if not (here / name).exists():
            (here / name).symlink_to(installed / name)
    return here


def environment(folder, **more):
    return program.environment(SPARK_HOME=str(home(folder)), JAVA_HOME=str(folder / "java"), SPARK_LOCAL_IP="127.0.0.1", SPARK_LOCAL_DIRS=str(folder / "spark-local"),
                               PYSPARK_PYTHON=sys.executable, PYSPARK_DRIVER_PYTHON=sys.executable, SPARK_LOG_DIR=str(folder / "spark-log"), **more)


def conf(**more):
    return [word for key, value in {**QUICK, **more}.items() for word in ("--conf", f"{key}={value}")]


class Driver(subprocess.Popen):
    """The program as a driver of its own; ended with all that it started."""

    def __init__(self, folder, *arguments, env=None, stdin=subprocess.DEVNULL, module=None, **options):
        self.err = folder / f"driver-{time.monotonic_ns()}.err"
        command = [sys.executable, *(["-m", module] if module else [str(ADAPTER)]), *map(str, arguments)]
        with open(self.err, "wb") as err:
            super().__init__(command, stdin=stdin, stdout=subprocess.PIPE, stderr=err, text=True, start_new_session=True,
                             cwd=program.ROOT / "tests", env=environment(folder, **(env or {})), **options)

    def said(self):
        text = self.err.read_text(errors="replace")
        leaks.saw("stderr of calve_offload.py", text)
        return text

    def kill_all(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()


class Cluster:
    def __init__(self, folder):
        self.folder, self.events, self.count = folder, folder / "events", 0
        self.running = False
        self.events.mkdir(parents=True)
        settings = {**QUICK, "spark.eventLog.enabled": "true", "spark.eventLog.dir": f"file://{self.events}"}
        self.driver = Driver(folder, json.dumps(settings), module="interop.spark_cluster", stdin=subprocess.PIPE)
        assert self.driver.stdout.readline() == "ready\n", self.driver.said()[-5000:]

    def start(self, *arguments, env=None):
        """One run of the program; end() waits for it."""
        self.count += 1
        self.out, self.err = (self.folder / f"run-{self.count}.{kind}" for kind in ("out", "err"))
        self.driver.stdin.write(json.dumps({"arguments": [str(a) for a in arguments], "environment": env or {}, "out": str(self.out), "err": str(self.err)}) + "\n")
        self.driver.stdin.flush()
        self.running = True

    def end(self, code=program.DONE):
        line = self.driver.stdout.readline()
        self.running = False
        outcome = program.Outcome(json.loads(line) if line else None, self.out.read_text(), self.err.read_text(errors="replace"))
        program.see(["calve_offload.py"], outcome.out, outcome.err)
        assert code is None or outcome.code == code, f"expected exit {code}\n{outcome}"
        return outcome

    def run(self, *arguments, code=program.DONE, **options):
        self.start(*arguments, **options)
        return self.end(code)

    def settle(self):
        """Where a test failed amid a run: its outcome is nobody's."""
        if self.running:
            self.end(code=None)

    def told(self):
        """What Spark's UI shows: events of jobs, stages and tasks."""
        return [json.loads(line) for path in self.events.iterdir() for line in path.read_text().splitlines()]

    def stop(self):
        self.driver.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.driver.wait(20)
        self.driver.kill_all()


def main():
    from pyspark import SparkConf, SparkContext

    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    settings = SparkConf().setMaster(f"local-cluster[{EXECUTORS},1,1024]").setAppName("calve tests")
    for key, value in json.loads(sys.argv[1]).items():
        settings.set(key, value)
    context = SparkContext(conf=settings)
    context.parallelize(range(EXECUTORS), EXECUTORS).map(lambda n: n).collect()
    stop, SparkContext.stop = SparkContext.stop, lambda self: None
    print("ready", file=replies, flush=True)
    log = os.dup(2)
    for line in sys.stdin:
        request = json.loads(line)
        for descriptor, name in ((1, "out"), (2, "err")):
            file = os.open(request[name], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(file, descriptor)
            os.close(file)
        before = dict(os.environ)
        os.environ.update(request["environment"])
        sys.argv = [str(ADAPTER), *request["arguments"]]
        try:
            runpy.run_path(str(ADAPTER), run_name="__main__")
        except SystemExit as end:
            code = end.code
        os.environ.clear()
        os.environ.update(before)
        sys.stdout.flush()
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        print(json.dumps(code or 0), file=replies, flush=True)
    stop(context)


if __name__ == "__main__":
    main()
