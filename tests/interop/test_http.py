"""Over HTTP: the same rows, and under every fault either the whole window or none of it, said in so many words."""

import json
import time

import pytest

from . import canonical, clickhouse_rows, program, servers
from .leaks import secret
from .trades import create_trades, insert_trades, offload_trades

ROWS = 400_000


@pytest.fixture
def served(hot, cold, http_server):
    """A server with trades; two windows of it are to be offloaded, the first is."""
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        offload_trades(hot, 400, source=server.url)
        yield server


def totals(duckdb, table):
    return list(duckdb.query(f"SELECT count(*), count(DISTINCT sequence), sum(sequence) FROM {duckdb.source(table)}").to_pylist()[0].values())


WHOLE = [ROWS, ROWS, ROWS * (ROWS - 1) // 2]


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "lz4", "auto"])
def test_compression(hot, cold, http_server, duckdb, compression):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        result = hot.offload("trades", "--source-compression", compression, source=server.url)
    assert result["rows"] == ROWS
    assert totals(duckdb, cold.table("trades")) == WHOLE


def test_what_is_asked_of_the_server(hot, cold, http_server):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    with http_server(hot) as server:
        hot.offload("trades", "--setting", "max_threads=1", "--setting", "max_execution_time=77", source=server.url)
        reading = [q for q in server.queries() if "`price`" in q["sql"]]
    assert len(reading) == 1, "the rows are read once"
    assert reading[0]["parameters"].get("max_threads") == "1" and reading[0]["parameters"].get("max_execution_time") == "77"
    assert reading[0]["parameters"].get("query_id")
    assert reading[0]["sql"].rstrip().endswith("Native") or reading[0]["parameters"].get("default_format") == "Native"


def test_an_increment_reads_only_what_is_new(served, hot, cold, duckdb):
    result = offload_trades(hot, 800, source=served.url)
    assert result["rows"] == 400 and result["bytes_read"] < 100_000


# --- users --------------------------------------------------------------------------------------------------------------

SECRET = secret("s3cr3t&pass wörd")


@pytest.mark.parametrize("way", ["variable", "file"])
def test_a_password(hot, cold, http_server, tmp_path, way):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    (tmp_path / "password").write_text(SECRET + "\n")
    given = dict(env={"CALVE_SOURCE_PASSWORD": SECRET}) if way == "variable" else {}
    more = ["--source-password-file", str(tmp_path / "password")] if way == "file" else []
    with http_server(hot, user="reader", password=SECRET) as server:
        outcome = program.run(*hot.arguments("trades", "--json", *more, source=server.url), **given)
    assert outcome.json["rows"] == 400
    assert SECRET not in outcome.err + outcome.out


@pytest.mark.parametrize("password", [None, "no-such-sesame"])
def test_a_wrong_password(hot, cold, http_server, password):
    create_trades(hot)
    insert_trades(hot, 0, 400)
    with http_server(hot, user="reader", password=SECRET) as server:
        began = time.monotonic()
        outcome = program.run(*hot.arguments("trades", source=server.url), code=None,
                              env={"CALVE_SOURCE_PASSWORD": password} if password else {})
        took = time.monotonic() - began
    assert outcome.code in (program.FAILED, program.USAGE)
    assert "reader" in outcome.err and "password" in outcome.err.lower()
    assert (password or SECRET) not in outcome.err and SECRET not in outcome.err
    assert took < 10, "a wrong password is not worth retrying"
    assert not cold.table("trades").exists()


def test_a_password_in_the_url_is_refused_or_hidden(hot, cold, http_server):
    create_trades(hot)
    with http_server(hot) as server:
        outcome = program.run(*hot.arguments("nope", source=server.url.replace("default@", f"default:{secret('hunter2')}@")), code=None)
    assert outcome.code in (program.FAILED, program.USAGE) and "hunter2" not in outcome.err + outcome.out


# --- faults -------------------------------------------------------------------------------------------------------------

# kind, what befalls, words of the message
BREAKS = [
    ("drop", dict(after_bytes=0), []), ("drop", dict(after_bytes=1), []), ("drop", dict(after_bytes=1_000_000), []),
    ("no_end", dict(after_bytes=0), []), ("no_end", dict(after_bytes=500_000), []), ("no_end", dict(after_bytes=10**9), []),
    ("truncate", dict(after_bytes=1), []), ("truncate", dict(after_bytes=777_777), []),
    ("wrong_length", dict(after_bytes=100_000), []),
    ("exception", dict(after_bytes=0), ["395"]), ("exception", dict(after_bytes=1_000_000), ["395"]),
    ("exception_inside", dict(after_bytes=123_456), ["395"]),
    ("exception_marker", dict(after_bytes=600_000), ["395"]), ("exception_tag", dict(after_bytes=600_000), ["395"]),
    ("exception_first", dict(), ["202"]), ("exception_first", dict(code=241, text="Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)"), ["Memory limit"]),
    ("status500", dict(), ["500"]), ("status503", dict(), ["503"]), ("status429", dict(), ["429"]),
]


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("kind, options, words", BREAKS, ids=[f"{k}-{o.get('after_bytes', o.get('code', ''))}" for k, o, _ in BREAKS])
def test_a_fault_that_stays_fails_the_window(served, hot, cold, duckdb, kind, options, words, compression):
    """With the fault at every try: exit 1, nothing visible, no debris; then the next run completes exactly."""
    if compression != "none" and kind in ("drop", "no_end", "truncate", "wrong_length") and options["after_bytes"] == 777_777:
        options = {**options, "after_bytes": 20_000}  # of compressed bytes
    table = cold.table("trades")
    before = table.every_file()
    served.fault(kind, times=1000, **options)
    outcome = program.run(*hot.arguments("trades", "--source-compression", compression, source=served.url), code=program.FAILED, timeout=180)
    for word in words:
        assert word in outcome.err, outcome
    assert "error" in outcome.err.lower()
    after = table.every_file()
    assert after == before, "the failed window left something behind"
    served.clear()
    assert hot.offload("trades", "--source-compression", compression, source=served.url)["rows"] == ROWS - 400
    assert totals(duckdb, table) == WHOLE


@pytest.mark.parametrize("kind, options", [("drop", dict(after_bytes=0)), ("status503", {}), ("status429", {}), ("no_end", dict(after_bytes=0))],
                         ids=["drop", "503", "429", "no answer"])
def test_a_fault_before_the_first_byte_is_retried(served, hot, cold, duckdb, kind, options):
    served.fault(kind, times=1, **options)
    assert hot.offload("trades", source=served.url)["rows"] == ROWS - 400
    assert served.armed() == []
    assert totals(duckdb, cold.table("trades")) == WHOLE


@pytest.mark.parametrize("at", [0, 20, 64, 5_000, 300_000])
def test_corrupt_compression_is_noticed(served, hot, cold, duckdb, at):
    """One inverted byte in a zstd frame with a checksum, or in its header."""
    table = cold.table("trades")
    before = table.every_file()
    served.fault("corrupt", times=1000, after_bytes=at)
    outcome = program.run(*hot.arguments("trades", "--source-compression", "zstd", source=served.url), code=None, timeout=180)
    if outcome.code == program.DONE:
        pytest.skip("the stream was shorter than that")
    assert outcome.code == program.FAILED and table.every_file() == before
    served.clear()
    assert hot.offload("trades", source=served.url)["rows"] == ROWS - 400
    assert totals(duckdb, table) == WHOLE


@pytest.mark.parametrize("at", [0, 1, 3, 10])
def test_a_corrupt_block_header_is_noticed(served, hot, cold, duckdb, at):
    served.fault("corrupt", times=1000, after_bytes=at)
    table = cold.table("trades")
    before = table.every_file()
    outcome = program.run(*hot.arguments("trades", "--source-compression", "none", source=served.url), code=program.FAILED)
    assert table.every_file() == before and "Traceback" not in outcome.err


def test_a_slow_server_is_waited_for(served, hot, cold, duckdb):
    served.fault("slow", delay_ms=2, piece_bytes=65536)
    assert hot.offload("trades", source=served.url)["rows"] == ROWS - 400
    assert totals(duckdb, cold.table("trades")) == WHOLE


def test_a_silent_server_is_given_up_on(served, hot, cold, duckdb):
    table = cold.table("trades")
    before = table.every_file()
    served.fault("hang", times=1000, after_bytes=500_000)
    began = time.monotonic()
    program.run(*hot.arguments("trades", "--idle-timeout", "2s", source=served.url), code=program.FAILED)
    assert time.monotonic() - began < 60
    assert table.every_file() == before
    served.clear()
    assert hot.offload("trades", source=served.url)["rows"] == ROWS - 400


def test_an_exception_that_clickhouse_itself_throws_midway(hot, cold, http_server, duckdb):
    """The real engine fails after it has sent rows."""
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        expression = f"price=if(throwIf(sequence = {ROWS - 1}, 'the very last row') = 0, price, price)"
        outcome = program.run(*hot.arguments("trades", "--expr", expression, "--setting", "max_block_size=1000", "--setting", "max_threads=1",
                                             source=server.url), code=program.FAILED)
        assert "the very last row" in outcome.err
        table = cold.table("trades")
        assert not table.exists() or (not table.snapshots() and not table.data_files())
        assert hot.offload("trades", source=server.url)["rows"] == ROWS
    assert totals(duckdb, cold.table("trades")) == WHOLE


def test_a_server_that_goes_away(hot, cold, http_server, duckdb):
    create_trades(hot)
    insert_trades(hot, 0, ROWS)
    with http_server(hot) as server:
        server.fault("slow", delay_ms=5, piece_bytes=16384)
        running = program.start(*hot.arguments("trades", source=server.url))
        time.sleep(1.0)
    _, err = running.communicate(timeout=120)
    assert running.returncode == program.FAILED, err
    assert f"127.0.0.1:{server.port}" in err
    table = cold.table("trades")
    assert not table.exists() or (not table.snapshots() and not table.data_files())


def test_every_type_over_http(hot, cold, http_server, duckdb, pyiceberg):
    """The wire is the same decoder's, but this one is Native as a server sends it."""
    from .test_types import CASES, insert

    columns = ", ".join(f"`{case.name}` {case.type}" for case in CASES)
    hot.execute("SET flatten_nested = 0, allow_experimental_bfloat16_type = 1",
                f"CREATE TABLE every (row UInt32, ts DateTime64(3, 'UTC'), {columns}) ENGINE = MergeTree ORDER BY row", insert("every", CASES))
    options = [option for case in CASES for option in case.options]
    hot.offload("every", *options, target="cold.embedded")
    with http_server(hot) as server:
        hot.offload("every", *options, source=server.url, target="cold.http")
    names = [case.name for case in CASES]
    canonical.assert_same_rows(pyiceberg.rows(cold.table("embedded"), names), pyiceberg.rows(cold.table("http"), names), names, "HTTP")


# --- the server that Debian packages ------------------------------------------------------------------------------------

OLD_TABLE = """CREATE TABLE trades (ts DateTime, sequence UInt64, small Int8, i16 Int16, i32 Int32, i64 Int64, u8 UInt8, u16 UInt16, u32 UInt32,
f32 Float32, f64 Float64, price Decimal64(8), big Decimal128(10), s String, fx FixedString(4), d Date, e Enum8('buy' = 1, 'sell' = -2),
id UUID, n Nullable(String), ni Nullable(Int64), a Array(String), aa Array(Array(UInt32)), an Array(Nullable(Float64)), t Tuple(Int32, String))
ENGINE = MergeTree ORDER BY sequence"""

OLD_ROWS = """INSERT INTO trades SELECT toDateTime('2018-12-01 00:00:00') + number, number, number % 256 - 128, number - 5, -number, number * 1000000007, number, number, number,
number / 3, number / 7, toDecimal64(number, 8) / 4, toDecimal128(number, 10), concat('Ω', toString(number)), toFixedString(toString(number % 1000), 4),
toDate('2018-12-01') + number % 1000, if(number % 2 = 0, 'buy', 'sell'), toUUID('12345678-9abc-4def-8123-456789abcdef'), if(number % 3 = 0, NULL, toString(number)),
if(number % 3 = 1, NULL, number), arrayMap(i -> toString(i), range(number % 4)), [emptyArrayUInt32(), [toUInt32(number)]],
[toFloat64(number), NULL], (toInt32(number), toString(number)) FROM numbers({count})"""


@pytest.fixture
def old_server(tmp_path):
    with servers.debians(tmp_path / "server") as server:
        yield server


def same_as_old(server, cold, reader):
    listed = server.query("SELECT name, type FROM system.columns WHERE database = 'default' AND table = 'trades'")
    types = dict(line.split("\t") for line in listed.replace("\\'", "'").split("\n"))
    # Its JSON rounds decimals and floats: those are asked for as text.
    selected = ", ".join(f"toString({c})" if t.startswith(("Decimal", "Float")) else c for c, t in types.items())
    data = json.loads(server.query(f"SELECT {selected} FROM trades FORMAT JSONCompact"), parse_float=str, parse_int=str)["data"]
    kinds = [clickhouse_rows.parse_type(t) for t in types.values()]
    expected = [tuple(clickhouse_rows.convert(v, k) for v, k in zip(row, kinds, strict=True)) for row in data]
    canonical.assert_same_rows(expected, reader.rows(cold.table("trades"), list(types)), list(types), f"{reader.name} against 18.16")


def test_debians_server(old_server, hot, cold, duckdb, pyiceberg):
    old_server.query(OLD_TABLE)
    old_server.query(OLD_ROWS.format(count=5000))
    assert old_server.query("SELECT version()").startswith("18.16")
    result = hot.offload("trades", "--until", "2018-12-01T00:33:19Z", "--sequence-col", "sequence", source=old_server.url)
    assert result["rows"] == 2000
    assert hot.offload("trades", source=old_server.url)["rows"] == 3000
    assert hot.offload("trades", source=old_server.url)["rows"] == 0
    same_as_old(old_server, cold, pyiceberg)
    same_as_old(old_server, cold, duckdb)


@pytest.mark.parametrize("compression", ["none", "gzip", "auto"])
def test_debians_server_compressed_and_with_a_password(old_server, hot, cold, duckdb, compression):
    create = "CREATE TABLE t (ts DateTime, n UInt64) ENGINE = MergeTree ORDER BY n"
    old_server.query(create)
    old_server.query("INSERT INTO t SELECT toDateTime('2018-12-01 00:00:00') + number, number FROM numbers(100000)")
    arguments = hot.arguments("t", "--json", "--source-compression", compression, source=old_server.url.replace("default@", "app@"))
    outcome = program.run(*arguments, code=None)
    assert outcome.code in (program.FAILED, program.USAGE) and "app" in outcome.err
    outcome = program.run(*arguments, env={"CALVE_SOURCE_PASSWORD": "sesame"})
    assert outcome.json["rows"] == 100000 and "sesame" not in outcome.err
    assert duckdb.query(f"SELECT sum(n) AS s FROM {duckdb.source(cold.table('t'))}").to_pylist() == [{"s": 100000 * 99999 // 2}]


def test_debians_server_fails_midway(old_server, hot, cold):
    """It answers 200, sends rows, and then the text of the exception behind them."""
    old_server.query("CREATE TABLE t (ts DateTime, n UInt64) ENGINE = MergeTree ORDER BY n")
    old_server.query("INSERT INTO t SELECT toDateTime('2018-12-01 00:00:00') + number, number FROM numbers(300000)")
    outcome = hot.offload("t", "--expr", "n=n + throwIf(n = 299999)", "--setting", "max_block_size=1000", "--setting", "max_threads=1",
                          source=old_server.url, code=program.FAILED)
    assert "395" in outcome.err or "throwIf" in outcome.err, outcome
    table = cold.table("t")
    assert not table.exists() or (not table.snapshots() and not table.data_files())


def test_debians_server_has_no_such_table(old_server, hot, cold):
    outcome = hot.offload("nope", source=old_server.url, code=program.USAGE)
    assert "nope" in outcome.err
