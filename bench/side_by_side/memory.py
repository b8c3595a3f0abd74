"""What a client connection costs a proxy in memory: 10,000 of them, unused, then after one GET each.

The figure is the growth of the proxy's private pages (Private_Dirty of smaps_rollup), divided by the
connections; what the kernel holds for a socket is the same for all and not in it. "after one GET":
every connection has asked once, a few hundred at a time as clients do, and all are idle again.
"After a burst": all of them asked at the same moment.
"""
import selectors
import socket
import time

from loads import fill, key_name
from peers import Server, start_proxy

CONNECTIONS = 10000
AT_A_TIME = 250
PEERS = ("nutcracker", "quorate")
TARGETS = {"unused": 700, "after one GET": 1331}


def _private_bytes(child):
    with open(f"/proc/{child.pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) * 1024
    raise SystemExit("smaps_rollup has no Private_Dirty")


def _settled_private_bytes(child):
    """Once it has not changed for half a second."""
    last, since = _private_bytes(child), time.monotonic()
    while time.monotonic() - since < 0.5:
        time.sleep(0.05)
        now = _private_bytes(child)
        if now != last:
            last, since = now, time.monotonic()
    return last


def _ask_all(connections):
    """One GET on each, all at once; returns when every reply is complete."""
    key = key_name(0)
    request = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key)
    expected = len(b"$100\r\n") + 100 + 2
    waiting = selectors.DefaultSelector()
    for connection in connections:
        connection.sendall(request)
        waiting.register(connection, selectors.EVENT_READ, [0])
    left = len(connections)
    while left > 0:
        ready = waiting.select(timeout=30)
        if not ready:
            raise SystemExit("replies are missing")
        for entry, _ in ready:
            received = entry.fileobj.recv(4096)
            if not received:
                raise SystemExit("a client connection was closed")
            entry.data[0] += len(received)
            if entry.data[0] == expected:
                waiting.unregister(entry.fileobj)
                left -= 1
    waiting.close()


def measure(folder, placement, program, connections=CONNECTIONS):
    """peer -> figure -> bytes per connection."""
    server = Server(folder, "redis", 0)
    fill(server, "redis", 1, 100)
    result = {}
    for peer in PEERS:
        proxy = start_proxy(peer, folder, "redis", [server], program)
        placement.pin_proxy(proxy.child)
        with socket.create_connection(("127.0.0.1", proxy.port)) as first:
            _ask_all([first])
            empty = _settled_private_bytes(proxy.child)
            clients = [socket.create_connection(("127.0.0.1", proxy.port))
                       for _ in range(connections)]
            figures = {"unused": _settled_private_bytes(proxy.child)}
            _ask_all(clients[-1:])  # the last one is accepted, too
            for begin in range(0, connections, AT_A_TIME):
                _ask_all(clients[begin:begin + AT_A_TIME])
            figures["after one GET"] = _settled_private_bytes(proxy.child)
            _ask_all(clients)
            figures["after a burst"] = _settled_private_bytes(proxy.child)
            for client in clients:
                client.close()
        result[peer] = {name: (value - empty) / connections for name, value in figures.items()}
        proxy.child.stop()
    server.child.stop()
    return result
