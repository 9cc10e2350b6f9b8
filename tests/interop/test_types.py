"""Every type, at its edges: what each engine reads is what ClickHouse holds."""

import pytest

from conftest import Cold, Hot

from . import canonical, program
from .type_cases import UNREADABLE, every_case

CASES = list(every_case())
ROWS = max(len(case.values) for case in CASES) + 1
EVENT_TIME = "toDateTime64('2024-08-09 12:00:00', 3, 'UTC') + number"


def insert(table, cases):
    """One row for each position; a case with fewer values begins anew, at a shift, so that columns do not move in step."""
    columns = [f"arrayElement([{', '.join(f'CAST({v}, {quote(case.type)})' for v in case.values)}], "
               f"1 + (number % {len(case.values)})) AS `{case.name}`" for case in cases]
    return (f"INSERT INTO {table} SELECT number AS row, {EVENT_TIME} AS ts, " + ", ".join(columns) +
            f" FROM numbers({ROWS}) SETTINGS allow_experimental_bfloat16_type = 1")


def quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """One table with a column for each case, offloaded once; (target, {column: ClickHouse's values by row})."""
    folder = tmp_path_factory.mktemp("types")
    cold = Cold(folder, "hadoop")
    hot = Hot(folder / "hot", cold)
    columns = ", ".join(f"`{case.name}` {case.type}" for case in CASES)
    hot.execute(
        "SET flatten_nested = 0, allow_experimental_bfloat16_type = 1",
        f"CREATE TABLE every (row UInt32, ts DateTime64(3, 'UTC'), {columns}) ENGINE = MergeTree ORDER BY row",
        insert("every", CASES))
    options = [option for case in CASES for option in case.options]
    result = hot.offload("every", *options)
    assert result["rows"] == ROWS
    selected = ", ".join(f"{(case.select or '{c}').format(c=f'`{case.name}`')} AS `{case.name}`" for case in CASES)
    names, rows = hot.rows(f"SELECT {selected} FROM every ORDER BY row")
    return cold.table("every"), dict(zip(names, zip(*rows)))


@pytest.fixture(scope="module")
def read_once():
    """What each engine reads, column by column: one broken column must not hide the others."""
    return {}


def column_of(read_once, reader, table, name):
    if reader.name not in read_once:
        wanted = ["row", *(case.name for case in CASES if case.name not in UNREADABLE.get(reader.name, {}))]
        try:
            rows = reader.rows(table, wanted)
            read_once[reader.name] = dict(zip(wanted, zip(*sorted(rows, key=lambda row: row[0][1]))))
        except Exception:  # one column at a time then
            read_once[reader.name] = None
    whole = read_once[reader.name]
    if whole is not None:
        return whole[name]
    rows = sorted(reader.rows(table, ["row", name]), key=lambda row: row[0][1])
    return tuple(row[1] for row in rows)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reads_what_clickhouse_holds(everything, reader, read_once, case):
    reason = UNREADABLE.get(reader.name, {}).get(case.name)
    if reason:
        pytest.skip(reason)
    table, expected = everything
    canonical.assert_same_rows(list(enumerate(expected[case.name])), list(enumerate(column_of(read_once, reader, table, case.name))),
                               ["row", case.name], reader.name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_schema_says_the_type(everything, case):
    table, _ = everything
    metadata = table.metadata
    schema = next(s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"])
    field = next(f for f in schema["fields"] if f["name"] == case.name)
    kind = field["type"]["type"] if isinstance(field["type"], dict) else field["type"].replace(" ", "")
    expected = case.iceberg
    assert kind == expected
    assert field["required"] == ("Nullable" not in case.type.split("Array")[0].split("Map")[0].split("Tuple")[0])


def test_every_field_has_its_own_id(everything):
    table, _ = everything
    metadata = table.metadata
    ids = []

    def visit(kind):
        if isinstance(kind, str):
            return
        ids.extend(kind[key] for key in ("element-id", "key-id", "value-id") if key in kind)
        ids.extend(f["id"] for f in kind.get("fields", []))
        for child in [f["type"] for f in kind.get("fields", [])] + [kind[k] for k in ("element", "key", "value") if k in kind]:
            visit(child)

    schema = next(s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"])
    visit({"fields": schema["fields"]})
    assert len(ids) == len(set(ids)) and max(ids) == metadata["last-column-id"]


def test_sparse_columns(cold, hot, four):
    """Columns that are nearly all defaults come as sparse ones off the wire."""
    hot.execute("CREATE TABLE sparse (ts DateTime64(3, 'UTC'), a Int64, s String, d Decimal(18, 8), n Nullable(Int32), t Tuple(x Int32, y String)) "
                "ENGINE = MergeTree ORDER BY ts SETTINGS ratio_of_defaults_for_sparse_serialization = 0.5",
                f"INSERT INTO sparse SELECT {EVENT_TIME}, if(number % 97 = 5, number, 0), if(number % 89 = 3, toString(number), ''), "
                "if(number % 83 = 1, number, 0), if(number % 79 = 2, number, NULL), (if(number % 71 = 0, number, 0), '') FROM numbers(5000)")
    assert hot.value("SELECT countIf(serialization_kind = 'Sparse') > 0 FROM system.parts_columns WHERE table = 'sparse' AND active") == "1"
    hot.offload("sparse")
    columns, expected = hot.rows("SELECT * FROM sparse")
    for reader in four:
        canonical.assert_same_rows(expected, reader.rows(cold.table("sparse"), columns), columns, reader.name)


def test_flattened_nested_columns(cold, hot, pyiceberg, spark):
    """With ClickHouse's default a Nested is several arrays whose names hold a dot."""
    hot.execute("CREATE TABLE flat (ts DateTime64(3, 'UTC'), n Nested(a Int32, b String)) ENGINE = MergeTree ORDER BY ts",
                f"INSERT INTO flat SELECT {EVENT_TIME}, [number, 2], ['x', toString(number)] FROM numbers(3)")
    hot.offload("flat")
    columns, expected = hot.rows("SELECT ts, `n.a`, `n.b` FROM flat")
    for reader in (pyiceberg, spark):
        canonical.assert_same_rows(expected, reader.rows(cold.table("flat"), columns), columns, reader.name)


def test_large_blocks_of_low_cardinality(cold, hot, duckdb):
    """More dictionary entries than one byte indexes, over many blocks."""
    hot.execute("CREATE TABLE lc (ts DateTime64(3, 'UTC'), a LowCardinality(String), b LowCardinality(Nullable(String)), c Array(LowCardinality(Nullable(String)))) "
                "ENGINE = MergeTree ORDER BY ts",
                f"INSERT INTO lc SELECT {EVENT_TIME}, toString(number % 70000), if(number % 3 = 0, NULL, toString(number % 300)), [toString(number % 5), NULL] FROM numbers(200000)")
    hot.offload("lc")
    columns, expected = hot.rows("SELECT * FROM lc")
    canonical.assert_same_rows(expected, duckdb.rows(cold.table("lc"), columns), columns, "DuckDB")


# --- values and types that are refused ----------------------------------------------------------------------------------

def one_column(hot, kind, value):
    hot.execute("SET allow_experimental_json_type = 1, enable_time_time64_type = 1, allow_suspicious_variant_types = 1",
                f"CREATE TABLE one (ts DateTime64(3, 'UTC'), the_column {kind}) ENGINE = MergeTree ORDER BY ts",
                f"INSERT INTO one SELECT toDateTime64('2024-08-09 12:00:00', 3, 'UTC'), CAST({value}, {quote(kind)})")


@pytest.mark.parametrize("kind, value, shown", [
    ("UInt64", "9223372036854775808", "9223372036854775808"),
    ("UInt64", "18446744073709551615", "18446744073709551615"),
    ("Array(UInt64)", "[18446744073709551615]", "18446744073709551615"),
    ("Nullable(UInt64)", "18446744073709551615", "18446744073709551615"),
    ("Int128", f"toInt128('{10**38}')", str(10**38)),
    ("UInt128", f"toUInt128('{2**128 - 1}')", str(2**128 - 1)),
    ("Int256", f"toInt256('-{10**38}')", f"-{10**38}"),
    ("UInt256", f"toUInt256('{2**256 - 1}')", str(2**256 - 1)),
    ("Decimal(76, 10)", f"toDecimal256('{10**28}', 10)", str(10**28)),
    ("String", "unhex('FF')", None),
    ("LowCardinality(String)", "unhex('61C3')", None),
    ("Map(String, String)", "map('k', unhex('FF'))", None),
])
def test_a_value_that_does_not_fit_is_refused(cold, hot, kind, value, shown):
    one_column(hot, kind, value)
    outcome = hot.offload("one", code=program.FAILED)
    assert "the_column" in outcome.err
    assert shown is None or shown in outcome.err
    table = cold.table("one")
    assert not table.exists() or not table.snapshots()
    assert table.exists() is False or not table.data_files(), "debris of the refused window"


@pytest.mark.parametrize("kind, value", [("DateTime64(9, 'UTC')", "'2024-08-09 12:00:00.123456789'"), ("Decimal(76, 39)", "0")])
def test_a_type_without_a_faithful_form_is_refused_before_anything_is_written(cold, hot, kind, value):
    one_column(hot, kind, value)
    outcome = hot.offload("one", code=None)
    assert outcome.code in (program.FAILED, program.USAGE) if hasattr(outcome, "code") else pytest.fail(f"accepted: {outcome}")
    assert "the_column" in outcome.err and "--" in outcome.err, "the way out is an option"
    assert not cold.table("one").exists()


def test_nanoseconds_are_truncated_only_when_asked(cold, hot, pyiceberg):
    one_column(hot, "DateTime64(9, 'UTC')", "'1969-12-31 23:59:59.123456789'")
    hot.offload("one", "--type", "the_column=timestamptz")
    _, expected = hot.rows("SELECT toDateTime64(the_column, 6, 'UTC') FROM one")
    assert pyiceberg.rows(cold.table("one"), ["the_column"]) == expected


@pytest.mark.parametrize("kind, value, text", [
    ("JSON", "'{\"a\": 1}'", '{"a":1}'),
    ("Variant(Int64, String)", "'x'", "x"),
    ("Dynamic", "42::Int64", "42"),
])
def test_types_without_an_own_form_become_text_or_are_refused(cold, hot, pyiceberg, kind, value, text):
    one_column(hot, kind, value)
    outcome = program.run(*hot.arguments("one"), code=None)
    if outcome.code == program.DONE:
        got = pyiceberg.rows(cold.table("one"), ["the_column"])[0][0]
        assert got.replace(" ", "") == text or got.replace(":\"1\"", ":1") == text
    else:
        assert outcome.code in (program.FAILED, program.USAGE) and "the_column" in outcome.err
        assert not cold.table("one").exists()


def test_a_binary_string_by_option(cold, hot, four):
    one_column(hot, "String", "unhex('00FF80')")
    hot.offload("one", "--type", "the_column=binary")
    for reader in four:
        value = reader.rows(cold.table("one"), ["the_column"])[0][0]
        if reader.name == "ClickHouse":  # has one type for text and bytes
            value = value.encode("utf-8", "surrogateescape")
        assert value == b"\x00\xff\x80", reader.name


def test_an_expression_and_a_left_out_column(cold, hot, four):
    hot.execute("CREATE TABLE e (ts DateTime64(3, 'UTC'), a Int32, payload String, secret String) ENGINE = MergeTree ORDER BY ts",
                f"INSERT INTO e SELECT {EVENT_TIME}, number, toString(number), 'hidden' FROM numbers(3)")
    hot.offload("e", "--expr", "payload=upper(concat('p', payload))", "--expr", "twice=a * 2", "--exclude", "secret")
    columns, expected = hot.rows("SELECT ts, a, upper(concat('p', payload)) AS payload, a * 2 AS twice FROM e")
    table = cold.table("e")
    assert {f["name"] for f in table.metadata["schemas"][-1]["fields"]} == set(columns)
    for reader in four:
        canonical.assert_same_rows(expected, reader.rows(table, columns), columns, reader.name)
