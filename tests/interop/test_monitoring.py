"""Alert rules, runbooks and dashboard against the real thing: calve serve, Prometheus, Alertmanager."""

import contextlib
import datetime
import json
import re
import signal
import subprocess

import pytest
import reference_platform
import yaml
from conftest import need
from reference_platform import GOLD, SILVER, TABLES

from . import program
from .prometheus import PROMTOOL, Alertmanager, Prometheus, Webhook, get, soon
from .runbooks import Drill
from .test_metrics import listening
from .test_nine_tables import EXAMPLE, Nine
from .test_serve import serving

DEPLOY = program.ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "calve_alerts.yaml"
RUNBOOKS = program.ROOT / "docs" / "runbooks"
DASHBOARD = DEPLOY / "grafana" / "calve.json"
WORD = re.compile(r"\b(?:offload|watermark|process)_\w+")


@pytest.fixture(autouse=True, scope="module")
def unpacked():
    need(PROMTOOL.exists(), "Prometheus is not unpacked")


def rules():
    return yaml.safe_load(RULES.read_text())


def panel_queries():
    """[(panel, query)], with Grafana's variables as they are when all is chosen."""
    found = []
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            found.append((panel["title"], re.sub(r"\$(job|instance|layer|table)\b", ".*", target["expr"]).replace("$__rate_interval", "10s")))
    return found


def families(text):
    """Names as queries have them: a histogram is its parts."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"} if kind == "histogram" else {name}
    return names


def test_the_rules_by_their_own_tests():
    for arguments in (["check", "rules", RULES.name], ["test", "rules", "calve_alerts_test.yaml"]):
        done = subprocess.run([PROMTOOL, *arguments], cwd=RULES.parent, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    tested = (RULES.parent / "calve_alerts_test.yaml").read_text()
    alerts = [rule for group in rules()["groups"] for rule in group["rules"] if "alert" in rule]
    index = (RUNBOOKS / "README.md").read_text()
    for alert in alerts:
        assert {"summary", "description", "runbook_url"} == set(alert["annotations"]) and alert["labels"]["severity"] in ("warning", "critical")
        assert f"alertname: {alert['alert']}\n" in tested, "no test of it fires"
        runbook = program.ROOT / alert["annotations"]["runbook_url"]
        assert alert["alert"] in runbook.read_text() and f"({runbook.name})" in index and alert["alert"] in index


def scaled(real):
    """The real rules with minutes made seconds, and their thresholds of time by as much; with room for a machine that is busy."""
    text = json.dumps(real)
    for old, new in (("seconds_since_success > 1800", "seconds_since_success > 15"), ("lag_beyond_buffer_minutes > 15", "lag_beyond_buffer_minutes > 0.2"),
                     ("lag_beyond_buffer_minutes > 20", "lag_beyond_buffer_minutes > 0.25")):
        assert old in text, old
        text = text.replace(old, new)
    result = json.loads(text)
    for rule in result["groups"][0]["rules"]:
        if "for" in rule:
            rule["for"] = f"{rule['for'].removesuffix('m')}s"
        if rule.get("alert") == "CalveMetricsAbsent":
            rule["for"] = "30s"  # Prometheus itself takes a while to find its targets
        if rule.get("alert") == "CalveCycleTooLong":
            rule["for"] = "15s"  # nine tables on two cores take longer than the two seconds between two cycles
    return result


class Platform(Nine):
    """The nine tables of this very hour under calve serve, and what a runbook needs of a place."""

    def __init__(self, hot, server, folder):
        super().__init__(hot)
        self.server, self.folder, self.programs = server, folder, folder / "bin"
        self.programs.mkdir()
        (self.programs / "calve").symlink_to(program.BINARY)
        (folder / "metrics").mkdir()
        self.file = folder / "calve.yaml"
        self.content = yaml.safe_load(EXAMPLE.read_text())
        self.change({"source": {"url": server.url}, "catalog": hot.cold.configured, "state": {"url": hot.cold.state}, "metrics": {"directory": "metrics"},
                     "schedule": {"every": "2s", "retry": {"wait_min": "1s", "wait_max": "1s", "put_aside_after": 50}}})
        self.replaced, self.running = {}, None

    def change(self, mapping):
        for change in mapping.pop("tables", []):
            next(table for table in self.content["tables"] if table["source"] == change["source"]).update(change)
        self.content.update(mapping)
        self.file.write_text(json.dumps(self.content, indent=1))

    def service(self, verb):
        assert verb == "reload"
        self.running.process.send_signal(signal.SIGHUP)

    def start(self, *arguments):
        return program.start(arguments[0], "--config", self.file, *arguments[1:])

    @contextlib.contextmanager
    def served(self):
        with serving(self) as self.running:
            yield listening(self.running)

    def calve(self, *arguments, code=program.DONE):
        return program.run(arguments[0], "--config", self.file, *arguments[1:], code=code)


KRAKEN = "bronze_trades_kraken"
BEHIND_KRAKEN = (KRAKEN, SILVER.name, *(table.name for table in GOLD))


def test_an_alert_is_raised_told_and_cleared(cold, hot, http_server, duckdb, tmp_path, monkeypatch):
    """The nine tables run, and Prometheus scrapes. A table of bronze becomes one that cannot be offloaded: whoever is on call hears of it and of what
    comes after it, and of nothing else; does what the alert's runbook says; and hears that it is over."""
    now = datetime.datetime.now(datetime.timezone.utc)
    steps = 30 * 4
    monkeypatch.setattr(reference_platform, "START", now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0) - steps * reference_platform.STEP)
    hook = Webhook()
    with http_server(hot) as server, hook.running():
        nine = Platform(hot, server, tmp_path)
        nine.platform.build(1500)
        nine.platform.play(0, steps - 4)
        with nine.served() as url:
            nine.running.wait("cycle ended", seconds=60)
            nine.calve("verify")
            nine.calve("retire", "--older-than", "1000d")
            with Alertmanager(tmp_path / "alertmanager", hook.url).running() as alertmanager, \
                    Prometheus(tmp_path / "prometheus", [url], scaled(rules()), alertmanager).running() as prometheus:
                soon(lambda: prometheus.query('up{job="calve"} == 1'))
                soon(lambda: len(prometheus.query("calve:lag_beyond_buffer_minutes")) == len(TABLES))
                nine.platform.play(steps - 4, 2)
                # Nothing is about to be raised either, but for cycles of nine tables that take longer than the two seconds between them.
                assert prometheus.raised() <= {"CalveCycleTooLong"} and not prometheus.firing() and not hook.told, "a platform that goes its way raises nothing"

                nine.execute(f"ALTER TABLE {KRAKEN} ADD COLUMN odd Array(AggregateFunction(sum, UInt8))")
                nine.platform.play(steps - 2, 2)
                nine.platform.late(steps - 20, 10)
                wanted = {("CalveFailuresInARow", KRAKEN), ("CalveNoSuccess", None), *((f"CalveLag{how}", table) for how in ("High", "Critical") for table in BEHIND_KRAKEN)}
                soon(lambda: wanted <= prometheus.firing())
                soon(lambda: all((*alert, "firing") in hook.told for alert in wanted))
                assert prometheus.firing() == wanted, "these and no others"
                told = hook.told["CalveFailuresInARow", KRAKEN, "firing"]
                assert re.match(rf"{KRAKEN} has failed \d+ times in a row$", told["annotations"]["summary"])
                runbook = program.ROOT / told["annotations"]["runbook_url"]
                assert runbook.parent == RUNBOOKS and runbook.exists()
                # With that in the history, there is something to see in every panel.
                look_at_the_dashboard(prometheus, get(url + "/metrics")[1])

                nine.replaced["http://127.0.0.1:9765"] = url
                page = Drill(runbook.stem, nine, TABLE=told["labels"]["table"])
                assert "column odd" in page.run_only("Diagnosis", "sh")
                page.run_only("Remedy")
                soon(lambda: not prometheus.firing())
                soon(lambda: all((*alert, "resolved") in hook.told for alert in wanted))
                page.run_only("How to know that it worked", "sh")
                nine.running.end()
                soon(lambda: ("CalveDown", None) in prometheus.firing())
                soon(lambda: ("CalveDown", None, "firing") in hook.told)
        nine.calve("run")
        nine.calve("verify")
    nine.server = None
    nine.execute(f"ALTER TABLE {KRAKEN} DROP COLUMN odd")  # which cold was told to leave out
    nine.check([duckdb])


def look_at_the_dashboard(prometheus, scraped):
    exposed = families(scraped)
    queries = panel_queries()
    assert len(queries) > 40
    # A panel may hold what is not there yet while nothing has failed; here something has, so everything is.
    empty = [(title, query) for title, query in queries if not prometheus.query(query)]
    assert not empty, empty
    named = {name for _, query in queries for name in WORD.findall(query)}
    named |= {name for group in rules()["groups"] for rule in group["rules"] for name in WORD.findall(rule["expr"])}
    labels = {"error_type"}
    assert named - labels <= exposed, named - labels - exposed
    # And nothing that is exposed is without a word in the documentation.
    page = (program.ROOT / "docs" / "metrics.md").read_text()
    told = set(WORD.findall(page)) | {f"offload_retired_{what}_total" for what in ("rows", "bytes")}
    for name in re.findall(r"^# TYPE (\S+)", scraped, re.M):
        assert name in told or name.startswith("process_"), name
