"""The Debian package: built from the release build, installed in a Debian that has nothing, used there, and taken away again. And `cmake --install`
into a folder that is moved."""

import io
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile

import dockerfile_parse
import pyarrow.parquet
import pytest
from conftest import need

from . import program, servers

BUILD = program.BINARY.parent
ROOT_TAR = program.DEPS / "clean-root.tar"
CONFIG = """
source: {{url: "http://default@127.0.0.1:{port}/default"}}
catalog: {{type: hadoop, warehouse: "file:///srv/cold"}}
state: {{url: "sqlite:////var/lib/calve/journal.db"}}
defaults: {{cursor: {{timestamp: ts}}, buffer: 0s}}
tables: [{{source: trades, target: cold.trades}}]
"""


def sh(*words, **options):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def generate():
    need((BUILD / "CMakeCache.txt").exists(), f"{BUILD} is no build of CMake's")
    sh("cmake", "--build", BUILD, "--target", "calve", "calve_generated")


@pytest.fixture(scope="module")
def package():
    need(shutil.which("dpkg-shlibdeps"), "dpkg-dev is missing")
    generate()
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        sh("cpack", "-D", "CPACK_COMPONENTS_ALL=program", "-B", folder, cwd=BUILD)
        (deb,) = pathlib.Path(folder).glob("*.deb")
        yield deb


class CleanRoot:
    """A folder that is a Debian's root. It shares the network with us: a server on loopback can be reached."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        sh("tar", "-xf", ROOT_TAR, "-C", folder)

    def run(self, *words, code=0, user=None):
        words = [*(["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--no-new-privs"] if user else []), *map(str, words)]
        done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', self.folder, *words],
                              capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                              env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"})
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout + done.stderr

    def __truediv__(self, path):
        return self.folder / path.lstrip("/")

    def named_calve(self):
        """Every path with the name in it, and everything below, but what is kept on purpose."""
        found = sh("find", self.folder, "-xdev", "(", "-iname", "*calve*", "-o", "-path", "*/calve/*", ")", "-printf", "/%P\n").splitlines()
        return {path for path in found if not path.startswith(("/proc/", "/packages", "/var/log/", "/var/cache/"))}


@pytest.fixture
def clean_root():
    need(ROOT_TAR.exists() and os.geteuid() == 0, "the clean root is missing, or this is not root, who alone may enter one")
    folder = tempfile.mkdtemp(dir=BUILD)  # not below pytest's: those are searched for secrets, and kept
    os.chmod(folder, 0o755)
    try:
        yield CleanRoot(folder)
    finally:
        shutil.rmtree(folder)


def test_what_is_in_it(package):
    size = package.stat().st_size
    print(f"{package.name}: {size / 1e6:.1f} MB")
    assert package.name == f"calve_{program.run('--version').out.split()[1]}-1_amd64.deb" and size < 30e6
    control = sh("dpkg-deb", "-f", package)
    for words in ("Package: calve\n", "Section: database", "Architecture: amd64", "Maintainer: ", "Description: moves closed windows", "adduser", "libcurl4", "libpq5", "libsqlite3-0",
                  "libyaml-cpp0.7", "libssl3", "libstdc++6"):
        assert words in control, words
    assert "arrow" not in control and "chdb" not in re.search(r"^Depends: (.*)$", control, re.M)[1]
    files = {line.split()[5].lstrip("."): line for line in sh("dpkg-deb", "-c", package).splitlines()}
    for path in ("/usr/bin/calve", "/usr/lib/systemd/system/calve.service", "/usr/lib/systemd/system/calve-run.service", "/usr/lib/systemd/system/calve-run.timer",
                 "/usr/share/man/man1/calve.1.gz", "/usr/share/man/man1/calve-offload.1.gz", "/usr/share/bash-completion/completions/calve",
                 "/usr/share/zsh/vendor-completions/_calve", "/usr/share/fish/vendor_completions.d/calve.fish", "/etc/calve/calve.yaml.example", "/etc/default/calve",
                 "/usr/share/calve/spark/calve_offload.py", "/usr/share/calve/prometheus/calve_alerts.yaml", "/usr/share/calve/grafana/calve.json", "/usr/share/doc/calve/README.md", "/usr/share/doc/calve/docs/install.md",
                 "/usr/share/doc/calve/docs/runbooks/lag.md", "/usr/share/doc/calve/copyright", "/usr/share/doc/calve/arrow/LICENSE.txt", "/usr/share/doc/calve/changelog.gz"):
        assert path in files, path
    assert all(" root/root " in line for line in files.values()) and not any("chdb" in path or "/usr/local" in path or "/build/" in path for path in files)
    assert sum(path.startswith("/usr/lib/calve/lib") for path in files) == 2
    need(shutil.which("lintian"), "lintian is missing")
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", package], capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout


def image():
    """The instructions of the Containerfile's last stage."""
    parsed = dockerfile_parse.DockerfileParser(fileobj=io.BytesIO((program.ROOT / "Containerfile").read_bytes())).structure
    last = max(number for number, step in enumerate(parsed) if step["instruction"] == "FROM")
    return [(step["instruction"], step["value"]) for step in parsed[last + 1:]]


def test_a_clean_machine(package, clean_root, tmp_path):
    """Installed as the Containerfile does it, and used as the service's user; then upgraded, removed, and purged."""
    root = clean_root
    before = root.named_calve()
    assert not before and "calve" not in root.run("getent", "passwd")
    for instruction, value in image():
        if instruction == "COPY" and "--from=build" in value:
            shutil.copy(package, root / "/tmp/")
        elif instruction == "COPY":
            source, target = value.split()
            shutil.copy(program.ROOT / source, root / target)
        elif instruction == "RUN":
            said = root.run("sh", "-c", value)
            assert "Setting up calve" in said and "warning" not in said.lower().replace("debconf", ""), said
    assert not list((root / "/tmp").glob("*.deb"))

    # It runs, with what it brought and what it asked for.
    assert re.match(r"calve \d+\.\d+\.\d+\n", version := root.run("calve", "--version"))
    assert "arrow" in version and "none (only sources chdb:DIR need it)" in version
    assert "Subcommands:" in root.run("calve", "--help")
    libraries = root.run("ldd", "/usr/bin/calve", "/usr/lib/calve/libparquet.so.2600")
    assert "not found" not in libraries and "/usr/bin/../lib/calve/libarrow.so" in libraries
    said = root.run("calve", "offload", "--source", "chdb:/tmp/x", "--source-table", "t", "--target-table", "a.b", "--timestamp-col", "ts", "--warehouse", "file:///tmp/w", code=program.USAGE)
    assert "a chdb: source needs libchdb.so" in said and "remedy: install the package calve-chdb" in said
    assert "calve.yaml.example" in root.run("ls", "/etc/calve")
    root.run("calve", "config", "/etc/calve/calve.yaml.example", "--check")
    assert ".TH CALVE" in root.run("sh", "-c", "zcat /usr/share/man/man1/calve-offload.1.gz")
    uid = int(root.run("id", "-u", "calve"))
    assert uid < 1000 and (root / "/var/lib/calve").stat().st_uid == uid and stat.S_IMODE((root / "/var/lib/calve").stat().st_mode) == 0o750
    assert root.run("getent", "passwd", "calve").strip().endswith(":/var/lib/calve:/usr/sbin/nologin")

    # systemd takes its units, and enables them.
    need(shutil.which("systemd-analyze"), "systemd-analyze is missing")
    stubs = [root / f"/etc/systemd/system/{name}.target" for name in ("sysinit", "basic", "shutdown", "network-online", "time-set", "time-sync")]
    for path in stubs:  # systemd itself is not there
        path.write_text("[Unit]\nDescription=x\n")
    done = subprocess.run(["systemd-analyze", f"--root={root.folder}", "verify", "--man=no", "calve.service", "calve-run.service", "calve-run.timer"], capture_output=True, text=True)
    assert "calve" not in done.stderr.replace(str(root.folder), ""), done.stderr
    for path in stubs:
        path.unlink()
    for unit in ("calve.service", "calve-run.timer"):
        done = subprocess.run(["systemctl", f"--root={root.folder}", "is-enabled", unit], capture_output=True, text=True)
        assert done.stdout == "disabled\n", "nothing is begun before there is a configuration"
    sh("systemctl", f"--root={root.folder}", "enable", "calve.service")
    wanted = root / "/etc/systemd/system/multi-user.target.wants/calve.service"
    assert wanted.is_symlink()

    # A cycle from a real server into a local warehouse, twice, as the service's user.
    root.run("install", "-d", "-o", "calve", "-g", "calve", "/srv/cold")
    with servers.debians(tmp_path / "server") as server:
        (root / "/etc/calve/calve.yaml").write_text(CONFIG.format(port=server.port))
        server.query("CREATE TABLE trades (ts DateTime, n UInt32) ENGINE = MergeTree() PARTITION BY toYYYYMM(ts) ORDER BY ts")
        server.query("INSERT INTO trades SELECT toDateTime('2024-08-09 00:00:00') + number, number FROM numbers(1000)")
        config = ["--config", "/etc/calve/calve.yaml"]
        assert "1 table: 1 done; 1,000 rows" in root.run("calve", "run", *config, "--until", "2024-08-09T00:30:00Z", user="calve")
        server.query("INSERT INTO trades SELECT toDateTime('2024-08-09 01:00:00') + number, 1000 + number FROM numbers(500)")
        assert "500 rows" in root.run("calve", "serve", "--once", *config, user="calve")
        assert "1,500" in root.run("calve", "verify", *config, user="calve")
        # The container's health check, against a server that serves.
        assert (root / "/usr/local/bin/healthy").exists()
        healthy = dict(image())["HEALTHCHECK"]
        assert healthy.endswith('CMD ["/usr/local/bin/healthy"]')
        port = servers.free_port()
        root.run("bash", "-c", f"export CALVE_LISTEN=127.0.0.1:{port}; ! healthy 2>/dev/null; calve serve --config /etc/calve/calve.yaml & for i in $(seq 100); do healthy 2>/dev/null && break; sleep 0.1; done; "
                 "healthy; rc=$?; kill $!; wait $!; [ $rc = 0 ]", user="calve")
    rows = [pyarrow.parquet.read_table(path).num_rows for path in (root / "/srv/cold").rglob("*.parquet")]
    assert sum(rows) == 1500
    assert (root / "/var/lib/calve/journal.db").stat().st_uid == uid

    # An upgrade leaves what the administrator wrote.
    (root / "/etc/default/calve").write_text("WAREHOUSE=file:///srv/cold\n")
    shutil.copy(package, root / "/tmp/again.deb")
    root.run("dpkg", "-i", "/tmp/again.deb")
    (root / "/tmp/again.deb").unlink()
    assert (root / "/etc/default/calve").read_text() == "WAREHOUSE=file:///srv/cold\n" and wanted.is_symlink()

    # A removal leaves settings and state; a purge takes them away, and never the archive.
    root.run("apt-get", "remove", "-y", "calve")
    assert (root / "/etc/calve/calve.yaml").exists() and (root / "/var/lib/calve/journal.db").exists() and not (root / "/usr/bin/calve").exists()
    (root / "/etc/calve/clickhouse.password").write_text("mine")
    said = root.run("apt-get", "purge", "-y", "calve")
    assert "/etc/calve is not empty and stays" in said and (root / "/etc/calve/clickhouse.password").exists()
    (root / "/etc/calve/clickhouse.password").unlink()
    (root / "/etc/calve").rmdir()
    left = {path for path in root.named_calve() if not path.startswith(("/srv/cold", "/tmp/w"))}
    assert left <= {"/var/lib/dpkg/triggers/calve"}, left
    assert sum(pyarrow.parquet.read_table(path).num_rows for path in (root / "/srv/cold").rglob("*.parquet")) == 1500
    assert "calve" in root.run("getent", "passwd"), "files of the archive may be its own"


def test_an_installed_folder_that_is_moved(tmp_path):
    generate()
    first, moved = tmp_path / "first", tmp_path / "opt" / "moved"
    sh("cmake", "--install", BUILD, "--prefix", first, "--component", "program")
    assert f"ExecStart={first}/bin/calve serve" in (first / "lib/systemd/system/calve.service").read_text()
    assert not (first / "etc").exists() and (first / "share/doc/calve/calve.yaml.example").exists() and (first / "share/zsh/site-functions/_calve").exists()
    moved.parent.mkdir()
    first.rename(moved)
    lines = sh("env", "-i", "ldd", moved / "bin/calve").splitlines()
    private = [line for line in lines if "libarrow" in line or "libparquet" in line]
    assert len(private) == 2 and all(str(moved) in line for line in private) and not any("not found" in line or str(program.DEPS) in line for line in lines), lines
    assert sh("env", "-i", moved / "bin/calve", "--version", cwd="/").startswith("calve ")
    runpath = sh("readelf", "-d", moved / "bin/calve")
    assert re.search(r"R(UN)?PATH.*\[\$ORIGIN/\.\./lib/calve\]", runpath)
    # A library of the embedded ClickHouse beside the others is found.
    (moved / "lib/calve/libchdb.so").touch()
    assert f"{moved}/lib/calve/libchdb.so" in sh("env", "-i", moved / "bin/calve", "--version")
