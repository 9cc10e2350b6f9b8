"""A PostgreSQL server for the tests: its own folder and port, gone at the end. Passwords are asked for, TLS is offered."""

import contextlib
import os
import pathlib
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

from . import servers

PASSWORD = "s3cr t/p@ss%word"  # of every user; what a URI would have to encode


def programs():
    """The folder of the newest version's programs; None where the machine has no PostgreSQL."""
    found = [p.parent for p in pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda p: int(p.parent.name), default=None)


class Database:
    """A database of its own, with its owner."""

    def __init__(self, server, name):
        self.server, self.name = server, name

    def url(self, user=None, **parameters):
        query = "&".join(f"{k}={v}" for k, v in parameters.items())
        return f"postgresql://{user or self.name}@127.0.0.1:{self.server.port}/{self.name}" + (f"?{query}" if query else "")

    def sql(self, statements, user=None):
        """What psql prints of the statements' rows: [[text, ...], ...]."""
        done = subprocess.run([str(self.server.bin / "psql"), "-XqAt", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-d", self.url(user or "postgres")],
                              input=statements, capture_output=True, text=True, env={**os.environ, "PGPASSWORD": PASSWORD, "PGTZ": "UTC"}, timeout=60)
        assert done.returncode == 0, done.stderr
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def add_user(self, name):
        name = f"{self.name}_{name}"
        self.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        return name


class Server:
    def __init__(self, folder, bin_folder, port):
        self.folder, self.bin, self.port, self.process = folder, bin_folder, port, None
        self.certificate = folder / "server.crt"
        self._as = ["setpriv", "--pdeathsig", "KILL"]
        if os.geteuid() == 0:  # it refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def _run(self, *command):
        subprocess.run([*self._as, *map(str, command)], check=True, capture_output=True, cwd="/")

    def make(self):
        data, password = self.folder / "data", self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(self.bin / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--no-locale", "--no-sync")
        self._run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=postgres",
                  "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.folder / "server.key", "-out", self.certificate)
        self.start()

    def start(self):
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder, "fsync": "off", "shared_buffers": "16MB",
                    "ssl": "on", "ssl_cert_file": self.certificate, "ssl_key_file": self.folder / "server.key", "TimeZone": "Asia/Tokyo", "log_line_prefix": "%m %d "}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([*self._as, str(self.bin / "postgres"), "-D", str(self.folder / "data"), *options], stdout=log, stderr=log, cwd="/")
        deadline = time.monotonic() + 30
        while subprocess.run([str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode != 0:
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text(errors="replace")[-3000:]
            time.sleep(0.03)

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        self.process.wait(30)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def new_database(self):
        name = f"db{secrets.token_hex(4)}"
        everything = Database(self, "postgres")
        everything.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'; CREATE DATABASE {name} OWNER {name}")
        return Database(self, name)


@contextlib.contextmanager
def server():
    # Not below pytest's folder, which only its owner may enter.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="calve-pg-", dir="/tmp"))
    started = Server(folder, programs(), servers.free_port())
    try:
        started.make()
        yield started
    finally:
        if started.process and started.process.poll() is None:
            started.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


def mentions_password(text):
    """Whether any piece of the password that could give it away stands there."""
    return bool(re.search(r"s3cr|p@ss|p%40ss", text))

