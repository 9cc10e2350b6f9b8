"""The runbooks of the alerts: each incident is caused under a calve serve that works, its metric tells of it, the page's commands are executed as
they stand, and at the end another engine finds every row once."""

import subprocess
import sys

from . import program
from .prometheus import scrape, soon
from .services import port_answers
from .runbooks import drill, gone_through
from .test_runbooks import clickhouse_server, place, shared, spoil  # noqa: F401: fixtures

EVERY_SECOND = {"every": "1s", "retry": {"wait_min": "1s", "wait_max": "1s", "put_aside_after": 50}}
A_WEEK = {"every": "7d"}


def metric(place, name, **labels):
    """The value; None where there is none."""
    return scrape(place.replaced["http://127.0.0.1:9765"]).get(name, {}).get(frozenset(labels.items()))


@drill("no-success")
def test_no_success(place):
    place.make(schedule=EVERY_SECOND)
    with gone_through("no-success", place) as page, place.at_work() as serving:
        success = metric(place, "offload_last_success_timestamp")
        place.sql("RENAME TABLE trades TO somewhere_else")
        serving.wait("1 failed", len(serving.lines))
        page.symptoms("\n".join(serving.lines))
        page.do("Diagnosis")
        place.sql("RENAME TABLE somewhere_else TO trades")
        place.insert(600, 5)
        page.do("Remedy")
        page.do("How to know that it worked")
        soon(lambda: metric(place, "offload_last_success_timestamp") > success)
        place.soon_everything_once()


@drill("failures-in-a-row")
def test_failures_in_a_row(place):
    place.make(schedule={"every": "1s"})
    with gone_through("failures-in-a-row", place) as page, place.at_work() as serving:
        place.sql("ALTER TABLE trades ADD COLUMN odd Array(AggregateFunction(sum, UInt8))")
        place.insert(600, 5)
        serving.wait("put aside until", seconds=60)
        page.symptoms("\n".join(serving.lines))
        page.do("Diagnosis")
        page.do("Remedy")
        soon(lambda: metric(place, "offload_consecutive_failures", table="trades") == 0)
        page.do("How to know that it worked")
        place.soon_everything_once()


@drill("lag")
def test_lag(place):
    place.make(schedule=EVERY_SECOND)
    place.sql("CREATE TABLE quotes AS trades")
    place.config.write("quotes", {"source": "trades", "after": ["quotes"]})
    with gone_through("lag", place) as page, place.at_work() as serving:
        place.sql("RENAME TABLE quotes TO elsewhere")
        place.insert(600, 5)
        serving.wait("it comes after quotes", len(serving.lines))
        page.symptoms("\n".join(serving.lines))
        soon(lambda: metric(place, "offload_lag_minutes", table="trades") > 0.02)
        page.do("Diagnosis")
        place.sql("RENAME TABLE elsewhere TO quotes")
        page.do("Remedy")
        page.do("How to know that it worked")
        place.soon_everything_once()


def with_metrics(place):
    (place.folder / "metrics").mkdir()
    place.make(metrics={"directory": "metrics"})


@drill("duplicates")
def test_duplicates(shared):
    place = shared
    with_metrics(place)
    with gone_through("duplicates", place, CATALOG=place.cold.catalog) as page, place.at_work():
        spoil(place, doubled=range(200, 205))
        page.symptoms(place.calve("verify", "--rows", "3", code=program.DIFFERENCE).out)
        assert metric(place, "offload_duplicates", table="trades") == 5
        page.do("Diagnosis")
        page.do("Remedy", "")
        place.everything_once()
        spoil(place, doubled=[7])
        page.do("Remedy", "Where ClickHouse no longer has the rows")
        page.do("How to know that it worked")
    place.everything_once()


@drill("missing-rows")
def test_missing_rows(shared):
    place = shared
    with_metrics(place)
    with gone_through("missing-rows", place) as page, place.at_work():
        spoil(place, lost=[300, 301, 302])
        page.symptoms(place.calve("verify", "--rows", "3", code=program.DIFFERENCE).out)
        page.do("Diagnosis")
        page.do("Remedy")
        page.do("How to know that it worked")
    place.everything_once()


@drill("cycle-too-long")
def test_cycle_too_long(place, clickhouse_server):
    place.make(schedule={"every": "1s"})
    with gone_through("cycle-too-long", place) as page, place.at_work() as serving:
        # The server takes the query and says nothing.
        clickhouse_server.fault("hang")
        place.insert_now(1000)
        soon(lambda: not clickhouse_server.armed())
        started = metric(place, "offload_cycle_started_timestamp_seconds")
        assert started > 0
        page.symptoms(serving.lines[-1])
        page.do("Diagnosis")
        assert metric(place, "offload_cycle_started_timestamp_seconds") == started, "it hangs"
        clickhouse_server.clear()
        page.do("Remedy")
        place.change({"schedule": A_WEEK})
        place.service("reload")
        place.serving.wait("every 7d")
        soon(lambda: metric(place, "offload_cycle_started_timestamp_seconds") == 0)
        page.do("How to know that it worked")
    place.everything_once()


@drill("retirement-blocked")
def test_retirement_blocked(place):
    (place.folder / "metrics").mkdir()
    place.make(metrics={"directory": "metrics"})
    place.sql("INSERT INTO trades SELECT now64(3, 'UTC') - INTERVAL 20 DAY + INTERVAL number SECOND, number + 5000, 'BTC', 1 FROM numbers(100)")
    with gone_through("retirement-blocked", place) as page, place.at_work():
        place.sql("INSERT INTO trades SELECT now64(3, 'UTC') - INTERVAL 19 DAY + INTERVAL number SECOND, number + 6000, 'BTC', 1 FROM numbers(3)")
        blocked = place.calve("retire", "--older-than", "7d", code=program.DIFFERENCE)
        page.symptoms(blocked.out + blocked.err)
        assert metric(place, "offload_retirement_blocked", table="trades") == 1
        page.do("Diagnosis")
        page.do("Remedy")
        page.do("How to know that it worked")
    place.everything_once(only_in_cold=[*range(5000, 5100), *range(6000, 6003)])


@drill("metrics-absent")
def test_metrics_absent(place, tmp_path):
    place.make()
    with gone_through("metrics-absent", place) as page:
        place.run()
        place.insert(600, 5)
        whole = place.config.file.read_text()
        place.config.file.write_text(whole.replace('"tables"', '"table"'))
        refused = place.calve("serve", code=program.USAGE).err
        with open(tmp_path / "another", "w") as log:
            another = subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(place.port)], stdout=log, stderr=log, cwd=tmp_path)
        try:
            soon(lambda: port_answers(place.port))
            place.config.file.write_text(whole)
            taken = place.calve("serve", code=program.USAGE, env={"CALVE_LISTEN": f"127.0.0.1:{place.port}"}).err
        finally:
            another.kill()
            another.wait()
        page.symptoms(refused, taken)
        place.config.file.write_text(whole.replace('"tables"', '"table"'))
        page.do("Diagnosis")
        place.config.file.write_text(whole)
        try:
            page.do("Remedy")
            page.do("How to know that it worked")
        finally:
            place.service("stop")
    place.everything_once()
