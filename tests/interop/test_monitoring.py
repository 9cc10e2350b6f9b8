"""Alert rules, runbooks and dashboard against the real thing: calve serve, Prometheus, Alertmanager."""

import json
import pathlib
import re
import shlex
import subprocess

import pytest
import yaml
from conftest import need

from . import program
from .configuration import Configuration
from .prometheus import PROMTOOL, Alertmanager, Prometheus, Webhook, get, soon
from .test_metrics import listening
from .test_run import T0, make
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
    assert {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"} == {pathlib.Path(alert["annotations"]["runbook_url"]).name for alert in alerts}


def test_the_commands_of_the_runbooks(cold, hot, http_server):
    """As they stand there: none is refused, and metrics that are looked for are there."""
    hot.execute("CREATE TABLE a (ts DateTime64(3, 'UTC'), n UInt32) ENGINE = MergeTree PARTITION BY toDate(ts) ORDER BY ts",
                f"INSERT INTO a SELECT {T0} + INTERVAL number MINUTE, number FROM numbers(100)")
    with http_server(hot) as server:
        config = Configuration(hot, server.url).write("a", schedule={"every": "7d"})
        with serving(config) as running:
            url = listening(running)
            running.wait("next cycle at")
            commands = {line for page in RUNBOOKS.glob("*.md") for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S) for line in block.splitlines()}
            assert len(commands) > 15
            for line in sorted(commands):  # run before verify, and that before retire
                if line.startswith("calve "):
                    outcome = program.run(*shlex.split(line.replace("TABLE", "a"))[1:], code=None, cwd=config.file.parent)
                    assert outcome.code in (program.DONE, program.DIFFERENCE), f"{line}\n{outcome}"
                elif line.startswith("curl "):
                    done = subprocess.run(["bash", "-c", line.replace("http://127.0.0.1:9765", url)], capture_output=True, text=True)
                    assert done.returncode == 0, line
                    for word in re.findall(r"\(([\w|]+)\)'$", line):
                        missing = [name for name in word.split("|") if f"offload_{name}" not in get(url + "/metrics")[1]]
                        assert not missing, (line, missing)
                else:
                    assert line == 'kill -TERM "$(pgrep -o -f \'calve serve\')"'
            running.end()


def scaled(real):
    """The real rules with minutes made seconds, and their thresholds of time by as much; with room for a machine that is busy."""
    text = json.dumps(real)
    for old, new in (("seconds_since_success > 1800", "seconds_since_success > 10"), ("lag_beyond_buffer_minutes > 15", "lag_beyond_buffer_minutes > 0.1"),
                     ("lag_beyond_buffer_minutes > 20", "lag_beyond_buffer_minutes > 0.15")):
        assert old in text, old
        text = text.replace(old, new)
    result = json.loads(text)
    for rule in result["groups"][0]["rules"]:
        if "for" in rule:
            rule["for"] = f"{rule['for'].removesuffix('m')}s"
        if rule.get("alert") == "CalveMetricsAbsent":
            rule["for"] = "30s"  # Prometheus itself takes a while to find its targets
    return result


def test_an_alert_is_raised_told_and_cleared(cold, hot, http_server, tmp_path):
    """A source table is dropped under a running calve, and put back; in between whoever is on call hears of it."""
    make(hot, "a", "b", rows=50)
    (cold.folder / "metrics").mkdir()
    hook = Webhook()
    with http_server(hot) as server, hook.running():
        config = Configuration(hot, server.url).write({"source": "a", "layer": "bronze"}, {"source": "b", "layer": "silver"}, metrics={"directory": "metrics"},
                                                      schedule={"every": "1s", "retry": {"wait_min": "1s", "wait_max": "1s", "put_aside_after": 50}})
        with serving(config) as running:
            url = listening(running)
            running.wait("cycle ended")
            program.run("verify", "--config", config.file)
            program.run("retire", "--config", config.file, "--older-than", "1000d")
            with Alertmanager(tmp_path / "alertmanager", hook.url).running() as alertmanager, \
                    Prometheus(tmp_path / "prometheus", [url], scaled(rules()), alertmanager).running() as prometheus:
                soon(lambda: prometheus.query('up{job="calve"} == 1'))
                soon(lambda: prometheus.query("calve:lag_beyond_buffer_minutes"))
                assert not prometheus.firing() and not hook.told, "a calve that goes its way raises nothing"

                server.query("DROP TABLE b")
                wanted = {("CalveFailuresInARow", "b"), ("CalveNoSuccess", None), ("CalveLagHigh", "b"), ("CalveLagCritical", "b")}
                soon(lambda: wanted <= prometheus.firing())
                soon(lambda: all((*alert, "firing") in hook.told for alert in wanted))
                told = hook.told["CalveFailuresInARow", "b", "firing"]
                assert re.match(r"b has failed \d+ times in a row$", told["annotations"]["summary"])
                assert told["annotations"]["runbook_url"] == "docs/runbooks/failures-in-a-row.md"
                assert not any(table == "a" for _, table in prometheus.firing()), "the other table is well"

                # With that in the history, there is something to see in every panel.
                look_at_the_dashboard(prometheus, get(url + "/metrics")[1])

                server.query("CREATE TABLE b (ts DateTime64(3, 'UTC'), n UInt32) ENGINE = MergeTree ORDER BY ts")
                soon(lambda: not prometheus.firing())
                soon(lambda: all((*alert, "resolved") in hook.told for alert in wanted))
                running.end()
                soon(lambda: ("CalveDown", None) in prometheus.firing())
                soon(lambda: ("CalveDown", None, "firing") in hook.told)


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
