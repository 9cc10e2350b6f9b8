#!/usr/bin/env python3
"""Offloads one window of a ClickHouse table on Spark's executors, in one commit (docs/spark.md).

    spark-submit --master yarn --files calve calve_offload.py \\
        --source http://default@clickhouse:8123/k2 --source-table trades \\
        --warehouse s3://lake/cold --target-table cold.trades --timestamp-col ts --slices 200

The driver plans (`calve plan`), a task for each slice writes its files (`calve write-slice`), and the driver commits
them all (`calve commit`). A task may be repeated, run twice at once or die anywhere: its files are not in the table
before the commit, and what the commit does not take is deleted by it.

    python3 calve_offload.py --lines --master yarn --files calve --source …

is the part in the middle alone: slice lines from stdin, written lines to stdout, as `distribute: {command: …}` of a
configuration wants it. (spark-submit gives its program no stdin, so that this one is started by Python itself.)

What is not an option of this program is one of `calve offload`.
"""

import argparse
import collections
import contextlib
import glob
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

try:
    import pyspark  # noqa: F401
except ImportError:  # Spark as it is unpacked, without spark-submit
    _python = os.path.join(os.environ.get("SPARK_HOME", ""), "python")
    sys.path += [_python, *glob.glob(os.path.join(_python, "lib", "py4j-*.zip"))]

from pyspark import SparkConf, SparkContext, SparkFiles, TaskContext  # noqa: E402
from pyspark.traceback_utils import SCCallSiteSync  # noqa: E402

LAST_LINES = 20  # of a writer's stderr, in the message of its failure
PROGRESS_SECONDS = 10
FAILURE = re.compile(r"<calve-failure>\n(.*?)\n</calve-failure>", re.DOTALL)

# Which of calve's options go where; --config goes everywhere. A writer needs the source and the store, a commit the catalog, the store and the
# journal; everything goes to the plan.
OF_SOURCE = {"--source", "--source-password-file", "--source-compression", "--source-ca-file", "--source-cert-file",
             "--source-key-file", "--connect-timeout", "--idle-timeout", "--setting",
             "--cluster", "--cluster-http-port", "--shard", "--queries-per-server", "--replica-wait"}
OF_TARGET = {"--catalog", "--warehouse", "--state", "--state-password-file"}
OF_WRITER = {"--memory", "--attempts"}
OF_OUTPUT = {"--log-format", "--progress", "--quiet", "--verbose", "-q", "-v"}


def say(text):
    tell_log(f"calve_offload: {text}\n")


def tell_log(text):
    """That nobody reads stderr any more is no reason to stop here."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


# --- on the executors ----------------------------------------------------------------------------------------------------


def find_program(name, more=()):
    """The path of the binary: as it is named, where Spark puts --files and --archives, in `more`, or on PATH."""
    if os.path.isabs(name):
        return name
    places = [os.path.abspath(name), *more]
    try:
        places.insert(0, SparkFiles.get(name))
    except Exception:  # a driver without a context yet
        pass
    for place in places:
        if os.path.isfile(place):
            return place
    return shutil.which(name)


def program_of(name, folder, more=()):
    """(path, environment) of something that can be run. A file may have lost its x-bit on its way: then it is copied to
    `folder`, once for all tasks of an executor. Its libraries stand beside the file in an archive of pack_calve."""
    path = find_program(name, more)
    if path is None:
        raise RuntimeError(f"there is no {name} here: name it in --files or --archives, or where it is in the executors' image with --calve PATH")
    environment = dict(os.environ)
    libraries = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(path))), "lib", "calve")
    if os.path.isdir(libraries):
        environment["LD_LIBRARY_PATH"] = ":".join(filter(None, [libraries, os.environ.get("LD_LIBRARY_PATH")]))
    if os.access(path, os.X_OK):
        return path, environment
    copy = os.path.join(folder, f".calve-{os.stat(path).st_mtime_ns}")
    if not os.path.exists(copy):
        fresh = f"{copy}-{os.getpid()}"
        shutil.copyfile(path, fresh)
        os.chmod(fresh, 0o500)
        os.rename(fresh, copy)
    return copy, environment


def slice_names(lines):
    numbers = [json.loads(line).get("slice") for line in lines]
    of = json.loads(lines[0]).get("of")
    return f"slice {numbers[0]} of {of}" if len(numbers) == 1 else f"one of the slices {', '.join(map(str, numbers))} of {of}"


def config_here(arguments):
    """The configuration is where Spark put it, but for executors that have it in the same place as the driver."""
    for i, word in enumerate(arguments[:-1]):
        if word == "--config" and not os.path.exists(arguments[i + 1]):
            return [*arguments[:i + 1], SparkFiles.get(os.path.basename(arguments[i + 1])), *arguments[i + 2:]]
    return arguments


def write_slices(calve, arguments, environment, sums):
    """What a task does: as RDD.pipe, and besides the writer has this process's environment, tells the driver why it
    failed, and is ended where its task ends. (A task that Spark kills loses this process, and `calve write-slice` ends by
    itself when nobody reads what it says.)"""

    def of_partition(lines):
        lines = list(lines)
        if not lines:
            return
        task = TaskContext.get()
        program, own = program_of(calve, SparkFiles.getRootDirectory())
        writer = subprocess.Popen([program, "write-slice", *config_here(arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, errors="replace", env={**own, **environment})
        last = collections.deque(maxlen=LAST_LINES)

        def tell():
            try:
                writer.stdin.write("".join(line + "\n" for line in lines))
                writer.stdin.close()
            except BrokenPipeError:
                pass  # its exit code says why

        def hear():
            for line in writer.stderr:
                last.append(line.rstrip("\n"))
                tell_log(line)  # of the executor

        threads = [threading.Thread(target=tell, daemon=True), threading.Thread(target=hear, daemon=True)]
        try:
            for thread in threads:
                thread.start()
            count = 0
            for line in writer.stdout:
                files = json.loads(line).get("files", [])
                for total, more in zip(sums, (1, sum(f["record-count"] for f in files), sum(f["file-size-in-bytes"] for f in files), len(files))):
                    total.add(more)
                count += 1
                yield line.rstrip("\n")
            code = writer.wait()
            threads[1].join(10)
            if code or count != len(lines):
                why = f"ended with {code}" if code else f"answered {count} of {len(lines)} lines"
                raise RuntimeError(f"<calve-failure>\n{slice_names(lines)}, attempt {task.attemptNumber() + 1} on {os.uname().nodename}: "
                                   f"calve write-slice {why}\n" + "\n".join(last) + "\n</calve-failure>")
        finally:
            if writer.poll() is None:
                writer.terminate()  # it deletes its files
                try:
                    writer.wait(30)
                except subprocess.TimeoutExpired:
                    writer.kill()
                    writer.wait()

    return of_partition


# --- on the driver ---------------------------------------------------------------------------------------------------------


class Failed(Exception):
    """`of_slices`: the slices cannot be written; else Spark itself was lost, or something here, and the plan is left for
    the next run."""

    def __init__(self, reason, of_slices=False):
        super().__init__(reason)
        self.of_slices = of_slices


def reason_of(error, parts):
    """What the user needs to know of Spark's exception: what the writer of the last attempt said, else Spark's own words."""
    text = str(error)
    told = FAILURE.findall(text)
    if told:
        return told[-1]
    found = re.search(r"Job aborted[^\n]*|Job \d+ cancelled[^\n]*", text)
    reason = found.group(0) if found else text.strip().split("\n")[0]
    task = re.search(r"Task (\d+) in stage", reason)
    return f"{slice_names(parts[int(task.group(1))])}: {reason}" if task and int(task.group(1)) < len(parts) else reason


class Progress(threading.Thread):
    """Tells on stderr how far the job is; Spark's UI shows the same, task by task."""

    def __init__(self, slices, sums):
        super().__init__(daemon=True)
        self.slices, self.sums, self.ended = slices, sums, threading.Event()

    def text(self):
        written, rows, size, files = (total.value for total in self.sums)
        return f"{written} of {self.slices} slices written, {rows:,} rows, {files:,} files, {size / 1e6:,.1f} MB"

    def run(self):
        told = None
        while not self.ended.wait(PROGRESS_SECONDS):
            if (text := self.text()) != told:
                say(told := text)

    def end(self):
        self.ended.set()
        say(self.text())


def spread(context, options, lines, arguments, environment):
    """Writes the slices on the executors: their written lines, in the slices' order."""
    first = json.loads(lines[0])
    tasks = min(options.tasks or len(lines), len(lines))
    parts = [lines[len(lines) * i // tasks:len(lines) * (i + 1) // tasks] for i in range(tasks)]
    rows = sum(json.loads(line).get("rows") or 0 for line in lines)
    plan = os.path.splitext(os.path.basename(first["plan"]))[0]
    what = f"{options.name or first['target']}: calve write-slice"
    details = f"{what}, {len(lines)} slices, {rows:,} rows ({first.get('job', 'offload')} plan {plan})"
    for option, *value in groups(arguments):
        if option == "--config" and value:
            context.addFile(value[0])
    sums = [context.accumulator(0) for _ in range(4)]
    # Read once, and by one action: a second one would write every slice again.
    written = context.parallelize(parts, tasks).flatMap(lambda part: part).mapPartitions(write_slices(options.calve, arguments, environment, sums))
    written.setName(f"written slices of {plan}")
    site = SCCallSiteSync(context)
    site._call_site = what  # the stage's name
    outcome = []

    def collect():
        context.setJobGroup(f"calve {plan}", details, interruptOnCancel=True)
        try:
            with site:
                outcome.append(written.collect())
        except Exception as error:
            outcome.append(error)

    progress = Progress(len(lines), sums)
    progress.start()
    # Of a thread of its own, because nothing can be told to Spark from one that waits for it: a signal has to cancel it.
    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(1)
    finally:
        progress.end()
    if isinstance(outcome[0], Exception):
        raise Failed(reason_of(outcome[0], parts), of_slices="due to stage failure" in str(outcome[0])) from outcome[0]
    return outcome[0]


def groups(arguments):
    """Options with their values: [["--source", "http://…"], ["--json"], ["--lease=6h"]]."""
    found = []
    for argument in arguments:
        if argument.startswith("-") or not found:
            found.append([argument])
        else:
            found[-1].append(argument)
    return found


def chosen(arguments, names, *prefixes):
    return [word for group in groups(arguments) for word in group
            if (name := group[0].split("=")[0]) in names or any(name.startswith(prefix) for prefix in prefixes)]


def passed_environment(names):
    """The variables of the driver's that writers are given, without anybody logging them: what calve reads of the source
    and the store, and those that were asked for. Spark's own way, spark.executorEnv.NAME, works as well."""
    of_commit = ("CALVE_CATALOG", "CALVE_STATE", "CALVE_SERVE", "CALVE_CONFIG")
    found = {name: value for name, value in os.environ.items() if name.startswith("CALVE_") and not name.startswith(of_commit)}
    for name in names:
        if name not in os.environ:
            raise Failed(f"--env {name}: the driver's environment has no such variable")
        found[name] = os.environ[name]
    return found


def start_context(options):
    conf = SparkConf().setIfMissing("spark.app.name", "calve offload")
    for key, value in (("spark.master", options.master), ("spark.files", options.files), ("spark.archives", options.archives)):
        if value:
            conf.set(key, value)
    for pair in options.conf:
        key, _, value = pair.partition("=")
        conf.set(key, value)
    return SparkContext.getOrCreate(conf)


def local_files():
    """Where --files of spark-submit are on the driver's own disk."""
    conf = SparkConf()
    named = ",".join(filter(None, [conf.get("spark.files", ""), conf.get("spark.yarn.dist.files", "")])).split(",")
    return [re.sub(r"^file:(//)?", "", name.split("#")[0]) for name in named]


def cancel_when(context_of, ended, descriptor):
    """A thread that cancels everything when nobody reads `descriptor` any more: who asked for the lines is gone."""

    def watch():
        poll = select.poll()
        poll.register(descriptor, 0)
        while not ended.is_set():
            if poll.poll(500):
                say("nobody reads the written lines any more; ending")
                context_of().cancelAllJobs()
                return

    threading.Thread(target=watch, daemon=True).start()


def run_lines(options, calve_options):
    """stdin to stdout. Spark's own processes say what they say on stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lines = [line.rstrip("\n") for line in sys.stdin if line.strip()]
    if not lines:
        return 0
    context, ended = start_context(options), threading.Event()
    cancel_when(lambda: context, ended, out.fileno())
    try:
        written = spread(context, options, lines, calve_options, passed_environment(options.env))
    finally:
        ended.set()
    out.write("".join(line + "\n" for line in written))
    out.flush()
    return 0


def run_offload(options, calve_options, folder):
    environment = passed_environment(options.env)
    name = options.driver_calve or options.calve
    named = [path for path in local_files() if os.path.basename(path) == name]
    if find_program(name, named) is None:
        start_context(options)  # which unpacks archives
    calve, own = program_of(name, folder, named)
    plan_options = [word for group in groups(calve_options) if group[0].split("=")[0] not in ("--json", "--attempts") for word in group]
    planned = subprocess.run([calve, "plan", *plan_options, "--resume"], stdout=subprocess.PIPE, text=True, env=own)
    if planned.returncode:
        return planned.returncode
    lines = planned.stdout.splitlines()
    if not lines:
        say("there is nothing to write")
        return 0
    try:
        written = spread(start_context(options), options, lines, chosen(calve_options, OF_SOURCE | OF_WRITER | OF_OUTPUT, "--config", "--store-"), environment)
    except Failed as failure:
        if failure.of_slices:
            say("ending the plan; what was written of it is deleted")
            subprocess.run([calve, "plan", *plan_options, "--abandon"], stdout=subprocess.DEVNULL, env=own)
        raise
    # All of it, or nothing: a driver that dies here never gives a commit the half of the list.
    with open(os.path.join(folder, "written.jsonl"), "w+", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in written))
        file.flush()
        file.seek(0)
        commit = chosen(calve_options, OF_TARGET | OF_OUTPUT | {"--json"}, "--config", "--catalog-", "--store-")
        return subprocess.run([calve, "commit", *commit], stdin=file, env=own).returncode


def parse(arguments):
    parser = argparse.ArgumentParser(prog="calve_offload.py", usage="spark-submit [Spark's options] calve_offload.py [options] [options of calve offload]",
                                     description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--calve", default="calve", metavar="PATH", help="the binary on the executors, and on the driver: its name in --files, its path in an archive (calve/bin/calve) or an image (/usr/bin/calve); default: calve")
    parser.add_argument("--driver-calve", metavar="PATH", help="the binary on the driver, where it is elsewhere than on the executors")
    parser.add_argument("--tasks", type=int, metavar="N", help="so many tasks, each of several slices; default: one for each slice")
    parser.add_argument("--env", action="append", default=[], metavar="NAME", help="give writers this variable of the driver's environment (AWS_SECRET_ACCESS_KEY); CALVE_* of source and store are given; repeatable")
    parser.add_argument("--lines", action="store_true", help="write the slices that stdin names, and say on stdout what was written; the other options are those of calve write-slice")
    parser.add_argument("--name", help="what Spark's UI calls it; default: the target table")
    spark = parser.add_argument_group("without spark-submit", "options of spark-submit that python3 calve_offload.py knows itself")
    spark.add_argument("--master")
    spark.add_argument("--files")
    spark.add_argument("--archives")
    spark.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_known_args(arguments)


def stopped(number, _):
    # Once: what comes next is ended by it.
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main(arguments):
    options, calve_options = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)
    try:
        if options.lines:
            return run_lines(options, calve_options)
        with tempfile.TemporaryDirectory(prefix="calve-offload-") as folder:
            return run_offload(options, calve_options, folder)
    except (Failed, RuntimeError) as failure:
        say(f"error: {failure}")
        return 1
    except (SystemExit, KeyboardInterrupt) as stop:  # pyspark makes the latter of SIGINT
        say("stopped; a plan that was made is taken up by the next run, or ended by calve plan --abandon")
        return stop.code if isinstance(stop, SystemExit) else 128 + signal.SIGINT
    finally:
        if SparkContext._active_spark_context:
            SparkContext._active_spark_context.cancelAllJobs()
            SparkContext._active_spark_context.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
