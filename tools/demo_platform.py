"""The second part of `make demo`: the nine tables of the reference platform in an embedded ClickHouse, three cycles of `calve run`
by examples/k2.yaml with new, late, again delivered and changed data in between, and every table verified."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import embedded_clickhouse
import reference_platform

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPS = pathlib.Path(os.environ.get("CALVE_DEPS") or ROOT / ".deps")
CONFIG = ROOT / "examples" / "k2.yaml"
DAY = reference_platform.STEPS_A_DAY
EVERY = 100  # a run of eight trades in so many is taken of the sample: 350 trades of each exchange in a quarter of an hour


class Demo:
    def __init__(self, folder, binary, say, bold):
        self.hot, self.cold = folder / "platform", folder / "platform-cold"
        self.binary, self.say, self.bold = binary, say, bold

    def fill(self, *steps):
        """Each step: a function of the platform."""
        with embedded_clickhouse.Engine(str(self.hot)) as engine:
            platform = reference_platform.Platform(lambda *sql: [engine.query(statement) for statement in sql])
            for step in steps:
                step(platform)

    def calve(self, *arguments):
        shown = " ".join(str(word) for word in (self.binary, *arguments)).replace(f"{ROOT}/", "")
        self.say(f"$ {shown}")
        done = subprocess.run([str(self.binary), *map(str, arguments), "--json", "--progress", "never", "--quiet"], stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "CALVE_CHDB_LIBRARY": str(DEPS / "chdb" / "libchdb.so"), "CLICKHOUSE_URL": f"chdb:{self.hot}",
                                   "WAREHOUSE": f"file://{self.cold}"})
        if done.returncode != 0:
            sys.exit(f"calve: demo FAILED: calve ended with exit code {done.returncode}")
        return json.loads(done.stdout)

    def cycle(self, until_step):
        began = time.monotonic()
        told = self.calve("run", "--config", CONFIG, "--until", reference_platform.text(reference_platform.until(until_step)))
        told["seconds"] = time.monotonic() - began
        verified = self.calve("verify", "--config", CONFIG)
        told["hot"] = {table["name"]: table["rows"]["hot"] for table in verified["tables"]}
        return told

    def run(self):
        for folder in (self.hot, self.cold):
            shutil.rmtree(folder, ignore_errors=True)
        self.say(self.bold("4. A platform of nine tables in three layers") + f" (docs/platform.md), by {CONFIG.relative_to(ROOT)}")
        self.say(f"   CLICKHOUSE_URL=chdb:{self.hot} WAREHOUSE=file://{self.cold}")
        self.say("   real trades, spot as Binance's and futures as Kraken's, over a simulated day; materialised views make silver and gold of them\n")
        self.fill(lambda p: p.build(EVERY), lambda p: p.play(0, DAY))
        first = self.cycle(DAY)
        self.say("\n   a quarter of an hour later: new trades, some that were late, and some again at another price\n")
        self.fill(lambda p: p.play(DAY), lambda p: p.late(DAY - 20, 20), lambda p: p.redeliver(DAY - 8, 4))
        second = self.cycle(DAY + 1)
        self.say("\n   and a day later, all at once\n")
        self.fill(lambda p: p.play(DAY + 1, DAY), lambda p: p.late(DAY, DAY), lambda p: p.redeliver(DAY + 40, 8, version=3, correction="-0.05"))
        third = self.cycle(2 * DAY + 1)
        return self.table(first, second, third)

    @staticmethod
    def table(*cycles):
        """Rows for people: what each cycle did to each table."""
        def cell(table):
            late = table["late"]
            text = f"{table['rows']:,}"
            if late["rows"]:
                text += f" + {late['rows']:,} late" if late["rows_removed"] == 0 else f" + {late['rows']:,} changed"
            return text

        names = [table["name"] for table in cycles[0]["tables"]]
        by_name = [{table["name"]: table for table in cycle["tables"]} for cycle in cycles]
        rows = [["", "first cycle", "a quarter of an hour later", "a day later", "verified rows", "equal"]]
        rows += [[name, *(cell(cycle[name]) for cycle in by_name), f"{cycles[-1]['hot'][name]:,}", "yes"] for name in names]
        rows.append(["all nine took", *(f"{cycle['seconds']:.2f} s" for cycle in cycles), "", ""])
        return rows
