"""A client of `calve serve`'s API: requests, events, and the OpenAPI document that every answer must fit."""

import contextlib
import http.client
import json
import re
import secrets
import time
import urllib.parse

import jsonschema

from . import leaks, program

OPENAPI = json.loads((program.ROOT / "src" / "calve" / "serve" / "page" / "openapi.json").read_text())


def address(running):
    """(scheme, host, port) where it answers, as it says itself."""
    scheme, host, port = re.search(r"listening at (https?)://(\S+):(\d+):", running.lines[running.wait("listening at")]).groups()
    return scheme, host, int(port)


def token_file(folder):
    """(a new token, a file that holds it)"""
    token = leaks.secret(secrets.token_hex(16))
    file = folder / "token"
    file.write_text(token + "\n")
    file.chmod(0o600)
    return token, file


class Answer:
    def __init__(self, response, method, raw=False):
        self.status, self.headers, self.text = response.status, response.headers, "" if raw else response.read().decode()
        self.is_json = response.headers.get_content_type() == "application/json"
        self.json = json.loads(self.text) if self.is_json and self.text and method != "HEAD" else None

    @property
    def error(self):
        return self.json["error"]


def schema_of(method, path, status, document=OPENAPI):
    """The JSON schema of that answer; None where it is no JSON. Fails where the document does not know the answer."""
    for template, operations in document["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            responses = operations[method.lower()]["responses"]
            assert str(status) in responses, f"{method} {path}: the document does not know {status}"
            response = responses[str(status)]
            if "$ref" in response:
                response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
            content = response.get("content", {}).get("application/json")
            return content and content["schema"]
    return None


def check(schema, value):
    jsonschema.Draft202012Validator({**schema, "components": OPENAPI["components"]}, format_checker=jsonschema.FormatChecker()).validate(value)


class Client:
    def __init__(self, running, token="", context=None):
        self.scheme, self.host, self.port = address(running)
        self.token, self.context = token, context

    @property
    def url(self):
        return f"{self.scheme}://{self.host}:{self.port}"

    def connection(self):
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, self.port, timeout=20, context=self.context)
        return http.client.HTTPConnection(self.host, self.port, timeout=20)

    def request(self, method, path, body=None, headers=None, token=None, raw=False):
        """Checks what comes against the document."""
        sent = {"Content-Type": "application/json"} if body is not None else {}
        token = self.token if token is None else token
        if token and method == "POST":
            sent["Authorization"] = f"Bearer {token}"
        sent.update(headers or {})
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body, {name: value for name, value in sent.items() if value is not None})
            answer = Answer(connection.getresponse(), method, raw)
        leaks.saw(f"{method} {path} of calve serve", answer.text)
        if answer.json is not None:
            schema = schema_of("GET" if method == "HEAD" else method, path, answer.status)
            check(schema or {"$ref": "#/components/schemas/Error"}, answer.json)
        return answer

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body="{}", **options):
        return self.request("POST", path, body if isinstance(body, (str, bytes)) else json.dumps(body), **options)

    def status(self):
        return self.get("/api/v1/status").json

    def table(self, name):
        return self.get(f"/api/v1/tables/{urllib.parse.quote(name, safe='')}").json

    def wait(self, what, condition, seconds=30):
        """Asks until the condition holds for the status, which it returns."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = self.status()
            if condition(status):
                return status
            time.sleep(0.05)
        raise AssertionError(f"{what} within {seconds} s\n{json.dumps(status, indent=1)}")

    def wait_for_cycles(self, number):
        return self.wait(f"{number} cycles", lambda status: len(status["cycles"]) >= number and status["server"]["next_cycle"])

    @contextlib.contextmanager
    def events(self, headers=None):
        """Yields a function that returns the next event of these names: (name, data)."""
        with contextlib.closing(self.connection()) as connection:
            connection.request("GET", "/api/v1/events", headers=headers or {})
            response = connection.getresponse()
            assert response.status == 200 and response.headers.get_content_type() == "text/event-stream", response.read()

            def following(*names):
                name, data = "", ""
                while True:
                    line = response.fp.readline().decode()
                    assert line, "the stream has ended"
                    if line == "\n":
                        if data and (not names or name in names):
                            return name, json.loads(data)
                        name, data = "", ""
                    name = line[7:-1] if line.startswith("event: ") else name
                    data += line[6:-1] if line.startswith("data: ") else ""

            yield following
