"""Several of Debian's clickhouse-servers that know each other, with Debian's ZooKeeper between them where tables are replicated."""

import contextlib
import pathlib
import shutil
import socket
import subprocess
import time

from . import program, servers

JARS = program.DEPS / "zookeeper" / "usr" / "share" / "java"
# All that a server alone needs: no admin pages, no TLS, no metrics exporter.
ZOOKEEPER_JARS = ["zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-simple", "commons-io", "metrics-core", "snappy-java"]
ZOOKEEPER_CONFIG = """tickTime=500
dataDir={folder}/data
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer=false
4lw.commands.whitelist=srvr
"""


def can_replicate():
    return all((JARS / f"{jar}.jar").exists() for jar in ZOOKEEPER_JARS) and shutil.which("java")


def serves(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"srvr")
            return b"Mode: standalone" in connection.recv(4096)
    except OSError:
        return False


@contextlib.contextmanager
def zookeeper(folder):
    """Yields the port of a server that keeps everything in `folder`."""
    folder, port = pathlib.Path(folder), servers.free_port()
    (folder / "data").mkdir(parents=True)
    (folder / "zoo.cfg").write_text(ZOOKEEPER_CONFIG.format(folder=folder, port=port))
    path = ":".join(str(JARS / f"{jar}.jar") for jar in ZOOKEEPER_JARS)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", path,
                                    "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(folder / "zoo.cfg")], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not serves(port):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text(errors="replace")[-3000:]
            time.sleep(0.05)
        yield port
    finally:
        servers.stop(process)


def sections(number, tcp_ports, keeper=None, hosts=None):
    """What each of the servers has in its configuration: the clusters `shards`, in which each is a shard, `others`, which are those but
    itself, and `replicas`, in which all are replicas of one shard; and its own name as `{replica}`."""
    hosts = hosts or ["127.0.0.1"] * len(tcp_ports)
    each = [f"<replica><host>{host}</host><port>{port}</port></replica>" for host, port in zip(hosts, tcp_ports)]
    shards = [f"<shard>{replica}</shard>" for replica in each]
    others = shards[:number] + shards[number + 1:]
    replicas = f"<shard><internal_replication>true</internal_replication>{''.join(each)}</shard>"
    xml = (f"<remote_servers><shards>{''.join(shards)}</shards><others>{''.join(others)}</others><replicas>{replicas}</replicas>"
           f"</remote_servers><macros><replica>r{number}</replica></macros>")
    if keeper:
        xml += (f"<zookeeper><node><host>127.0.0.1</host><port>{keeper}</port></node><session_timeout_ms>3000</session_timeout_ms></zookeeper>"
                f"<interserver_http_port>{servers.free_port()}</interserver_http_port><interserver_http_host>{hosts[number]}</interserver_http_host>")
    return xml


@contextlib.contextmanager
def debians(folder, count=2, keeper=None, own_hosts=False, **options):
    """`count` servers, each of which knows all of them; with `keeper`, a ZooKeeper's port, for replicated tables. `own_hosts`: each has an
    address of its own, and all have one HTTP port, as on machines of their own."""
    tcp_ports = [servers.free_port() for _ in range(count)]
    hosts = [f"127.0.0.{i + 1}" if own_hosts else "127.0.0.1" for i in range(count)]
    http = servers.free_port() if own_hosts else None
    with contextlib.ExitStack() as stack:
        started = []
        for i, port in enumerate(tcp_ports):
            server = servers.DebiansServer(pathlib.Path(folder) / f"server{i}", tcp=port, http=http, host=hosts[i],
                                           sections=sections(i, tcp_ports, keeper, hosts), **options)
            stack.callback(server.stop)
            server.start()
            started.append(server)
        yield started
