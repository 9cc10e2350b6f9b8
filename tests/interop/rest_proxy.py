"""A port before a REST catalog that lets every request by, until it is told what shall become of the next ones.

`with RestProxy(port) as proxy: proxy.fail("POST", "/tables/trades$", "lost answer", times=1)`. What may become of a request:

  lost request    the connection ends, nothing is done
  lost answer     it is done, the connection ends
  garbage         it is done, 200 with no JSON
  503, 500, …     that answer, nothing is done; `retry_after` seconds
  after 502       it is done, and that is answered
  twice           it is sent twice, and the second answer comes back, as a gateway does that tries again
  hold            it waits until release() and is done then; the client gets 504 at once

`offers_keys`: the server takes idempotency keys and does not say so; the proxy says it. `judge(method, url, headers, body)` says what is wrong
with a request, which gets 403 then. `change(method, path, object)` returns what becomes of a good answer's object.
"""

import http.client
import http.server
import json
import re
import ssl
import threading


class RestProxy:
    def __init__(self, upstream, certificate=None, key=None, offers_keys=False, judge=None, change=None):
        self.upstream, self.faults, self.seen, self.held = upstream, [], [], []
        self.offers_keys, self.judge, self.change = offers_keys, judge, change
        self._lock = threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy._befall(self, body)

            do_GET = do_POST = do_DELETE = do_HEAD = answer

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def fail(self, method, path, what, times=1, retry_after=None):
        with self._lock:
            self.faults.append({"method": method, "path": re.compile(path), "what": what, "times": times, "retry_after": retry_after})

    def release(self):
        """What was held is done now: [status of each]."""
        with self._lock:
            held, self.held = self.held, []
        return [self._forward(*request)[0] for request in held]

    def requests(self, method, path):
        return [seen for seen in self.seen if seen[0] == method and re.search(path, seen[1].partition("?")[0])]

    def _fault(self, method, target):
        with self._lock:
            for fault in self.faults:
                if fault["times"] > 0 and fault["method"] == method and fault["path"].search(target.partition("?")[0]):
                    fault["times"] -= 1
                    return fault
        return {"what": None}

    def _forward(self, method, target, headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        kept = {k: v for k, v in headers.items() if k.lower() not in ("host", "connection", "accept-encoding")}
        connection.request(method, target, body=body or None, headers=kept)
        response = connection.getresponse()
        out = response.status, dict(response.getheaders()), response.read()
        connection.close()
        return out

    def _befall(self, handler, body):
        request = handler.command, handler.path, handler.headers, body
        fault = self._fault(handler.command, handler.path)
        what = fault["what"]
        with self._lock:
            self.seen.append((handler.command, handler.path, dict(handler.headers), body))
        handler.close_connection = True
        wrong = self.judge(handler.command, self.url + handler.path, handler.headers, body) if self.judge else None
        if wrong:
            return self._say(handler, 403, {}, json.dumps({"error": {"type": "ForbiddenException", "code": 403, "message": wrong}}).encode())
        if what == "lost request":
            return
        if what == "hold":
            with self._lock:
                self.held.append(request)
            return self._say(handler, 504, {}, b"")
        if what is not None and str(what).isdigit():
            return self._say(handler, int(what), {"Retry-After": str(fault["retry_after"])} if fault["retry_after"] is not None else {}, b"")
        status, headers, answer = self._forward(*request)
        if self.offers_keys and handler.path.partition("?")[0].endswith("/config") and status == 200:
            answer = json.dumps({**json.loads(answer), "idempotency-key-lifetime": "PT30M"}).encode()
        if self.change and status == 200:
            answer = json.dumps(self.change(handler.command, handler.path.partition("?")[0], json.loads(answer))).encode()
        if what == "twice":
            status, headers, answer = self._forward(*request)
        if what == "lost answer":
            return
        if what == "garbage":
            status, headers, answer = 200, {}, b"<html>"
        if what is not None and what.startswith("after "):
            status, headers, answer = int(what.removeprefix("after ")), {}, b""
        self._say(handler, status, headers, answer)

    @staticmethod
    def _say(handler, status, headers, answer):
        handler.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                handler.send_header(name, value)
        if status != 204:
            handler.send_header("Content-Length", str(len(answer)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        if handler.command != "HEAD" and status != 204:
            handler.wfile.write(answer)
