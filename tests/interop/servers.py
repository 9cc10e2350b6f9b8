"""Servers that speak ClickHouse's HTTP interface, started for a test and stopped after it."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from . import leaks, program

HTTP_SERVER = program.ROOT / "tests" / "servers" / "clickhouse_http.py"
OLD_SERVER = program.DEPS / "clickhouse-server" / "usr" / "sbin" / "clickhouse-server"


class Server:
    def __init__(self, port, user="default", password="", host="127.0.0.1"):
        self.port, self.user, self.password, self.host = port, user, password, host

    @property
    def url(self):
        return f"http://{self.user}@{self.host}:{self.port}/default"

    def request(self, method, path, body=b""):
        request = urllib.request.Request(f"http://{self.host}:{self.port}{path}", data=body or None, method=method,
                                         headers={"X-ClickHouse-User": self.user, "X-ClickHouse-Key": self.password})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def query(self, sql):
        return self.request("POST", "/?" + urllib.parse.urlencode({"database": "default"}), sql.encode()).decode().rstrip("\n")

    def fault(self, kind, match=r"`price`", **more):
        """Arms a fault for the next requests whose SQL matches; by default those that read the rows."""
        self.request("POST", "/_fault", json.dumps({"kind": kind, "match": match, **more}).encode())

    def armed(self):
        return json.loads(self.request("GET", "/_fault"))

    def clear(self):
        self.request("DELETE", "/_fault")

    def queries(self):
        return json.loads(self.request("GET", "/_queries"))


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def over_libchdb(directory, options=(), user=None, password="", cwd=None):
    """The current engine behind HTTP, with faults on demand. It has the data directory for itself while it runs."""
    command = [sys.executable, str(HTTP_SERVER), "--port", "0", "--data", str(directory), "--lib", str(program.LIBRARY), "--faults", *options]
    if password:
        leaks.secret(password)
    if user:
        command += ["--user", user, "--password", password]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TZ": "UTC"}, cwd=cwd)
    try:
        line = process.stdout.readline()
        assert line.strip().isdigit(), f"the server did not start: {line!r}"
        server = Server(int(line), user or "default", password)
        server.process = process
        yield server
    finally:
        stop(process)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


CONFIG = """<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level><log>{folder}/server.log</log><errorlog>{folder}/server.err.log</errorlog></logger>
  <listen_host>{host}</listen_host><http_port>{http}</http_port><tcp_port>{tcp}</tcp_port>
  <path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path>
  <user_files_path>{folder}/files/</user_files_path><format_schema_path>{folder}/schemas/</format_schema_path>
  <mark_cache_size>16777216</mark_cache_size><uncompressed_cache_size>0</uncompressed_cache_size>
  <keep_alive_timeout>3</keep_alive_timeout><max_concurrent_queries>20</max_concurrent_queries>
  <users_config>{folder}/users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
  <timezone>UTC</timezone>
  {sections}
</yandex>
"""
USERS = """<?xml version="1.0"?>
<yandex>
  <profiles><default><max_memory_usage>2000000000</max_memory_usage><log_queries>0</log_queries></default>{profiles}</profiles>
  <users>
    <default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
    <app><password>sesame</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></app>
    {users}
  </users>
  <quotas><default><interval><duration>3600</duration><queries>0</queries><errors>0</errors><result_rows>0</result_rows><read_rows>0</read_rows><execution_time>0</execution_time></interval></default>{quotas}</quotas>
</yandex>
"""


class DebiansServer(Server):
    """The clickhouse-server that Debian 12 packages (18.16): old, and the real thing. May be stopped and started again."""

    def __init__(self, folder, http=None, tcp=None, sections="", host="127.0.0.1", **users):
        """`sections`: more of config.xml; `users`, `profiles`, `quotas`: more of users.xml."""
        super().__init__(http or free_port(), host=host)
        leaks.secret("sesame")  # app's password
        self.folder, self.tcp, self.process = pathlib.Path(folder), tcp or free_port(), None
        for name in ("data", "tmp", "files", "schemas"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "config.xml").write_text(CONFIG.format(folder=self.folder, host=host, http=self.port, tcp=self.tcp, sections=sections))
        (self.folder / "users.xml").write_text(USERS.format(**{"users": "", "profiles": "", "quotas": "", **users}))

    def start(self):
        with open(self.folder / "out", "ab") as out:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", str(OLD_SERVER), f"--config-file={self.folder}/config.xml"],
                                            stdout=out, stderr=out, cwd=self.folder)
        deadline = time.monotonic() + 60
        while True:
            try:
                return urllib.request.urlopen(f"http://{self.host}:{self.port}/", timeout=5).read()
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None and time.monotonic() < deadline, self.said()
                time.sleep(0.05)

    def said(self):
        return "".join(path.read_text(errors="replace")[-3000:] for path in (self.folder / "out", self.folder / "server.err.log") if path.exists())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Nobody needs what it would write on its way out."""
        if self.process and self.process.poll() is None:
            self.kill()


@contextlib.contextmanager
def debians(folder, **options):
    server = DebiansServer(folder, **options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
