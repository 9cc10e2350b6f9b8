"""From measurements to a table, a verdict on each bar, and docs/benchmarks.md."""

import statistics

MEASURES = ("job_s", "wall_s", "cpu_s", "server_cpu_s", "peak_rss_mb", "rows_per_s_job", "rows_per_s_process", "files",
            "data_bytes", "metadata_bytes")
REFERENCES = (("spark", "Spark"), ("spark-tuned", "Spark tuned"), ("clickhouse", "ClickHouse"), ("pyiceberg", "PyIceberg"))


def summarise(runs, known):
    """{contender: {"title", "full": {measure: {median, min, max}}, "increment": …}} for those that ran."""
    summary = {}
    for contender in known:
        loads = {}
        for kind in ("full", "increment"):
            mine = [run for run in runs if run["contender"] == contender.name and run["load"] == kind]
            if mine:
                loads[kind] = {name: _spread([run[name] for run in mine]) for name in MEASURES}
        if len(loads) == 2:
            summary[contender.name] = {"title": contender.title, "over_http": contender.over_http, **loads}
    return summary


def checks(runs, known):
    """{contender: {"title", measure: {median, min, max}}} of the comparisons with the source."""
    found = {}
    for contender in known:
        mine = [run for run in runs if run["contender"] == contender.name and run["load"] == "verify"]
        if mine:
            names = ("job_s", "cpu_s", "server_cpu_s", "peak_rss_mb", "rows_per_s_job", "rows_per_cpu_s")
            found[contender.name] = {"title": contender.title, "over_http": contender.over_http,
                                     **{name: _spread([run[name] for run in mine]) for name in names}}
    return found


def _spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def judge(summary, checked):
    """Every bar as {"bar", "found", "passed": True, False or None where it could not be judged}."""
    def value(contender, load, name):
        return summary[contender][load][name]["median"] if contender in summary else None

    def ratio(mine, theirs):
        return None if mine is None or theirs is None else mine / theirs

    http, embedded = value("calve-http", "full", "rows_per_s_job"), value("calve", "full", "rows_per_s_job")
    sizes = [size for size in (value("calve", "full", "data_bytes"), value("calve-http", "full", "data_bytes")) if size]
    size = ratio(max(sizes, default=None), value("spark", "full", "data_bytes"))
    return [
        _bar("at least 10 times the Spark job's rows/s (job proper, both over HTTP)",
             ratio(http, value("spark", "full", "rows_per_s_job")), "{:.1f} times", lambda found: found >= 10),
        _bar("at least 2 times the rows/s of ClickHouse's own writer (job proper, both embedded)",
             ratio(embedded, value("clickhouse", "full", "rows_per_s_job")), "{:.1f} times", lambda found: found >= 2),
        _bar("no more bytes than Spark's files", size, "{:.2f} of Spark's", lambda found: found <= 1),
        _bar("peak memory outside the embedded engine under 1 GB (full load over HTTP)",
             value("calve-http", "full", "peak_rss_mb"), "{:.0f} MB", lambda found: found < 1000),
        _bar("an increment of 1,534 rows over HTTP under 150 ms (whole process)",
             _times(value("calve-http", "increment", "wall_s"), 1000), "{:.0f} ms", lambda found: found < 150),
        _bar("calve verify compares at least 3 million rows for each second of its CPU time (over HTTP)",
             _times(checked["calve-http"]["rows_per_cpu_s"]["median"] if "calve-http" in checked else None, 1e-6), "{:.1f} million",
             lambda found: found >= 3)]


def _times(value, factor):
    return None if value is None else value * factor


def _bar(text, found, form, passes):
    if found is None:
        return {"bar": text, "found": "not measured", "passed": None}
    return {"bar": text, "found": form.format(found), "passed": bool(passes(found))}


def _verdict(bar):
    return {True: "PASS", False: "FAIL", None: "----"}[bar["passed"]]


def _row(entry, load, summary):
    numbers = {name: spread["median"] for name, spread in entry[load].items()}
    full = load == "full"
    ratios = []
    for reference, _ in REFERENCES:
        theirs = summary.get(reference)
        ratios.append(f"{theirs[load]['job_s']['median'] / numbers['job_s']:.1f}×" if theirs else "–")
    return [entry["title"], f"{numbers['job_s']:.2f}" if full else f"{numbers['job_s'] * 1000:.0f}",
            f"{entry[load]['job_s']['min']:.2f}–{entry[load]['job_s']['max']:.2f}" if full
            else f"{entry[load]['job_s']['min'] * 1000:.0f}–{entry[load]['job_s']['max'] * 1000:.0f}",
            f"{numbers['rows_per_s_job'] / 1000:,.0f} K", f"{numbers['wall_s']:.2f}" if full else f"{numbers['wall_s'] * 1000:.0f}",
            f"{numbers['cpu_s']:.2f}", f"{numbers['server_cpu_s']:.2f}" if entry["over_http"] else "in it",
            f"{numbers['peak_rss_mb']:,.0f}", f"{numbers['data_bytes'] / 1e6:,.1f}" if full else f"{numbers['data_bytes'] / 1e3:,.0f}",
            f"{numbers['files']:.0f}", *ratios]


def _header(load):
    unit, size = ("s", "MB") if load == "full" else ("ms", "KB")
    return ["", f"job proper, {unit}", "min–max", "rows/s", f"process, {unit}", "CPU s", "server CPU s", "peak MB", f"data {size}",
            "files", *(f"vs {name}" for _, name in REFERENCES)]


def _table(summary, load):
    return [_header(load), *(_row(entry, load, summary) for entry in summary.values())]


def _check_table(checked):
    rows = [["", "s", "min–max", "rows/s", "CPU s", "server CPU s", "rows / CPU s", "peak MB"]]
    for entry in checked.values():
        median = {name: spread["median"] for name, spread in entry.items() if isinstance(spread, dict)}
        rows.append([entry["title"], f"{median['job_s']:.2f}", f"{entry['job_s']['min']:.2f}–{entry['job_s']['max']:.2f}",
                     f"{median['rows_per_s_job'] / 1000:,.0f} K", f"{median['cpu_s']:.2f}",
                     f"{median['server_cpu_s']:.2f}" if entry["over_http"] else "in it", f"{median['rows_per_cpu_s'] / 1000:,.0f} K",
                     f"{median['peak_rss_mb']:,.0f}"])
    return rows


def terminal(results):
    lines = []
    tables = [(f"{rows} (median of {results['repetitions']}; \"vs\": how many times as fast, job proper)", _table(results["summary"], load))
              for load, rows in (("full", "3,820,509 rows, full load"), ("increment", "1,534 rows, increment"))]
    for title, table in [*tables, ("3,822,043 rows on each side compared by calve verify", _check_table(results["checks"]))]:
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        lines += ["", title]
        lines += ["  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))) for row in table]
    return "\n".join([*lines, "", *(f"{_verdict(bar)}  {bar['bar']}: {bar['found']}" for bar in results["bars"]), ""])


def _markdown_table(table):
    head, *rows = table
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], "| --- |" + " ---: |" * (len(head) - 1), *lines[1:]])


def markdown(results):
    about = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    bars = "\n".join(f"| {bar['bar']} | {bar['found']} | {_verdict(bar)} |" for bar in results["bars"])
    return f"""# Benchmarks

Made by `make bench` (`bench/run`), which writes this page; do not edit it by hand. Median of {results['repetitions']} repetitions; "vs" says
how many times as fast as that peer the job proper is.

## Full load: 3,820,509 rows

{_markdown_table(_table(results['summary'], 'full'))}

## Increment: 1,534 rows

{_markdown_table(_table(results['summary'], 'increment'))}

## calve verify: 3,822,043 rows on each side, re-read and compared

{_markdown_table(_check_table(results['checks']))}

## The bars

| bar | found | |
| --- | --- | --- |
{bars}

## Machine

{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB; {about['system']}, kernel {about['kernel']}; load average before the
run {about['load_average_before']}. {versions}.

{METHOD}"""


METHOD = """## What is measured

- **The rows**: the reference platform's bronze table (`bench/source.py`): real trades, laid end to end to 3,820,509 rows over two days,
  10 columns, in an embedded ClickHouse as one part; 1,534 later trades are a part of their own. Each load is a window of it.
- **The target** is the platform's: Iceberg v2, `DECIMAL(38,8)` for price, quantity and quote volume, `days(exchange_timestamp)`, Parquet
  with zstd 3. Spark and ClickHouse append to an empty table that is there already; calve and PyIceberg create theirs.
- **The contenders** take turns: each repetition gives every one a fresh warehouse, the full load and then the increment, and starts a new
  process for each load. Page cache is warm; what the one before wrote is flushed first.
  - *calve* reads `FORMAT Native` from the engine in its own process, or over HTTP.
  - *Spark job as it is*: the job that calve replaces. `spark-submit`, `local[2]`, 4 GB; one JDBC connection, `fetchsize` 100,000, the window
    with `ORDER BY`, casts, `writeTo().append()`, then an update of the watermark row. Its `count()` and `max()` passes, each of which
    reads the window again, are left out, and its jars are on the class path already.
  - *Spark job, tuned*: two JDBC connections that split the rows in half, no `ORDER BY`, integers cast by ClickHouse, fan-out writer, no shuffle.
  - *PyIceberg*: the window as one Arrow table from the embedded engine, `append`.
  - *ClickHouse's own writer*: `INSERT … SELECT` into an `IcebergLocal` table in the embedded engine.
- **Over HTTP** the server is ClickHouse's HTTP interface over the same engine (`tests/servers/clickhouse_http.py`), started afresh for each load, on
  the same cores. Its CPU time stands in its own column; "in it" means that the engine runs inside the measured process.
- **Process** is wall time from start to exit; **CPU** is user and system time of the process with its children; **peak MB** is the resident
  memory of the largest process. **Job proper** is the job's own measure of reading, writing and committing: `duration_seconds` of
  `calve offload --json`; for Spark from the JDBC read to the end of `append()`, session start excluded; for PyIceberg from the query to the
  end of `append()`; for ClickHouse the `INSERT`.
- **`calve verify`** runs on the table that was loaded: it reads the source and the Parquet files again in full and compares them by bucket, column
  and row. "rows / CPU s" counts the rows of one side for each second of its own CPU time.
- **Every result is read back** and compared with the source: row count, distinct sequence numbers, the sum of every number and timestamp, the
  sum of price times quantity, rows of each symbol. A peer that fails, or whose table does not add up, fails the run.

## What to keep in mind

- One machine, local disk, no network and no object store: what dominates there is not measured here.
- With the source on the same cores, a job that uses more than one core takes them from the server. This holds for all that read over HTTP.
- calve syncs its files to disk before it commits; its times include that.
- The peers are run to their advantage where there is a choice: two days of about the same size (Spark writes them with both cores), a table that
  exists, no compression on the loopback connection, no state database to reach.
- ClickHouse's writer cannot create a table with `DECIMAL` columns, hence the one made for it. PyIceberg cannot read its manifest lists (they have no
  field ids), so that ClickHouse itself verifies that table. It writes in parallel and more files.
- PyIceberg's Arrow table is encoded by one thread, since this engine's parallel Arrow output can block for good.

## Again

```
tools/setup build run bench
make build
make bench          # bench/run --help tells more
```
"""
