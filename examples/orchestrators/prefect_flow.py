"""calve as a Prefect 3 flow: one cycle over every table of the configuration, every 15 minutes.

    pip install prefect
    CALVE_CONFIG=/etc/calve/calve.yaml python prefect_flow.py     # serves the flow; Prefect starts a cycle at :00, :15, :30, :45

The flow fails where a table failed, and says which. It needs no state of its own: a run that was killed, or that Prefect starts twice, is
harmless, for calve takes up each table where its own snapshots say.
"""

import json
import os
import signal
import subprocess

from prefect import flow, get_run_logger, task

DONE, SOME_FAILED = 0, 4  # calve's exit codes; 1 failed, 2 bad configuration, 130 and 143 stopped


@task(name="calve run", retries=2, retry_delay_seconds=[30, 120])
def run_cycle(tables=()):
    """What `calve run --json` says. Tried again where nothing went well; a configuration that is wrong is not."""
    command = [os.environ.get("CALVE_BINARY", "calve"), "run", "--json", *(word for table in tables for word in ("--table", table))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, log = process.communicate()
    except BaseException:  # cancelled: calve finishes or undoes the step at hand
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        raise
    logger = get_run_logger()
    for line in log.splitlines():
        logger.info(line)
    told = json.loads(out) if out else {}
    told.setdefault("exit_code", process.returncode)
    if process.returncode == 1:
        raise RuntimeError(f"calve run failed: {log.strip().splitlines()[-1:]}")
    return told


@flow(name="calve", log_prints=True, timeout_seconds=3600)
def calve_cycle(tables: list[str] | None = None):
    told = run_cycle(tables or [])
    if told["exit_code"] not in (DONE, SOME_FAILED):
        raise RuntimeError(f"calve run ended with exit code {told['exit_code']}: {told.get('error', {}).get('message', '')}")
    failed = {table["name"]: table["error"]["message"] for table in told["tables"] if table["state"] == "failed"}
    print(f"{told['rows']} rows in {told['duration_seconds']:.1f} s; {told['done']} tables done, {told['failed']} failed, {told['skipped']} skipped")
    if failed:
        raise RuntimeError("; ".join(f"{name}: {message}" for name, message in failed.items()))
    return told["rows"]


if __name__ == "__main__":
    # limit=1: Prefect itself keeps cycles from overlapping; calve's lease does so where that fails.
    calve_cycle.serve(name="every-15-minutes", cron="*/15 * * * *", limit=1)
