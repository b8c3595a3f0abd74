"""The servers and the proxies that are compared, each with the configuration a user would write.

Every proxy gets one thread for clients, one TCP and one unix socket to listen on, and its own
defaults for the rest. A proxy stands in front of one or of three servers.
"""
import os

from children import Child, free_port

MAX_CLIENTS = 12000


class Server:
    """A redis-server or memcached that keeps nothing on disk and has one thread for clients."""

    def __init__(self, folder, protocol, number):
        self.port = free_port()
        name = f"{protocol}-{number}"
        if protocol == "redis":
            command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
                       "--save", "", "--appendonly", "no", "--maxclients", str(MAX_CLIENTS)]
        else:
            command = ["memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-t", "1",
                       "-u", "root" if os.geteuid() == 0 else str(os.geteuid()), "-m", "512",
                       "-c", str(MAX_CLIENTS)]
        self.child = Child(folder, name, command)
        self.child.wait_until_listening(self.port)


class Proxy:
    """A running proxy: where it listens, and its process."""

    def __init__(self, name, child, port, socket_path):
        self.name = name
        self.child = child
        self.port = port
        self.socket_path = socket_path


def _quorate(folder, name, protocol, servers, port, socket_path, program):
    path = os.path.join(folder, name + ".toml")
    backends = ", ".join(f'"127.0.0.1:{server.port}"' for server in servers)
    _write(path, f"""workers = 1
[admin]
listen = ""
[pool.bench]
protocol = "{protocol}"
listen = ["127.0.0.1:{port}", "unix:{socket_path}"]
backends = [{backends}]
max_clients = {MAX_CLIENTS}
""")
    return [program, "run", "--config", path]


def _nutcracker(folder, name, protocol, servers, port, socket_path, _program):
    path = os.path.join(folder, name + ".yml")
    # nutcracker has one listening address per pool: the same pool twice, of which a run uses one.
    pools = ""
    for pool, listen in (("tcp", f"127.0.0.1:{port}"), ("unix", f"{socket_path} 0666")):
        pools += f"""{pool}:
  listen: {listen}
  redis: {"true" if protocol == "redis" else "false"}
  hash: fnv1a_64
  distribution: ketama
  preconnect: true
  backlog: 4096
  servers:
"""
        pools += "".join(f"   - 127.0.0.1:{server.port}:1\n" for server in servers)
    _write(path, pools)
    # At its default verbosity it composes a line for every request that it then does not print, a
    # third of its instructions: -v 4 is the choice in its favour.
    return ["nutcracker", "-v", "4", "-c", path, "-s", str(free_port()), "-a", "127.0.0.1"]


def _haproxy(folder, name, _protocol, servers, port, socket_path, _program):
    path = os.path.join(folder, name + ".cfg")
    lines = "".join(f"  server s{number} 127.0.0.1:{server.port}\n"
                    for number, server in enumerate(servers))
    _write(path, f"""global
  nbthread 1
  maxconn {2 * MAX_CLIENTS // 3}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:{port} backlog 4096
  bind unix@{socket_path}
{lines}""")
    return ["haproxy", "-db", "-f", path]


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


PROXIES = {"haproxy": _haproxy, "nutcracker": _nutcracker, "quorate": _quorate}


def start_proxy(kind, folder, protocol, servers, program, wrapper=()):
    """Starts a proxy, under the command line `wrapper` if one is given."""
    port = free_port()
    name = f"{kind}-{protocol}-{len(servers)}-{port}"
    socket_path = os.path.join(folder, f"{port}.sock")
    command = PROXIES[kind](folder, name, protocol, servers, port, socket_path, program)
    child = Child(folder, name, [*wrapper, *command])
    child.wait_until_listening(port)
    return Proxy(kind, child, port, socket_path)
