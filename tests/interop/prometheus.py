"""Prometheus and Alertmanager as Debian packages them, unpacked and never installed; and reading what calve tells them."""

import re
import urllib.error
import urllib.request

from . import program

FOLDER = program.DEPS / "prometheus" / "usr" / "bin"
PROMTOOL = FOLDER / "promtool"

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


def get(url):
    """(status, text)"""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(text):
    """{name: {frozenset of (label, value): number}}"""
    seen = {}
    for line in text.splitlines():
        if match := SAMPLE.match(line):
            seen.setdefault(match[1], {})[frozenset(LABEL.findall(match[2] or ""))] = float(match[3])
    return seen


def scrape(url):
    return samples(get(url + "/metrics")[1])
