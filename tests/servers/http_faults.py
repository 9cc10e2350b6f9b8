"""Faults on demand for the test server.

POST /_fault {"kind": K, "after_bytes": N, "times": T, "match": "regex on the SQL", …} arms one: it befalls the next T (1) matching
requests. GET /_fault lists those still armed, DELETE /_fault disarms all. A header `X-Fault: {…}` arms one for its own request.

  status500, status503, status429   that answer, without an exception code; "text" is the body
  exception_first                   an exception before the first byte: "code" (202), "text"
  drop                              after N bytes of the body, the connection is reset
  no_end                            after N bytes (or the whole body) it is closed without the last chunk
  exception                         from N bytes on, at a block's end, the exception's text; the chunks end properly (up to 24.10)
  exception_inside                  the same after exactly N bytes, inside a block
  exception_marker                  the same behind "__exception__", and the connection breaks (24.11 to 25.10)
  exception_tag                     the same framed by the announced tag, and the connection breaks (from 25.11)
  slow                              "delay_ms" (10) before every "piece_bytes" (1024) of the body
  hang                              after N bytes nothing more comes, until the client goes
  corrupt                           the byte at N is inverted, behind the compression where there is one
  truncate                          the body ends after N bytes, with a proper last chunk
  wrong_length                      a Content-Length of "length" (N + 1000) for a body of N bytes, then closed
  cut_request                       of an INSERT's data, after N bytes: what came is inserted, and the connection reset
  lost_answer                       the INSERT is done, and the connection reset instead of an answer
  no_length                         neither a length nor chunks; closed at the end
  before                            "sql" is executed before the request's own
  hold                              the request waits, unexecuted, until faults are disarmed
"""

import json
import re
import threading

KINDS = (
    "status500 status503 status429 exception_first drop no_end exception exception_inside exception_marker exception_tag slow hang "
    "corrupt truncate wrong_length no_length before hold cut_request lost_answer").split()
EXCEPTION_TEXT = (
    "Code: 395. DB::Exception: Value passed to 'throwIf' function is non-zero: while executing 'FUNCTION throwIf'. "
    "(FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 26.5.1.1 (official build))\n")


class Fault:
    def __init__(self, spec):
        if spec.get("kind") not in KINDS:
            raise ValueError(f"kind is none of {' '.join(KINDS)}")
        self.spec = spec
        self.kind = spec["kind"]
        self.after_bytes = int(spec.get("after_bytes", 0))
        self.times = int(spec.get("times", 1))
        self.match = re.compile(spec.get("match", ""), re.S)
        self.text = spec.get("text", EXCEPTION_TEXT)

    def number(self, name, default):
        return int(self.spec.get(name, default))


class Faults:
    """Those armed. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._armed = []
        self._released = threading.Event()  # those who wait now; a new one with every release

    def arm(self, text):
        fault = Fault(json.loads(text))
        with self._lock:
            self._armed.append(fault)

    def clear(self):
        with self._lock:
            self._armed.clear()
            released, self._released = self._released, threading.Event()
        released.set()

    def hold(self):
        """Until clear()."""
        with self._lock:
            released = self._released
        released.wait(120)

    def listed(self):
        with self._lock:
            return [dict(fault.spec, times=fault.times) for fault in self._armed]

    def take(self, sql, header=None):
        """The fault for this request, if any."""
        if header:
            return Fault(json.loads(header))
        with self._lock:
            for fault in self._armed:
                if fault.match.search(sql):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._armed.remove(fault)
                    return fault
        return None
