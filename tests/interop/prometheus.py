"""Prometheus and Alertmanager as Debian packages them, unpacked and never installed; and reading what calve tells them."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request

from . import leaks, program, services

FOLDER = program.DEPS / "prometheus" / "usr" / "bin"
PROMTOOL = FOLDER / "promtool"

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


def get(url):
    """(status, text)"""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    leaks.saw(f"{url} of calve serve", text)
    return status, text


def samples(text):
    """{name: {frozenset of (label, value): number}}"""
    seen = {}
    for line in text.splitlines():
        if match := SAMPLE.match(line):
            seen.setdefault(match[1], {})[frozenset(LABEL.findall(match[2] or ""))] = float(match[3])
    return seen


def scrape(url):
    return samples(get(url + "/metrics")[1])


class Prometheus(services.Process):
    """A Prometheus that scrapes these targets (url) often, with rules of a file."""

    def __init__(self, folder, targets, rules=None, alertmanager=None, interval="500ms"):
        super().__init__(folder)
        config = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "scrape_configs": [{"job_name": "calve", "static_configs": [{"targets": [target.removeprefix("http://") for target in targets]}]}],
        }
        if rules:
            (self.folder / "rules.yaml").write_text(json.dumps(rules))
            config["rule_files"] = ["rules.yaml"]
        if alertmanager:
            config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager.port}"]}]}]}
        (self.folder / "prometheus.yaml").write_text(json.dumps(config))

    def command(self):
        return [FOLDER / "prometheus", f"--config.file={self.folder}/prometheus.yaml", f"--storage.tsdb.path={self.folder}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], {}

    def ready(self):
        return services.url_answers(f"http://127.0.0.1:{self.port}/-/ready")

    def api(self, path, **parameters):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """What it is now; a query that is wrong raises, with what Prometheus says of it."""
        try:
            return self.api("query", query=expression)["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from None

    def raised(self):
        """The names of alerts that are firing, or will be if it stays so."""
        return {alert["labels"]["alertname"] for alert in self.api("alerts")["alerts"]}

    def firing(self):
        return {(alert["labels"]["alertname"], alert["labels"].get("table")) for alert in self.api("alerts")["alerts"] if alert["state"] == "firing"}


class Alertmanager(services.Process):
    """An Alertmanager that tells a webhook at once."""

    def __init__(self, folder, webhook):
        super().__init__(folder)
        config = {
            "route": {"receiver": "hook", "group_by": ["alertname", "table"], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"},
            "receivers": [{"name": "hook", "webhook_configs": [{"url": webhook, "send_resolved": True}]}],
        }
        (self.folder / "alertmanager.yaml").write_text(json.dumps(config))

    def command(self):
        return [FOLDER / "prometheus-alertmanager", f"--config.file={self.folder}/alertmanager.yaml", f"--storage.path={self.folder}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=", "--log.level=warn"], {}

    def ready(self):
        return services.url_answers(f"http://127.0.0.1:{self.port}/-/ready")


class Webhook(services.Receiver):
    """What an on-call person's tool would get: told[(alertname, table, status)] = the alert."""

    def __init__(self):
        super().__init__()
        self.told = {}

    def took(self, path, headers, body):
        for alert in body["alerts"]:
            self.told[alert["labels"]["alertname"], alert["labels"].get("table"), alert["status"]] = alert


def soon(what, seconds=60):
    """Waits until it is so; what it was at last, for the message."""
    end = time.monotonic() + seconds
    while not (seen := what()):
        assert time.monotonic() < end, f"it did not come to that within {seconds} s: {seen!r}"
        time.sleep(0.1)
    return seen
