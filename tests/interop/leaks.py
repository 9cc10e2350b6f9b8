"""No secret may occur in what calve says or writes.

Every secret of the tests (passwords, keys, tokens) is registered with secret("…"). program.py hands over all that calve's processes print;
conftest.py, at the end of the session, looks for every secret in that, in the journals and in the files of the tables.
"""

import base64
import gzip
import json
import os
import pathlib
import sqlite3
import time
import urllib.parse

LENGTH_MIN = 6  # shorter ones would be found where they are not


def forms(text):
    """The bytes that give it away: as it is, as a URL, JSON, or base64 has it, the latter wherever it begins in a group of three."""
    plain = text.encode()
    found = {plain, urllib.parse.quote(text, safe="").encode(), urllib.parse.quote(text).encode(), urllib.parse.quote_plus(text).encode(),
             json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode()}
    for before in range(3):
        whole = base64.b64encode(b"." * before + plain).rstrip(b"=")
        sure = slice(-(-before * 8 // 6), len(whole) - 1)  # letters that neither what stands before nor what follows has a say in
        found |= {whole[sure], whole[sure].translate(bytes.maketrans(b"+/", b"-_"))}
    return found


class Watch:
    def __init__(self):
        self._secrets, self._files_of_secrets, self._seen = {}, [], []

    def secret(self, text):
        """Registers a secret, and returns it."""
        assert len(text) >= LENGTH_MIN, f"{text!r} is too short to be looked for"
        self._secrets[text] = forms(text)
        return text

    def secrets_in(self, file):
        """Each line that the file will have had by the end is a secret."""
        self._files_of_secrets.append(pathlib.Path(file))

    def saw(self, where, content):
        """Something that calve said or wrote."""
        content = content.encode(errors="surrogateescape") if isinstance(content, str) else content
        if content:
            self._seen.append((f"{where}, {os.environ.get('PYTEST_CURRENT_TEST', 'between tests')}", content))

    def saw_files(self, folder):
        """All files of tables, journals and catalogs below the folder."""
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name != "hot"]  # ClickHouse's own
            for name in names:
                file = pathlib.Path(parent, name)
                in_metadata = "metadata" in file.relative_to(folder).parts
                if in_metadata or name.endswith((".db", ".db-wal", ".db-journal", "requests.log")):
                    self._saw_file(file)

    def _saw_file(self, file):
        try:
            content = file.read_bytes()
        except OSError:
            return  # gone, or not ours to read
        self.saw(str(file), content)
        if content.startswith(b"\x1f\x8b"):
            self.saw(f"{file} unpacked", gzip.decompress(content))
        if content.startswith(b"SQLite format 3\0"):  # long values are in pieces
            try:
                with sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True) as connection:
                    self.saw(f"{file} as SQL", "\n".join(connection.iterdump()))
            except sqlite3.Error:
                pass  # a test has damaged it

    def found(self):
        """["secret 'ab…' in stdout of calve offload, test_x", …]"""
        for file in self._files_of_secrets:
            for line in file.read_text().splitlines() if file.exists() else []:
                self._secrets[line] = {line.encode()}  # there may be very many
        return sorted({f"secret {text[:2]!r}… in {where}" for text, patterns in self._secrets.items() for where, content in self._seen
                       if any(pattern in content for pattern in patterns)})

    def check(self):
        found = self.found()
        assert not found, f"{len(found)} places give secrets away:\n" + "\n".join(found)


WATCH = Watch()
secret, secrets_in, saw = WATCH.secret, WATCH.secrets_in, WATCH.saw


class Pipe:
    """The end of a pipe from calve; what is read of it is seen, by whichever way it is read."""

    def __init__(self, pipe, where):
        self._pipe, self._where = pipe, where

    def __getattr__(self, name):
        return getattr(self._pipe, name)

    def __iter__(self):
        return iter(self.readline, "")

    def readline(self, *size):
        return self._see(self._pipe.readline(*size))

    def read(self, *size):
        return self._see(self._pipe.read(*size))

    def readlines(self):
        return list(self)

    def _see(self, text):
        saw(self._where, text)
        return text
