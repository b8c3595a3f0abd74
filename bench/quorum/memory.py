"""What a key costs a backend in memory: keys of 16 bytes, values of 100."""
from resp import Resp
from setting import VALUE, fill, setting


def used(server):
    with Resp(server.address) as client:
        text = client.ask("INFO", "memory").decode()
    return int(text.split("used_memory:")[1].split()[0])


def measure(keys):
    """{who: bytes per key and copy}."""
    with setting(1) as on:
        before = sum(map(used, on.quorum_servers))
        fill(on.members[0].proxy.address("p"), keys)
        quorum = (sum(map(used, on.quorum_servers)) - before) / keys / 3
        plain = on.redis()
        before = used(plain)
        fill(plain.address, keys, VALUE)
        return {"plain Redis": (used(plain) - before) / keys, "quorum pool": quorum}
