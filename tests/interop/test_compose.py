"""The Containerfile and the compose file, as far as they can be judged without a container engine: by their grammar and schema, by the programs whose
configurations they bring, and by a cycle of their calve against real servers."""

import io
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import dockerfile_parse
import jsonschema
import pytest
import yaml
from conftest import need

from . import postgres, program, servers
from .prometheus import FOLDER, PROMTOOL

COMPOSE = program.ROOT / "deploy" / "compose"


def compose():
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())


def environment():
    return dict(line.split("=", 1) for line in (COMPOSE / "env.example").read_text().splitlines() if line and not line.startswith("#"))


def test_the_schema_of_compose():
    schema = json.loads((program.ROOT / "tests" / "data" / "compose-spec.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    assert not list(validator.iter_errors(compose()))
    broken = compose()
    broken["services"]["calve"]["depends_up"] = []
    assert list(validator.iter_errors(broken)), "the schema refuses what it should"


def test_what_compose_names_is_there():
    content = compose()
    variables = environment()
    assert set(re.findall(r"\$\{(\w+)", (COMPOSE / "compose.yaml").read_text())) == set(variables) and not any(variables.values()), "no password has a default"
    for name, service in content["services"].items():
        assert re.search(r":(v?\d+\.\d+|RELEASE\.\d{4}-)", service["image"]) and not service["image"].endswith("latest"), f"{name}: not pinned"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (COMPOSE / source).is_file() if source.startswith(".") else source in content["volumes"], volume
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name}: {port} is open to everybody"
        for other in service.get("depends_on", {}):
            assert other in content["services"]
    # Names that configurations use are services, at the ports that these have.
    for file in ("calve.yaml", "prometheus.yaml", "grafana/datasources.yaml"):
        for host in re.findall(r"(?:@|//|\")([a-z]+):\d+", (COMPOSE / file).read_text()):
            assert host in content["services"], (file, host)
    build = content["services"]["calve"]["build"]
    assert (COMPOSE / build["context"] / build["dockerfile"]).resolve() == program.ROOT / "Containerfile"
    version = program.run("--version").out.split()[1]
    assert content["services"]["calve"]["image"] == f"calve:{version}"


def test_configurations_by_those_who_read_them(tmp_path):
    need(PROMTOOL.exists(), "Prometheus is not unpacked")
    shutil.copy(COMPOSE / "prometheus.yaml", tmp_path)
    shutil.copy(program.ROOT / "deploy" / "prometheus" / "calve_alerts.yaml", tmp_path)
    for words in ([PROMTOOL, "check", "config", tmp_path / "prometheus.yaml"], [FOLDER / "amtool", "check-config", COMPOSE / "alertmanager.yaml"]):
        done = subprocess.run([*map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0 and "SUCCESS" in done.stdout + done.stderr, done.stdout + done.stderr
    config = xml.etree.ElementTree.parse(COMPOSE / "clickhouse" / "calve.xml").getroot()
    assert config.tag == "clickhouse" and config.find("query_log/ttl") is not None
    sources = yaml.safe_load((COMPOSE / "grafana" / "datasources.yaml").read_text())
    providers = yaml.safe_load((COMPOSE / "grafana" / "dashboards.yaml").read_text())
    assert sources["apiVersion"] == providers["apiVersion"] == 1 and sources["datasources"][0]["type"] == "prometheus"
    mounts = dict(volume.split(":")[1::-1] for volume in compose()["services"]["grafana"]["volumes"])
    assert mounts[providers["providers"][0]["options"]["path"] + "/calve.json"] == "../grafana/calve.json"
    # The job that alerts and the dashboard look for.
    assert {job["job_name"] for job in yaml.safe_load((COMPOSE / "prometheus.yaml").read_text())["scrape_configs"]} == {"calve"}
    program.run("config", COMPOSE / "calve.yaml", "--check")
    program.run("config", program.ROOT / "packaging" / "calve.yaml.example", "--check")


def test_its_calve_against_real_servers(hot, tmp_path, postgres_server, minio, monkeypatch):
    """The demo's SQL in ClickHouse, the catalog and the journal in PostgreSQL, the files in MinIO: a cycle with the file as it is, but for names of hosts."""
    statements = [part.strip() for part in (COMPOSE / "clickhouse" / "demo.sql").read_text().split(";\n") if part.strip()]
    hot.execute(*statements)
    database, bucket = postgres_server.new_database(), minio.new_bucket()
    with servers.over_libchdb(hot.directory) as server:
        text = (COMPOSE / "calve.yaml").read_text()
        for old, new in (("http://calve@clickhouse:8123/demo", f"http://default@127.0.0.1:{server.port}/demo"), ("postgresql://calve@postgres:5432/calve", database.url()),
                         ("http://minio:9000", minio.url), ("s3://lake/cold", f"s3://{bucket}/cold")):
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "calve.yaml").write_text(text)
        passwords = {name: value.replace("${POSTGRES_PASSWORD:?copy env.example to .env}", postgres.PASSWORD) for name, value in compose()["services"]["calve"]["environment"].items()}
        passwords |= {"AWS_ACCESS_KEY_ID": minio.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": minio.SECRET_KEY, "CALVE_SOURCE_PASSWORD": ""}
        told = {table["name"]: table for table in program.run("run", "--config", tmp_path / "calve.yaml", "--json", env=passwords).json["tables"]}
        assert [told[name]["state"] for name in ("trades", "candles_1m")] == ["done", "done"], told
        assert 86_000 < told["trades"]["rows"] <= 86_400 and 2_800 < told["candles_1m"]["rows"] < 3_000
        program.run("verify", "--config", tmp_path / "calve.yaml", env=passwords)


# --- the image ------------------------------------------------------------------------------------------------------------

@pytest.fixture
def steps():
    parser = dockerfile_parse.DockerfileParser(fileobj=io.BytesIO((program.ROOT / "Containerfile").read_bytes()))
    return [(step["instruction"], step["value"]) for step in parser.structure if step["instruction"] != "COMMENT"]


def test_the_containerfile(steps):
    allowed = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "LABEL", "ENV", "EXPOSE", "USER", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert {instruction for instruction, _ in steps} <= allowed
    assert steps[0][0] == "ARG" and re.fullmatch(r"DEBIAN=debian:bookworm-\d{8}", steps[0][1]), "the base is pinned"
    stages = [value for instruction, value in steps if instruction == "FROM"]
    assert stages == ["${DEBIAN} AS build", "${DEBIAN}-slim"]
    last = dict(steps[max(n for n, step in enumerate(steps) if step[0] == "FROM"):])
    assert last["USER"] == "calve" and json.loads(last["ENTRYPOINT"]) == ["/usr/bin/calve"] and "HEALTHCHECK" in last
    # What it runs when nothing else is said is a command of calve's.
    words = json.loads(last["CMD"])
    assert program.run(*words, "--help").code == program.DONE
    for instruction, value in steps:
        if instruction == "RUN":
            assert subprocess.run(["bash", "-n", "-c", value]).returncode == 0, value
        if instruction == "COPY" and "--from" not in value:
            for source in value.split()[:-1]:
                assert (program.ROOT / source).exists(), source
    assert os.access(program.ROOT / "packaging" / "container" / "healthy", os.X_OK)
