"""What the benchmark ran on, without anything that names the place: no paths, no host names."""

import os
import platform
import re
import subprocess


def describe(place, told):
    return {**hardware(), "versions": _versions(place, told)}


def hardware():
    return {
        "processor": _first(r"model name\s*:\s*(.+)", "/proc/cpuinfo"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_first(r"MemTotal:\s*(\d+)", "/proc/meminfo") or 0) / 2**20, 1),
        "kernel": platform.release().partition("-")[0],
        "system": _first(r'PRETTY_NAME="(.+)"', "/etc/os-release"),
        "load_average_before": round(os.getloadavg()[0], 2)}


def _versions(place, told):
    found = {"ClickHouse (embedded, all contenders)": told["clickhouse"], "Python": platform.python_version()}
    if said := _says([place.calve, "--version"]):
        found["calve"] = said.removeprefix("calve ")
    if match := re.search(r'version "([^"]+)"', _says(["java", "-version"])):
        found["Java"] = match[1]
    listed = _says([place.venv / "bin" / "python", "-m", "pip", "list", "--format", "freeze"], whole=True)
    wanted = {"pyspark": "Spark", "pyiceberg": "PyIceberg", "pyiceberg-core": "pyiceberg-core", "pyarrow": "pyarrow"}
    for line in listed.splitlines():
        name, _, version = line.partition("==")
        if name.lower() in wanted:
            found[wanted[name.lower()]] = version
    for jar in sorted((place.deps / "spark" / "jars").glob("*.jar")):
        if match := re.match(r"(iceberg-spark-runtime-[\d._]+|clickhouse-jdbc)-([\d.]+?)(?:-all)?\.jar", jar.name):
            found[match[1]] = match[2]
    return found


def _first(pattern, path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            match = re.search(pattern, file.read())
    except OSError:
        return ""
    return match[1].strip() if match else ""


def _says(command, whole=False):
    try:
        done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
    except OSError:
        return ""
    text = (done.stdout or done.stderr).strip()
    return text if whole else text.partition("\n")[0]
