#!/usr/bin/env python3
"""The crash matrix's counts as the table of docs/reliability.md.

    tools/crash_matrix.py build/release/calve_offload_test           run the matrix and rewrite the table
    tools/crash_matrix.py --output FILE                              the same from what a run printed
"""

import argparse
import pathlib
import re
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- crash-matrix: written by tools/crash_matrix.py -->", "<!-- end of crash-matrix -->"
ACTIONS = ["die_before", "die_after", "fail_before", "lost_answer"]


def lines(text, kind):
    """The key=value lines of one kind; gtest may have printed before them on the same line."""
    return [dict(pair.split("=", 1) for pair in found.split()) for found in re.findall(rf"^{kind} (.*)$", text, re.MULTILINE)]


def table(text):
    runs, calls, rows = lines(text, "crash-matrix"), {}, {}
    for call in lines(text, "crash-calls"):
        calls[call["call"]] = calls.get(call["call"], 0) + int(call["count"])
    failed = [run for run in runs if run["passed"] != "1"]
    if not runs or failed:
        sys.exit(f"the matrix did not pass: {failed or 'no runs'}")
    for run in runs:
        rows.setdefault((run["scenario"].replace("_", " "), run["catalog"]), {})[run["action"]] = int(run["points"])
    out = ["| cycle | catalog | " + " | ".join(action.replace("_", " ") for action in ACTIONS) + " |", "| --- | --- |" + " ---: |" * len(ACTIONS)]
    out += [f"| {name} | {catalog} | " + " | ".join(str(points[action]) for action in ACTIONS) + " |" for (name, catalog), points in rows.items()]
    total = sum(int(run["points"]) for run in runs)
    orphans = sum(int(run["orphans"]) for run in runs)
    out += ["", f"{total:,} runs, all passed; {orphans:,} of them left files that nothing refers to.", "",
            "The calls, over all cycles: " + ", ".join(f"{name} {count}" for name, count in sorted(calls.items())) + "."]
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.output:
        text = arguments.output.read_text()
    elif arguments.program:
        text = subprocess.run([arguments.program, "--gtest_filter=*CrashMatrix*"], capture_output=True, text=True).stdout
    else:
        parser.error("name the test program or a file")
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(text)}\n{END}{after}")


if __name__ == "__main__":
    main()
