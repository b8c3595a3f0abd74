#!/usr/bin/python3
"""Writes redis_command_table.inc from what a redis-server says about its own commands.

    generate_command_table.py > redis_command_table.inc     the table of the installed redis-server
    generate_command_table.py --check redis_command_table.inc    exit 1 and a diff if they differ

It starts a redis-server of its own on a free loopback port, asks it COMMAND, and ends it; the kernel
ends it too when this script is killed. Order: the top-level commands by name, then the subcommands
by name, so that the subcommands of a container follow each other. That order is the dense index of
every command, and the enumerators of RedisCommand.

The two multipliers make the hash of redis_commands.cpp (name_hash, which this repeats) free of
collisions; the compiler proves it again.
"""
import argparse
import ctypes
import difflib
import re
import signal
import socket
import subprocess
import sys
import time

import redis

PR_SET_PDEATHSIG = 1
WORD = (1 << 64) - 1
FOLD = 0x2020202020202020
SHORTEST_NAME, LONGEST_NAME = 2, 24
TOP_LEVEL_BITS = 12
SUBCOMMAND_BITS = 10
MACROS = ("NAME_HASH", "COMMAND", "KEY_SPEC")  # whoever includes the table defines what it wants


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """A redis-server that lives as long as the `with` block, at most as long as this process."""

    def __init__(self, program):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", "/"],
            stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def __enter__(self):
        deadline = time.monotonic() + 20
        while True:
            try:
                client = redis.Redis(port=self.port)
                client.ping()
                return client
            except redis.ConnectionError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.__exit__()
                    raise
                time.sleep(0.01)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def ask(client, *command):
    """The answer as it came: redis-py's own reading of COMMAND leaves most of it out."""
    connection = client.connection_pool.get_connection(command[0])
    try:
        connection.send_command(*command)
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def as_map(flat):
    return {text(key): value for key, value in zip(flat[::2], flat[1::2])}


def words(values):
    return " ".join(text(value).lstrip("@") for value in values)


def enumerator(name):
    return "k" + "".join(part.capitalize() for part in re.split(r"[|_-]", name))


def begin_search(answer):
    kind, spec = text(answer["type"]), as_map(answer["spec"])
    if kind == "index":
        return f"at_index({spec['index']})"
    if kind == "keyword":
        return f"after_keyword(\"{text(spec['keyword'])}\", {spec['startfrom']})"
    return "begin_unknown()"


def find_keys(answer):
    kind, spec = text(answer["type"]), as_map(answer["spec"])
    if kind == "range":
        return f"in_range({spec['lastkey']}, {spec['keystep']}, {spec['limit']})"
    if kind == "keynum":
        return f"counted({spec['keynumidx']}, {spec['firstkey']}, {spec['keystep']})"
    return "find_unknown()"


def key_spec_line(answer):
    spec = as_map(answer)
    begin = begin_search(as_map(spec["begin_search"]))
    find = find_keys(as_map(spec["find_keys"]))
    return f"  KEY_SPEC(\"{words(spec['flags'])}\", {begin}, {find})\n"


def name_hash(name, salt, multiplier, bits):
    """The same arithmetic as name_hash() in redis_commands.cpp."""
    size, data = len(name), name.encode()
    first = data[:8] if size >= 8 else data[:4] + data[-4:] if size >= 4 else data[:2] + data[-2:]
    mixed = int.from_bytes(first, "little") | FOLD
    if size >= 8:
        mixed ^= (int.from_bytes(data[-8:], "little") | FOLD) >> 3
    mixed = (mixed + size + salt) & WORD
    return (mixed * multiplier & WORD) >> (64 - bits)


def find_multiplier(salted_names, bits):
    """The first number of a fixed sequence (splitmix64) that sends every name to a place of its own."""
    state = 0
    while True:
        state = (state + 0x9E3779B97F4A7C15) & WORD
        candidate = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & WORD) | 1
        taken = set()
        for name, salt in salted_names:
            place = name_hash(name, salt, candidate, bits)
            if place in taken:
                break
            taken.add(place)
        else:
            return candidate


def table(client):
    commands = sorted(ask(client, "COMMAND"), key=lambda command: command[0])
    containers = [text(command[0]) for command in commands]
    subcommands = [(sub, containers.index(text(command[0])))
                   for command in commands for sub in sorted(command[9], key=lambda sub: sub[0])]
    sizes = [len(name) for name in containers]
    sizes += [len(text(sub[0]).split("|")[1]) for sub, _ in subcommands]
    assert SHORTEST_NAME <= min(sizes) and max(sizes) <= LONGEST_NAME

    top_level = find_multiplier([(name, 0) for name in containers], TOP_LEVEL_BITS)
    # The salt of a subcommand is its container's index, out of the way of the size.
    second_level = find_multiplier(
        [(text(sub[0]).split("|")[1], container << 32) for sub, container in subcommands],
        SUBCOMMAND_BITS)

    version = client.info("server")["redis_version"]
    lines = [f"// The commands of redis-server {version}, as its COMMAND describes them. Generated by\n",
             "// generate_command_table.py, and checked by the tests against the installed server.\n",
             "// clang-format off\n",
             *(f"#ifndef {macro}\n#define {macro}(...)\n#endif\n" for macro in MACROS), "\n",
             f"NAME_HASH(TopLevel, {TOP_LEVEL_BITS}, 0x{top_level:016X}u)\n",
             f"NAME_HASH(Subcommand, {SUBCOMMAND_BITS}, 0x{second_level:016X}u)\n"]
    key_spec_count = 0
    subcommand_index = len(commands)
    everything = [(command, None) for command in commands] + subcommands
    for command, container in everything:
        name = text(command[0])
        first_subcommand = subcommand_index if container is None and command[9] else 0
        subcommand_index += len(command[9]) if container is None else 0
        parent = "kUnknown" if container is None else enumerator(containers[container])
        lines.append(
            f"COMMAND({enumerator(name)}, {parent}, \"{name}\", {command[1]}, "
            f"\"{words(command[2])}\", \"{words(command[6])}\", "
            f"key_specs({key_spec_count}, {len(command[8])}), "
            f"subcommands({first_subcommand}, {len(command[9])}))\n")
        lines += [key_spec_line(spec) for spec in command[8]]
        key_spec_count += len(command[8])
    lines += ["\n"] + [f"#undef {macro}\n" for macro in MACROS]
    return "".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--server", default="redis-server", help="the program to ask")
    parser.add_argument("--check", metavar="FILE", help="compare with this file instead of printing")
    options = parser.parse_args()
    with Server(options.server) as client:
        generated = table(client)
    if options.check is None:
        sys.stdout.write(generated)
        return 0
    with open(options.check, encoding="utf-8") as checked_in:
        difference = list(difflib.unified_diff(
            checked_in.read().splitlines(True), generated.splitlines(True),
            options.check, f"what {options.server} says"))
    sys.stdout.writelines(difference)
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
