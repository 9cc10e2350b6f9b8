"""Counting through a view, again and again, while things move below it."""

import contextlib
import threading
import urllib.error

COUNTS = "SELECT count(), uniqExact(sequence), sum(sequence), min(price), max(price), uniqExact(symbol, side)"
# As servers' databases are by default: there a view is replaced in one step. The embedded engine's own database is none,
# and says UNKNOWN_TABLE while one is replaced.
ATOMIC = "CREATE DATABASE archive ENGINE = Atomic"
VIEW = "archive.trades_all"
# ClickHouse lists the metadata folder, and trips over a file that a commit renames meanwhile.
REFUSED = "filesystem error"


@contextlib.contextmanager
def counting(server, whole):
    """Within it every count through the view is the whole; ClickHouse may refuse some, as REFUSED says."""
    seen, refused, over = [], [], threading.Event()

    def count():
        while not over.is_set():
            try:
                seen.append(server.query(f"{COUNTS} FROM {VIEW}"))
            except urllib.error.HTTPError as error:
                refused.append(error.read().decode())
            except Exception as error:  # shown below, in the test's own thread
                refused.append(repr(error))
                break

    counter = threading.Thread(target=count)
    counter.start()
    try:
        yield
    finally:
        over.set()
        counter.join()
    assert len(seen) > 3 and set(seen) == {whole}
    assert len(refused) < len(seen) and all(REFUSED in text for text in refused), refused
