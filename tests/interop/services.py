"""What calve talks to besides ClickHouse and PostgreSQL: REST catalogs, S3 stores, and a network that misbehaves on demand.

Each server is a process on 127.0.0.1 with a free port and a folder of its own, ready when its context manager yields it, and gone
with whoever started it. `tools/setup servers` installs the programs. A server may be stopped and started again on its port.
"""

import contextlib
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from . import program
from .leaks import secret, secrets_in
from .servers import free_port

FOLDER = program.DEPS / "servers"
JAVA_OPTIONS = ["-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]  # starts fast; no test is about its speed


def present(*names):
    """Whether these are installed, by their paths below FOLDER."""
    return all((FOLDER / name).exists() for name in names)


def port_answers(port):
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def url_answers(url):
    """Whether a request gets a status of 2xx; certificates are not looked at."""
    import ssl

    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=2, context=unverified) as answer:
            return answer.status < 300
    except (OSError, urllib.error.URLError):
        return False


class Process:
    """A server's process. Subclasses say what to run (`command`) and when it is ready (`ready`)."""

    seconds_to_start = 60

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process = None

    def command(self):
        """(words, what the environment has besides)."""
        raise NotImplementedError

    def ready(self):
        return port_answers(self.port)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def start(self):
        for _ in range(3):  # somebody else may take the free port first
            words, environment = self.command()
            with open(self.folder / "log", "ab") as log:
                self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, words)], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                                cwd=self.folder, env={**os.environ, "TZ": "UTC", **environment})
            deadline = time.monotonic() + self.seconds_to_start
            while time.monotonic() < deadline and self.process.poll() is None:
                if self.ready() and self.process.poll() is None:
                    return self
                time.sleep(0.02)
            if self.process.poll() is None:
                break
            self.port = self.port if "in use" not in self.log() else free_port()
        self.stop(signal.SIGKILL)
        raise AssertionError(f"{type(self).__name__} did not start:\n{self.log()[-3000:]}")

    def stop(self, how=signal.SIGTERM):
        """As an administrator does (SIGTERM) or a power failure (SIGKILL)."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @contextlib.contextmanager
    def running(self):
        try:
            yield self.start()
        finally:
            self.stop(signal.SIGKILL)

    @contextlib.contextmanager
    def away(self, how=signal.SIGKILL):
        """Not there for the time of the block; then back, on the same port and with what it had stored."""
        self.stop(how)
        try:
            yield
        finally:
            self.start()


# --- REST catalogs --------------------------------------------------------------------------------------------------------

class RestCatalog(Process):
    """Apache Iceberg's REST catalog for tests (tests/servers/iceberg_rest), with a warehouse below its folder unless told otherwise.
    With `oauth` it lets in only who has a token for OAUTH_CLIENT and OAUTH_SECRET, or the token OAUTH_TOKEN."""

    OAUTH_CLIENT = "calve-tests"
    OAUTH_SECRET = secret("oauth s3cret/of:the+tests")
    OAUTH_TOKEN = secret("a-bearer-token-that-nobody-may-see")

    def __init__(self, folder, oauth=False, properties=None):
        super().__init__(folder)
        self.oauth, self.properties = oauth, dict(properties or {})
        self.warehouse = self.properties.get("warehouse", f"file://{self.folder}/warehouse")
        (self.folder / "tmp").mkdir(exist_ok=True)
        secrets_in(self.folder / "tokens")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self):
        environment = {"OAUTH_SECRET": self.OAUTH_SECRET, "OAUTH_TOKEN": self.OAUTH_TOKEN} if self.oauth else {}
        properties = {**self.properties, **({"oauth.client": self.OAUTH_CLIENT} if self.oauth else {})}
        rest = FOLDER / "iceberg-rest"
        return ["java", *JAVA_OPTIONS, f"-Djava.io.tmpdir={self.folder}/tmp", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{rest}/lib/*:{rest}/classes",
                "org.apache.iceberg.rest.CatalogServer", self.folder, self.port, *(f"{k}={v}" for k, v in properties.items())], environment

    def requests(self):
        """What was asked, oldest first: ["POST /v1/namespaces 200", ...]."""
        log = self.folder / "requests.log"
        return log.read_text().splitlines() if log.exists() else []


def rest_properties(s3, bucket, vended=False):
    """Properties of a RestCatalog whose warehouse is a bucket; `vended`: it hands the keys on to its clients."""
    return {"warehouse": f"s3://{bucket}/warehouse", "io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "s3.endpoint": s3.url, "s3.path-style-access": "true",
            "s3.access-key-id": s3.ACCESS_KEY, "s3.secret-access-key": s3.SECRET_KEY, "client.region": s3.REGION,
            **({"include-credentials": "true"} if vended else {})}


class Nessie(Process):
    """Project Nessie, over a bucket of an S3 server; what it knows is in memory and gone with the process."""

    seconds_to_start = 120

    def __init__(self, folder, s3, bucket):
        super().__init__(folder)
        self.s3, self.bucket, self.management = s3, bucket, free_port()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/iceberg"

    def ready(self):
        return url_answers(f"{self.url}/v1/config")

    def command(self):
        options = {
            "quarkus.http.host": "127.0.0.1", "quarkus.http.port": self.port, "quarkus.management.host": "127.0.0.1", "quarkus.management.port": self.management,
            "nessie.version.store.type": "IN_MEMORY", "nessie.server.authentication.enabled": "false", "quarkus.otel.sdk.disabled": "true",
            "nessie.catalog.default-warehouse": "warehouse", "nessie.catalog.warehouses.warehouse.location": f"s3://{self.bucket}/",
            "nessie.catalog.service.s3.default-options.endpoint": f"{self.s3.url}/", "nessie.catalog.service.s3.default-options.region": self.s3.REGION,
            "nessie.catalog.service.s3.default-options.path-style-access": "true",
            "nessie.catalog.service.s3.default-options.access-key": "urn:nessie-secret:quarkus:s3creds",
            "s3creds.name": self.s3.ACCESS_KEY, "s3creds.secret": self.s3.SECRET_KEY,
        }
        return [FOLDER / "jdk" / "bin" / "java", *JAVA_OPTIONS, *(f"-D{k}={v}" for k, v in options.items()), "-jar", FOLDER / "nessie" / "nessie.jar"], {}


# --- S3 -------------------------------------------------------------------------------------------------------------------

class S3Server(Process):
    ACCESS_KEY = "calve-access-key"
    SECRET_KEY = secret("an-s3-secret-key-that-nobody-may-see")
    REGION = "us-east-1"

    def __init__(self, folder, certificate=None, key=None):
        super().__init__(folder)
        self.certificate, self.key = certificate, key  # with them it speaks TLS
        self.data = self.folder / "data"
        self.data.mkdir(exist_ok=True)
        self._buckets = 0

    @property
    def url(self):
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}"

    def client(self, **options):
        """boto3's."""
        import boto3
        from botocore.config import Config

        return boto3.client("s3", endpoint_url=self.url, region_name=self.REGION, aws_access_key_id=self.ACCESS_KEY, aws_secret_access_key=self.SECRET_KEY,
                            verify=str(self.certificate) if self.certificate else None,
                            config=Config(s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=20, retries={"max_attempts": 2}), **options)

    def new_bucket(self, prefix="bucket"):
        """Its name."""
        self._buckets += 1
        name = f"{prefix}-{os.getpid()}-{self._buckets}"
        self.client().create_bucket(Bucket=name)
        return name

    def keys(self, bucket, prefix=""):
        """{key: bytes} of all objects."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}

    def uploads(self, bucket):
        """Keys of multipart uploads that were begun and neither completed nor aborted."""
        return [upload["Key"] for upload in self.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


class Versitygw(S3Server):
    """Objects are plain files: data/BUCKET/KEY. It closes each connection: with its --keep-alive it trips over some requests."""

    def ready(self):
        return url_answers(f"{self.url}/health")

    def command(self):
        tls = ["--cert", self.certificate, "--key", self.key] if self.certificate else []
        meta = self.folder / "meta"  # in files of its own: not every file system has extended attributes
        meta.mkdir(exist_ok=True)
        return [FOLDER / "bin" / "versitygw", "--port", f"127.0.0.1:{self.port}", "--region", self.REGION, "--quiet", "--health", "/health",
                "--access-log", self.folder / "requests.log", *tls,
                "posix", "--sidecar", meta, self.data], {"ROOT_ACCESS_KEY": self.ACCESS_KEY, "ROOT_SECRET_KEY": self.SECRET_KEY}


class Minio(S3Server):
    def ready(self):
        return url_answers(f"{self.url}/minio/health/ready")

    def command(self):
        certificates = self.folder / "certs"
        certificates.mkdir(exist_ok=True)
        for name, file in (("public.crt", self.certificate), ("private.key", self.key)):
            if file and not (certificates / name).exists():
                (certificates / name).symlink_to(file)
        return [FOLDER / "bin" / "minio", "server", "--quiet", "--anonymous", "--address", f"127.0.0.1:{self.port}", "--certs-dir", certificates, self.data], {
            "MINIO_ROOT_USER": self.ACCESS_KEY, "MINIO_ROOT_PASSWORD": self.SECRET_KEY, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "MINIO_CI_CD": "1",
            "HOME": str(self.folder)}


def certificate(folder):
    """(certificate, key) for 127.0.0.1, signed by itself, as absolute paths of PEM files."""
    folder = pathlib.Path(folder).absolute()
    crt, key = folder / "server.crt", folder / "server.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", crt], check=True, capture_output=True)
    return crt, key


# --- the network ----------------------------------------------------------------------------------------------------------

class Proxy:
    """A port that leads to a server's port, until it is told to misbehave."""

    def __init__(self, toxiproxy, name, upstream):
        self.toxiproxy, self.name, self.port = toxiproxy, name, free_port()
        toxiproxy.call("POST", "/proxies", {"name": name, "listen": f"127.0.0.1:{self.port}", "upstream": f"127.0.0.1:{upstream}", "enabled": True})

    def through(self, url):
        """The URL with this port in place of the server's."""
        parts = urllib.parse.urlsplit(url)
        user = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user[0]}{user[1]}127.0.0.1:{self.port}").geturl()

    def toxic(self, kind, stream="downstream", toxicity=1.0, **attributes):
        """latency(latency, jitter), bandwidth(rate KB/s), slow_close(delay), timeout(timeout ms; 0: never), reset_peer(timeout ms),
        slicer(average_size, size_variation, delay us), limit_data(bytes); downstream: what the server says, upstream: what calve says."""
        self.toxiproxy.call("POST", f"/proxies/{self.name}/toxics", {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes})

    def enable(self, enabled=True):
        """Disabled, it refuses connections, and those that are open are cut."""
        self.toxiproxy.call("POST", f"/proxies/{self.name}", {"enabled": enabled})

    def disable(self):
        self.enable(False)

    def reset(self):
        """Well again."""
        for toxic in self.toxiproxy.call("GET", f"/proxies/{self.name}/toxics"):
            self.toxiproxy.call("DELETE", f"/proxies/{self.name}/toxics/{toxic['name']}")
        self.enable()

    def delete(self):
        self.toxiproxy.call("DELETE", f"/proxies/{self.name}")


class Toxiproxy(Process):
    """Shopify's Toxiproxy."""

    def __init__(self, folder):
        super().__init__(folder)
        self._proxies = 0

    def ready(self):
        return url_answers(f"http://127.0.0.1:{self.port}/version")

    def command(self):
        return [FOLDER / "bin" / "toxiproxy-server", "-host", "127.0.0.1", "-port", self.port], {}

    def call(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"toxiproxy: {method} {path} {body}: {error.read().decode(errors='replace')}") from None
        return json.loads(text) if text else None

    @contextlib.contextmanager
    def to(self, upstream):
        """A Proxy to a port of this machine, or to a server (anything with a port)."""
        self._proxies += 1
        proxy = Proxy(self, f"proxy-{self._proxies}", getattr(upstream, "port", upstream))
        try:
            yield proxy
        finally:
            proxy.delete()


class Receiver:
    """An HTTP server of the test itself that takes what is posted to it, and answers `status`."""

    def __init__(self, status=200):
        self.status = status
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.took(self.path, dict(self.headers), json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def took(self, path, headers, body):
        raise NotImplementedError

    @contextlib.contextmanager
    def running(self):
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()
