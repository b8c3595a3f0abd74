"""How soon all replicas have the same again: one of which holds an older version of every tenth key,
and one that lost its memory."""
import threading
import time

from harness import wait_until
from resp import Resp
from setting import fill, key_name, setting

META = b"~q:m:"
BATCH = 500


def batches(numbers):
    for begin in range(0, len(numbers), BATCH):
        yield [key_name(number) for number in numbers[begin:begin + BATCH]]


def metas(server, numbers):
    with Resp(server.address, 60) as client:
        return [one for keys in batches(numbers)
                for one in client.ask("MGET", *(META + key for key in keys))]


def make_stale(on, numbers):
    """The first server gets back what it had before these keys were set again."""
    victim = on.quorum_servers[0]
    old = metas(victim, numbers)
    with Resp(on.members[0].proxy.address(), 60) as client:
        for keys in batches(numbers):
            client.ask_all([("SET", key, b"y" * 100) for key in keys])
    wait_until(lambda: metas(victim, numbers[-50:]) == metas(on.quorum_servers[1], numbers[-50:]),
               "the last write to be everywhere")
    with Resp(victim.address, 60) as client:
        at = 0
        for keys in batches(numbers):
            pairs = [word for key, meta in zip(keys, old[at:at + len(keys)])
                     for word in (key, b"x" * 100, META + key, meta)]
            client.ask("MSET", *pairs)
            at += len(keys)


def are_the_same(on, numbers):
    first, *rest = [metas(server, numbers) for server in on.quorum_servers]
    return None not in first and all(one == first for one in rest)


def fill_all(on, keys, parts=4):
    threads = [threading.Thread(target=fill_part, args=(on, keys, part, parts))
               for part in range(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(stale_of, lost):
    """[{what, keys, stale, seconds}]: every tenth of `stale_of` keys is stale; all of `lost` are."""
    rows = []

    def note(what, keys, stale, began):
        rows.append({"what": what, "keys": keys, "stale": stale,
                     "seconds": time.monotonic() - began})
        print(f"{what}: {keys} keys, {stale} of them stale: {rows[-1]['seconds']:.1f} s", flush=True)

    with setting(1) as on:
        fill_all(on, stale_of)
        stale = list(range(0, stale_of, 10))
        make_stale(on, stale)
        began = time.monotonic()
        wait_until(lambda: are_the_same(on, stale), "the stale keys to be mended", 600)
        note("every tenth key older on one of three, pauses between sweeps included", stale_of,
             len(stale), began)
        assert are_the_same(on, list(range(stale_of)))
    with setting(1) as on:
        fill_all(on, lost)
        on.quorum_servers[0].kill()
        on.quorum_servers[0].start()
        began = time.monotonic()
        victim = on.quorum_servers[0].address
        wait_until(lambda: on.members[0].state(victim) == "joining", "the loss to be noticed", 60)
        wait_until(lambda: on.members[0].state(victim) == "up", "it to be filled", 600)
        note("one of three restarted empty, until it counts again", lost, lost, began)
        assert are_the_same(on, list(range(lost)))
    return rows


def fill_part(on, keys, part, parts):
    fill(on.members[0].proxy.address(), keys * (part + 1) // parts, begin=keys * part // parts)
