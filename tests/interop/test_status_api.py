"""The JSON API of `calve serve`: what it answers, what it does, and to whom it does not."""

import contextlib
import importlib.util
import json
import random
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest
from conftest import Cold, Hot, need

from . import program, serve_client, servers, services
from .configuration import Configuration
from .prometheus import scrape
from .serve_client import Client
from .test_run import make
from .test_serve import serving

EVENTS = {"status": "Status", "table": "Table", "cycle": "Cycle", "server": "Server", "progress": "ProgressEvent"}


class Place:
    """Tables good, child (after good) and bad (which is not there), behind a server."""

    def __init__(self, folder):
        self.folder = folder
        self.cold = Cold(folder, "hadoop")
        self.hot = Hot(folder / "hot", self.cold)
        make(self.hot, "good", "child", rows=50)
        self.token, self.token_file = serve_client.token_file(folder)

    def configure(self, server, **serve):
        self.config = Configuration(self.hot, server.url).write(
            {"source": "good", "layer": "bronze"}, {"source": "child", "layer": "silver"}, {"source": "bad", "layer": "bronze"},
            schedule={"every": "7d"}, serve={name: value for name, value in {"token_file": str(self.token_file), **serve}.items() if value is not None}, defaults={"lookback": "0s"})
        # `bad` would hold its layer's followers up.
        self.config.content["tables"][1]["after"] = ["good"]
        self.config.file.write_text(json.dumps(self.config.content))
        return self.config


@pytest.fixture(scope="module")
def place(built, tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("status-api"))
    with servers.over_libchdb(place.hot.directory) as server:
        place.server = server
        place.configure(server)
        yield place


@pytest.fixture
def served(place):
    with serving(place.configure(place.server), env={}) as running:
        client = Client(running, place.token)
        client.wait("the first cycle", lambda status: any(cycle["cause"] != "journal" for cycle in status["cycles"]) and status["server"]["next_cycle"])
        yield client, running
        if running.process.poll() is None:
            running.end()


def test_every_answer_is_as_the_document_has_it(served):
    client, running = served
    document = client.get("/api/v1/openapi.json").json
    need(importlib.util.find_spec("openapi_spec_validator"), "openapi-spec-validator is not installed")
    importlib.import_module("openapi_spec_validator").validate(document)
    assert document == serve_client.OPENAPI
    # Every GET of the document is answered, and described as it is answered (Client checks it).
    for path, operations in document["paths"].items():
        if path == "/api/v1/events":
            assert client.request("HEAD", path).headers["Content-Type"] == "text/event-stream"
        elif "get" in operations:
            answer = client.get(path.replace("{name}", "good"))
            assert answer.status == 200, path
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == ("no-store" if path.startswith("/api/v1/") and "openapi" not in path or path in ("/metrics", "/healthz", "/readyz") else "no-cache")
            head = client.request("HEAD", path.replace("{name}", "good"))
            assert head.status == 200 and head.text == "" and head.headers["Content-Type"] == answer.headers["Content-Type"]
        for method in {"get", "post"} - set(operations):
            answer = client.request(method.upper(), path.replace("{name}", "good"), body="{}" if method == "post" else None)
            assert answer.status == 405 and {word.strip().lower() for word in answer.headers["Allow"].split(",")} - {"head"} == set(operations)
    status = client.status()
    tables = {table["name"]: table for table in status["tables"]}
    assert status["server"]["version"] in program.run("--version").out and status["server"]["takes_actions"] is True
    assert status["server"]["config_file"].endswith("calve.yaml") and status["server"]["schedule"] == "every 7d"
    assert tables["good"]["state"] == "fresh" and tables["good"]["rows"] == 50 and tables["good"]["column"] == 0
    assert tables["child"]["after"] == ["good"] and tables["child"]["column"] == 1 and tables["child"]["last_run"]["state"] == "done"
    assert tables["bad"]["state"] == "failed" and tables["bad"]["last_failure"]["error"]["remedy"]
    assert status["cycles"][-1]["tables"] == {"done": 2, "failed": 1, "skipped": 0, "stopped": 0}
    snapshots = client.get("/api/v1/tables/good/snapshots").json
    assert snapshots["count"] == len(snapshots["snapshots"]) and snapshots["snapshots"][-1]["rows"] == 50 and snapshots["snapshots"][0]["kind"] == "append"
    assert client.get("/api/v1/status", headers={"Accept-Encoding": "br, gzip", "Range": "bytes=0-3"}, raw=True).headers["Content-Encoding"] == "gzip"
    asset = client.get("/page.js")
    assert client.get("/page.js", headers={"If-None-Match": asset.headers["ETag"]}).status == 304


def test_actions(served, place):
    client, running = served
    cycles = len(client.status()["cycles"])
    with client.events() as following:
        name, data = following()
        assert name == "status" and len(data["tables"]) == 3
        assert client.post("/api/v1/cycles").json == {"requested": True, "begins": "now"}
        heard = {}
        while "cycle" not in heard:
            name, data = following()
            serve_client.check({"$ref": f"#/components/schemas/{EVENTS[name]}"}, data)
            heard.setdefault(name, []).append(data)
        assert heard["cycle"][0]["cause"] == "on-demand" and {table["name"] for table in heard["table"]} == {"good", "child", "bad"}
        # A paused table has no turn; what comes after it goes on.
        paused = client.post("/api/v1/tables/good/pause").json
        assert paused["paused_since"] and paused["state"] == "paused"
        assert following("table")[1]["paused_since"]
        assert client.post("/api/v1/tables/good/pause").json["paused_since"] == paused["paused_since"]
    place.server.query("INSERT INTO good SELECT now64(3, 'UTC'), 50")
    client.post("/api/v1/cycles")
    status = client.wait_for_cycles(cycles + 2)
    assert status["cycles"][-1]["tables"]["done"] == 1 and client.table("good")["rows"] == 50
    shown = {table["table"]: table for table in program.run("status", "--config", place.config.file, "--json", code=program.PARTLY).json["tables"]}
    assert shown["cold.good"]["paused_since"] == paused["paused_since"] and shown["cold.child"]["paused_since"] is None
    assert "paused" in program.run("status", "--config", place.config.file, code=program.PARTLY).out
    # It is still paused after a restart, and what has been is known.
    running.end()
    with serving(place.config) as again:
        client = Client(again, place.token)
        status = client.wait("a cycle of this process", lambda status: status["cycles"] and status["cycles"][-1]["cause"] != "journal" and status["server"]["next_cycle"])
        assert client.table("good")["state"] == "paused" and client.table("good")["rows"] == 50
        assert [cycle["cause"] for cycle in status["cycles"]].count("journal") >= 1
        assert client.post("/api/v1/tables/good/resume").json["paused_since"] is None
        client.post("/api/v1/cycles")
        client.wait("the row", lambda status: any(table["rows"] == 51 for table in status["tables"]))
        # A lost journal resumes what was paused.
        client.post("/api/v1/tables/child/pause")
        place.cold.lose_journal()
        client.post("/api/v1/cycles")
        client.wait("resumed", lambda status: all(table["paused_since"] is None for table in status["tables"]))
        again.end()


def test_the_commands_of_the_page_in_docs(served, place):
    """Each line of docs/status-page.md that a shell takes, with this server's address, token and table."""
    client, running = served
    text = (program.ROOT / "docs" / "status-page.md").read_text()
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) == 3
    for block in blocks:
        for old, new in [("http://127.0.0.1:9765", client.url), ("/etc/calve/token", str(place.token_file)), ("silver_trades", "good"), ("2026-11-24", "2024-08-09"), ("> token && chmod 600 token", "> made && chmod 600 made")]:
            block = block.replace(old, new)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], capture_output=True, text=True, cwd=place.folder)
        assert done.returncode == 0 and '{"error":{' not in done.stdout, f"{block}\n{done.stdout}\n{done.stderr}"
        client.wait("an end", lambda status: not status["server"]["cycle"])
    assert len((place.folder / "made").read_text().strip()) == 64
    client.wait("compared", lambda status: status["tables"][0]["verify"]["state"] == "done" and status["tables"][0]["verify"]["result"]["equal"])
    assert client.status()["cycles"][-1]["cause"] == "on-demand"


def test_verify_as_a_job(served, place):
    client, running = served
    asked = client.post("/api/v1/tables/child/verify")
    assert asked.status == 202 and asked.json["verify"]["state"] in ("queued", "running", "done")
    done = client.wait("verified", lambda status: status["tables"][1]["verify"]["state"] == "done")["tables"][1]["verify"]
    assert done["result"]["equal"] and done["result"]["rows_hot"] == done["result"]["rows_cold"] == 50
    labels = frozenset({("table", "child")})
    assert scrape(client.url)["offload_missing_rows"][labels] == 0
    # A row behind the watermark, with nobody to look for it.
    place.server.query("INSERT INTO child SELECT toDateTime64('2024-08-09 00:00:30', 3, 'UTC'), 4711")
    assert client.post("/api/v1/tables/child/verify", {"from": "2024-08-09T00:00:00Z", "to": "2024-08-09T01:00:00Z"}).status == 202
    found = client.wait("compared again", lambda status: status["tables"][1]["verify"].get("from") and status["tables"][1]["verify"]["state"] == "done")["tables"][1]["verify"]["result"]
    assert not found["equal"] and found["missing"] == 1 and found["differences"][0]["from"].startswith("2024-08-09T00") and "--repair" in found["remedy"]
    assert scrape(client.url)["offload_missing_rows"][labels] == 1
    # One at a time of a table; one that fails says why.
    place.server.fault("hold", match="FROM .*child")
    client.post("/api/v1/tables/child/verify")
    assert client.post("/api/v1/tables/child/verify").status == 409
    client.post("/api/v1/tables/bad/verify")
    place.server.clear()
    failed = client.wait("the failure", lambda status: (status["tables"][2]["verify"] or {}).get("state") == "failed")["tables"][2]["verify"]
    assert failed["error"]["message"] and failed["result"] is None
    place.server.query("ALTER TABLE child DELETE WHERE n = 4711 SETTINGS mutations_sync = 1")


def test_verify_beside_cycles_with_the_embedded_engine(cold, hot, tmp_path):
    make(hot, "a", rows=2000)
    token, file = serve_client.token_file(tmp_path)
    config = Configuration(hot).write("a", schedule={"every": "1s"}, serve={"token_file": str(file)})
    with serving(config) as running:
        client = Client(running, token)
        client.wait("a cycle", lambda status: status["cycles"])
        for _ in range(3):
            cycles = len(client.status()["cycles"])
            assert client.post("/api/v1/cycles").status == client.post("/api/v1/tables/a/verify").status == 202
            status = client.wait("both", lambda status: status["tables"][0]["verify"]["state"] == "done" and len(status["cycles"]) > cycles)
            assert status["tables"][0]["verify"]["result"]["equal"] and status["cycles"][-1]["status"] == "success"
        running.end()


def test_who_may_not(served, place):
    client, running = served
    before = len(client.status()["cycles"])
    for headers, status in [({"Authorization": None}, 401), ({"Authorization": "Bearer wrong-wrong-wrong"}, 401), ({"Origin": "https://evil.example"}, 403),
                            ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Content-Type": "text/plain"}, 415), ({"Content-Type": None}, 415),
                            ({"Host": "evil.example"}, 403), ({"Host": "evil.example:80", "Origin": "http://evil.example:80"}, 403)]:
        refused = client.post("/api/v1/cycles", headers=headers)
        assert refused.status == status and refused.error["message"] and refused.error["remedy"], headers
    assert client.get("/api/v1/status", headers={"Host": "evil.example"}).status == 403
    assert client.get("/api/v1/status", headers={"Authorization": "Bearer wrong-wrong-wrong"}).status == 401
    assert client.get("/healthz", headers={"Host": "10.1.2.3"}).status == 200
    assert client.get("/api/v1/tables/god").status == 404 and "good" in client.get("/api/v1/tables/god").error["remedy"]
    # Sizes.
    assert client.post("/api/v1/cycles", "x" * 30_000).status == 413
    assert client.get("/" + "a" * 2000).status == 414
    assert client.post("/api/v1/cycles", "[1]").status == 400
    # Guesses from one address are limited, whoever is right among them; reading and metrics go on.
    for _ in range(30):
        answer = client.post("/api/v1/cycles", token="a-guess-a-guess-a-guess")
        if answer.status == 429:
            break
    assert answer.status == 429 and 1 <= int(answer.headers["Retry-After"]) <= 6
    assert client.post("/api/v1/cycles").status == 429
    assert client.get("/api/v1/status").status == 200 and client.get("/metrics").status == 200
    assert len(client.status()["cycles"]) == before
    # A token that changes counts at once; a file that others may read lets nobody in.
    place.token_file.chmod(0o644)
    assert client.post("/api/v1/cycles").status == 503
    place.token_file.chmod(0o600)


def test_readers_of_events_are_bounded_and_hold_nobody_up(served):
    client, running = served
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(client.events()) for _ in range(31)]
        idle = stack.enter_context(contextlib.closing(socket.create_connection((client.host, client.port))))  # reads nothing
        idle.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for following in streams:
            assert following()[0] == "status"
        deadline = time.monotonic() + 10
        while (refused := client.get("/api/v1/events")).status != 503 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert refused.status == 503 and refused.headers["Retry-After"]
        began = time.monotonic()
        assert client.get("/metrics").status == client.get("/healthz").status == 200 and time.monotonic() - began < 5
        client.post("/api/v1/cycles")
        for following in streams:
            assert following("cycle")[1]["cause"] == "on-demand"
    client.wait("places are free again", lambda _: True)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            with client.events() as following:
                assert following()[0] == "status"
                return
        except AssertionError:
            time.sleep(0.1)
    raise AssertionError("no place became free")


def test_bytes_that_are_no_requests(served):
    client, running = served
    chance = random.Random(11)
    lines = [b"GET / HTTP/1.1\r\n", b"POST /api/v1/cycles HTTP/1.1\r\n", b"Host: localhost\r\n", b"Content-Length: 10\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n",
             b"Expect: 100-continue\r\n", b"Range: bytes=0-9999999\r\n", b"Range: bytes=-\r\n", b"Content-Type: multipart/form-data; boundary=\r\n", b"Content-Encoding: gzip\r\n", b"\r\n", b"ffffffff\r\n", b"\x00\xff\r\n", b"GET /%00%ff%2e%2e HTTP/9.9\r\n", b":\r\n"]

    def attack(seed):
        luck = random.Random(seed)
        for _ in range(25):
            with contextlib.suppress(OSError), contextlib.closing(socket.create_connection((client.host, client.port), timeout=2)) as connection:
                connection.sendall(b"".join(luck.choices(lines, k=luck.randint(1, 8))) + luck.randbytes(luck.randint(0, 50)))
                if luck.random() < 0.7:
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(65536)

    threads = [threading.Thread(target=attack, args=(chance.random(),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("/healthz").status == 200 and running.process.poll() is None


def test_tls_and_a_token_for_reading(place):
    certificate, key = services.certificate(place.folder)
    config = place.configure(place.server, listen="0.0.0.0:0", tls={"cert_file": str(certificate), "key_file": str(key)}, host_names=["calve.example"])
    with serving(config, "--listen", "0.0.0.0:0") as running:
        context = ssl.create_default_context(cafile=certificate)
        client = Client(running, place.token, context)
        client.host = "127.0.0.1"
        assert client.scheme == "https"
        running.wait("cycle ended")
        bearer = {"Authorization": f"Bearer {place.token}"}
        assert client.get("/").status == client.get("/metrics").status == client.get("/healthz").status == 200
        refused = client.get("/api/v1/status")
        assert refused.status == 401 and refused.headers["WWW-Authenticate"].startswith("Bearer")
        assert client.get("/api/v1/status", headers=bearer).status == 200
        assert client.get("/api/v1/status", headers={**bearer, "Host": "calve.example"}).status == 200
        with client.events(headers=bearer) as following:
            assert following()[0] == "status"
            assert client.post("/api/v1/cycles").status == 202
            assert following("cycle")[1]["cause"] == "on-demand"
        # Plain HTTP to it, and a client that says nothing, hold nothing up.
        with contextlib.closing(socket.create_connection((client.host, client.port), timeout=15)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert not plain.recv(1000).startswith(b"HTTP/1.1 200")
        assert any("can read the names of the tables" in line for line in running.lines) and not any("can be read on its way" in line for line in running.lines)
        running.end()
    # Without TLS it warns; public_read lets everybody read, and nobody act.
    with serving(place.configure(place.server, listen="0.0.0.0:0", public_read=True), "--listen", "0.0.0.0:0") as running:
        client = Client(running, place.token)
        client.host = "127.0.0.1"
        running.wait("set serve.tls")
        assert client.get("/api/v1/status").status == 200 and client.post("/api/v1/cycles", token="").status in (401, 403)
        running.end()


def test_what_is_wrong_at_the_start(place, tmp_path):
    config = place.configure(place.server)
    place.token_file.chmod(0o604)
    assert "chmod o-rwx" in program.run("serve", "--config", config.file, code=program.USAGE).err
    place.token_file.chmod(0o600)
    short = program.run("serve", "--config", place.configure(place.server, token_file=None).file, code=program.USAGE, env={"CALVE_SERVE_TOKEN": "too-short"})
    assert "openssl rand -hex 32" in short.err and "too-short" not in short.err
    nobody = place.configure(place.server, tls={"cert_file": "none.pem", "key_file": "none.key"})
    assert "serve.tls.cert_file" in program.run("serve", "--config", nobody.file, code=program.USAGE).err
