"""What the order of the layers promises, checked from the snapshots alone, whoever ran the cycles:

At every moment at which any table was committed, no table was ahead of the watermark of one it is made from, no cold silver row lacked its
bronze row, and no cold candle counted more trades than cold silver had of it.

The rows can be checked where nothing is inserted during a cycle: a late trade that comes between the reading of two layers reaches the
upper one first, whatever the windows are.
"""

import datetime

import reference_platform

from . import canonical


def micros(text):
    return (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - canonical.EPOCH_UTC) // canonical.MICROSECOND


def history(table):
    """[(committed at, in ms; snapshot id; watermark in microseconds)] of main, oldest first; a snapshot of another's leaves
    the watermark where it was. Empty where there is no table."""
    if not table.exists():
        return []
    metadata = table.metadata
    summaries = {s["snapshot-id"]: s["summary"] for s in metadata.get("snapshots", [])}
    states, watermark = [], None
    for entry in metadata.get("snapshot-log", []):
        end = summaries[entry["snapshot-id"]].get("calve.window-to")
        watermark = micros(end) if end else watermark
        states.append((entry["timestamp-ms"], entry["snapshot-id"], watermark))
    return states


def watermark(table):
    """As a datetime; None before the first window."""
    states = history(table)
    return canonical.EPOCH_UTC + states[-1][2] * canonical.MICROSECOND if states and states[-1][2] is not None else None


class Layers:
    """complete_candles: windows of gold end a candle's span before silver's watermark, so that each candle is offloaded when its trades are.
    Else a candle is compared from the moment on when silver has passed its end."""

    def __init__(self, cold, duckdb, tables=reference_platform.TABLES, complete_candles=True):
        self.duckdb, self.tables, self.complete_candles = duckdb, {table.name: table for table in tables}, complete_candles
        self.cold = {table.name: cold.table(table.target.split(".")[-1]) for table in tables}
        self.states = {name: history(table) for name, table in self.cold.items()}
        self.loaded = set()

    def check(self):
        """Returns how many states of a table were compared with those of its parents."""
        compared = 0
        try:
            for table in self.tables.values():
                if table.parents:
                    compared += self._check(table)
        finally:
            for name in self.loaded:
                self.duckdb.query(f"DROP TABLE {name}")
        return compared

    def _check(self, table):
        names = (table.name, *table.parents)
        moments = sorted({state[0] for name in names for state in self.states[name]})
        pairs = dict.fromkeys(tuple(self._at(name, moment) for name in names) for moment in moments)
        pairs = [pair for pair in pairs if pair[0] is not None]
        for state, *parents in pairs:
            where = f"{table.name} at snapshot {state[1]}"
            assert None not in parents, f"{where}: one of {table.parents} has no snapshot"
            reach = state[2] + (table.span // canonical.MICROSECOND if self.complete_candles else 0)
            least = min(parent[2] for parent in parents)
            assert reach <= least, f"{where}: window up to {self._text(reach)}, of {table.parents} up to {self._text(least)}"
            lacking = (self._candles if table.layer == "gold" else self._trades)(table, state, parents)
            assert not lacking, f"{where} has rows that lack theirs in {table.parents}: {lacking}"
        return len(pairs)

    def _at(self, name, moment):
        known = [state for state in self.states[name] if state[0] <= moment]
        return known[-1] if known else None

    @staticmethod
    def _text(value):
        return str(canonical.EPOCH_UTC + value * canonical.MICROSECOND)

    def _load(self, name, state, columns):
        into = f"state_{name}_{state[1]}"
        if into not in self.loaded:
            source = self.duckdb.source(self.cold[name], state[1])
            self.duckdb.query(f"CREATE TEMP TABLE {into} AS SELECT {columns} FROM {source}")
            self.loaded.add(into)
        return into

    def _silver(self, name, state):
        return self._load(name, state, "exchange, canonical_symbol, epoch_us(timestamp) AS time, source_sequence AS sequence, is_valid")

    def _trades(self, table, state, parents):
        bronze = " UNION ALL ".join(
            f"FROM {self._load(name, parent, 'exchange, canonical_symbol, epoch_us(exchange_timestamp) AS time, sequence_number AS sequence')}"
            for name, parent in zip(table.parents, parents))
        return self.duckdb.query(f"FROM {self._silver(table.name, state)} ANTI JOIN ({bronze}) USING (exchange, canonical_symbol, time, sequence) "
                                 "LIMIT 5").to_pylist()

    def _candles(self, table, state, parents):
        span = table.span // canonical.MICROSECOND
        gold = self._load(table.name, state, "exchange, canonical_symbol, epoch_us(window_start) AS time, trade_count")
        silver = self._silver(table.parents[0], parents[0])
        return self.duckdb.query(
            f"SELECT exchange, canonical_symbol, time, trade_count, coalesce(trades, 0) AS trades FROM {gold} LEFT JOIN "
            f"(SELECT exchange, canonical_symbol, time // {span} * {span} AS time, count(*) AS trades FROM {silver} WHERE is_valid GROUP BY ALL) "
            f"USING (exchange, canonical_symbol, time) WHERE time + {span} <= {parents[0][2]} AND trade_count > coalesce(trades, 0) LIMIT 5").to_pylist()
