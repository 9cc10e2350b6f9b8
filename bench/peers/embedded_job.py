"""What the peers that run in the embedded ClickHouse share: the window on the command line, the report at the end."""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("warehouse")
    parser.add_argument("--table", required=True)
    parser.add_argument("--from", dest="begin", required=True)
    parser.add_argument("--to", dest="end", required=True)
    parser.add_argument("--report", required=True)
    return parser.parse_args()


def report(path, seconds):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"job_seconds": seconds}, file)
