"""The configuration file: the published JSON Schema and the loader judge the same files, and `calve config` as people and scripts meet it."""

import json
import re

import jsonschema
import pytest
import yaml

from . import program
from .leaks import secret

FILES = sorted((program.ROOT / "tests" / "config").glob("*.yaml"))
EXAMPLE = program.ROOT / "examples" / "k2.yaml"
SCHEMA = json.loads((program.ROOT / "docs" / "calve.schema.json").read_text())


class CoreSchema(yaml.SafeLoader):
    """YAML 1.2's core schema, as editors and calve read it: no dates, no yes and no, no 1:30."""

    yaml_implicit_resolvers = {}


for tag, pattern, first in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
]:
    CoreSchema.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), first)


def schema_accepts(path):
    try:
        document = yaml.load(path.read_text(), CoreSchema)
    except yaml.YAMLError:
        return False
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert program.run("config", "--schema").out == (program.ROOT / "docs" / "calve.schema.json").read_text()


# Mistakes that other readers of YAML take another way (the last of two keys, only the first document), or of both kinds.
BESIDE_THE_SCHEMA = {"rule_repeated_key", "rule_repeated_key_inside_of_a_repeated_one", "rule_two_documents", "rule_several"}


@pytest.mark.parametrize("path", [path for path in [*FILES, EXAMPLE] if path.stem not in BESIDE_THE_SCHEMA], ids=lambda path: path.stem)
def test_the_schema_judges_as_the_loader_does(path):
    """The loader takes valid_* and refuses the others: config_files_test.cc. rule_* is what a schema cannot express."""
    assert schema_accepts(path) is not path.stem.startswith("invalid_")


def test_the_loader_judges_them_so():
    verdicts = {path: program.run("config", path, "--check", code=None).code for path in (FILES[0], FILES[-1], EXAMPLE)}
    assert verdicts == {FILES[0]: program.USAGE, FILES[-1]: program.DONE, EXAMPLE: program.DONE}


def test_the_schema_allows_each_key_that_the_resolved_form_has():
    for path in [*FILES, EXAMPLE]:
        if path.stem.startswith(("valid", "k2")):
            resolved = program.run("config", path, "--json").json["config"]
            jsonschema.Draft202012Validator(SCHEMA).validate(resolved)


def test_what_is_wrong_is_said_with_place_and_remedy(tmp_path):
    path = program.ROOT / "tests" / "config" / "rule_several.yaml"
    outcome = program.run("config", path, "--json", code=program.USAGE)
    for place in (":4:20: defaults.buffer:", ":9:11: tables[0].mode:", ":10:13: tables[0].after[0]:"):
        assert f"{path}{place}" in outcome.err
        assert place in outcome.json["error"]["message"]
    assert outcome.json["valid"] is False and outcome.json["exit_code"] == 2
    assert "Write a number and a unit" in outcome.err
    missing = program.run("config", tmp_path / "none.yaml", code=program.USAGE)
    assert "none.yaml" in missing.err and "remedy" in missing.err


def test_the_file_may_be_named_by_option_variable_or_place(tmp_path):
    (tmp_path / "calve.yaml").write_text(EXAMPLE.read_text())
    for arguments, env in [([], {}), (["--config", EXAMPLE], {}), ([EXAMPLE], {}), ([], {"CALVE_CONFIG": str(EXAMPLE)})]:
        said = program.run("config", "--check", *arguments, cwd=tmp_path, env=env).out
        assert "9 tables, 3 layers" in said


def test_secrets_are_not_shown(tmp_path):
    path = tmp_path / "calve.yaml"
    path.write_text('source: {url: "http://u:${SECRET}@127.0.0.1:8123/k2"}\ncatalog: {warehouse: "file:///srv/cold"}\n'
                    "tables: [{source: t, target: cold.t, cursor: {timestamp: ts}, where: \"a = '${SECRET}'\"}]\n")
    for options in ([], ["--json"], ["--check"], ["-v"]):
        outcome = program.run("config", path, *options, env={"SECRET": secret("hunter2")})
        assert "hunter2" not in outcome.out + outcome.err
    assert yaml.safe_load(program.run("config", path, env={"SECRET": "x"}).out)["source"]["url"] == "http://u:${SECRET}@127.0.0.1:8123/k2"
    unset = program.run("config", path, code=program.USAGE)
    assert "SECRET is not set" in unset.err and f"{path}:1:15: source.url" in unset.err


def test_help_teaches():
    text = program.run("config", "--help").out
    for word in ("--check", "--schema", "--reference", "--config", "CALVE_CONFIG", "Examples", "Exit codes"):
        assert word in text
