"""Notifications, to a webhook and to a real Alertmanager."""

import json
import time

from conftest import need

from . import leaks, program, services
from .configuration import Configuration
from .prometheus import PROMTOOL, Alertmanager, Webhook, soon
from .test_run import insert, make, minute
from .test_serve import serving

TOKEN = leaks.secret("n0tify-t0ken-abc")


class Hook(services.Receiver):
    """Somebody's webhook: what it was told, in order."""

    def __init__(self, status=200):
        super().__init__(status)
        self.told, self.headers, self.paths = [], [], []

    def took(self, path, headers, body):
        self.told.append(body)
        self.headers.append(headers)
        self.paths.append(path)

    def reasons(self):
        return [(told["problem"], told["reason"], told.get("table")) for told in self.told]


def test_failure_and_recovery_of_runs(cold, hot):
    make(hot, "a", "b")
    (cold.folder / "url").write_text("")
    (cold.folder / "headers").write_text(f"Authorization: Bearer {TOKEN}\n")
    with Hook().running() as hook:
        (cold.folder / "url").write_text(f"{hook.url}/hooks/{TOKEN}?key={TOKEN}\n")
        config = Configuration(hot).write({"source": "a", "layer": "bronze"}, {"source": "b", "layer": "silver"},
                                          notify={"targets": {"ops": {"webhook": {"url_file": "url", "headers_file": "headers", "headers": {"X-Team": "data"}}}}})
        config.run("--until", minute(10))
        assert hook.told == []
        hot.execute("RENAME TABLE b TO elsewhere")
        for _ in range(3):
            config.run("--until", minute(20), code=program.PARTLY)
        assert hook.reasons() == [("table_failed", "new", "b")], "once, not with each cycle"
        told = hook.told[0]
        assert told["version"] == 1 and told["status"] == "firing" and told["layer"] == "silver" and told["alert"] == "CalveTableFailed"
        assert told["error_kind"] == "not-found" and "b" in told["message"] and told["remedy"] and told["cycle"] and told["host"] and told["config"] == str(config.file)
        assert hook.paths[0] == f"/hooks/{TOKEN}?key={TOKEN}" and hook.headers[0]["Authorization"] == f"Bearer {TOKEN}" and hook.headers[0]["X-Team"] == "data"
        hot.execute("RENAME TABLE elsewhere TO b")
        for _ in range(2):
            config.run("--until", minute(30))
        assert hook.reasons()[1:] == [("table_failed", "resolved", "b")]
        assert hook.told[1]["count"] == 3 and hook.told[1]["ended_at"] > hook.told[1]["first_at"]
        # A cycle that fails as a whole is another problem.
        config.write("a", "b", source={"password_file": "none"})
        config.run(code=program.USAGE)
        assert hook.reasons()[2:] == [("cycle_failed", "new", None)]
        # One that refuses, or is not there, changes nothing for the run.
        config.content["source"].pop("password_file")
        hook.status = 403
        outcome = program.run("run", "--config", config.write("a", "b").file, "--until", minute(40), "--log-format", "json")
        warnings = [json.loads(line) for line in outcome.err.splitlines() if '"notification_failed"' in line]
        assert [w["to"] for w in warnings] == ["ops"] and "403" in warnings[0]["message"] and warnings[0]["remedy"]


def test_differences_and_a_retirement_that_is_blocked(cold, hot, http_server):
    hot.execute("CREATE TABLE a (ts DateTime64(3, 'UTC'), n UInt32) ENGINE = MergeTree PARTITION BY toDate(ts) ORDER BY ts", insert("a", 0, 100))
    with http_server(hot) as server, Hook().running() as hook:
        config = Configuration(hot, server.url).write("a", defaults={"lookback": "0s"}, notify={"targets": {"ops": {"webhook": hook.url}}})
        config.run()
        server.query(insert("a", 50, 3))  # late, and nobody looks
        program.run("verify", "--config", config.file, code=program.DIFFERENCE)
        program.run("retire", "--config", config.file, "--older-than", "1d", code=program.DIFFERENCE)
        assert hook.reasons() == [("rows_missing", "new", "a"), ("retirement_blocked", "new", "a")]
        assert hook.told[0]["severity"] == "critical" and "3 rows" in hook.told[0]["message"] and "--repair" in hook.told[0]["remedy"] and hook.told[0]["run"]
        program.run("verify", "--config", config.file, "--to", "2024-08-09")  # a part in which all is well says nothing of the rest
        assert len(hook.told) == 2
        program.run("verify", "--config", config.file, "--repair")
        program.run("retire", "--config", config.file, "--older-than", "1d")
        assert hook.reasons()[2:] == [("rows_missing", "resolved", "a"), ("retirement_blocked", "resolved", "a")]


def test_a_real_alertmanager_hears_of_it_and_of_its_end(cold, hot, http_server, tmp_path):
    need(PROMTOOL.exists(), "Prometheus is not unpacked")
    make(hot, "a", "b", rows=5)
    receiver = Webhook()
    with receiver.running(), http_server(hot) as server, Alertmanager(tmp_path / "alertmanager", receiver.url).running() as alertmanager:
        config = Configuration(hot, server.url).write({"source": "a", "layer": "bronze"}, {"source": "b", "layer": "silver", "after": []},
                                                      schedule={"every": "1s", "retry": {"wait_min": "1s", "wait_max": "1s"}},
                                                      notify={"targets": {"alerts": {"alertmanager": f"http://127.0.0.1:{alertmanager.port}"},
                                                                          "away": {"webhook": "http://127.0.0.1:1/"}}})
        with serving(config) as running:
            running.wait("cycle ended")
            assert receiver.told == {}
            began = time.monotonic()
            server.query("DROP TABLE b")
            told = soon(lambda: receiver.told.get(("CalveTableFailed", "b", "firing")))
            assert told["labels"]["layer"] == "silver" and told["labels"]["severity"] == "warning" and told["labels"]["service"] == "calve"
            assert told["annotations"]["remedy"] and "b" in told["annotations"]["description"]
            at = len(running.lines)
            running.wait("cycle ended", at), running.wait("next cycle at", at)  # the target that is away holds nobody up
            server.query("CREATE TABLE b (ts DateTime64(3, 'UTC'), n UInt32) ENGINE = MergeTree ORDER BY ts")
            ended = soon(lambda: receiver.told.get(("CalveTableFailed", "b", "resolved")))
            assert ended["fingerprint"] == told["fingerprint"] and time.monotonic() - began < 60
            assert not any(table == "a" for _, table, _ in receiver.told)
            running.end()
