"""The results as a page (Markdown), as tables for programs (TSV), and what was not reached."""
import datetime
import os
import platform
import re
import subprocess

from memory import TARGETS as MEMORY_TARGETS
from rounds import FIGURES, PEERS

REACHED, WITHIN_NOISE, MISSED = "✓", "≈", "✗"


def verdict(value, limit):
    return REACHED if value <= limit else MISSED


def _compare(row, figure, lower_is_better):
    """quorate against nutcracker: within the spread of the rounds a difference means nothing."""
    excess = row.ratio(figure) - 1 if lower_is_better else 1 - row.ratio(figure)
    if excess <= 0:
        return REACHED
    return WITHIN_NOISE if excess <= row.spread(figure) else MISSED


def _number(value):
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _thousands(value):
    return f"{value / 1000:.1f}" if value < 100000 else f"{value / 1000:.0f}"


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |",
             "|---|" + "|".join("--:" for _ in head[1:]) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def machine_line():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
        model = found.group(1) if found else model
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}"


def _version(command, pattern):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "?"


def versions_line(program):
    return ", ".join((
        "quorate " + _version([program, "--version"], r"([\d.]+)"),
        "nutcracker " + _version(["nutcracker", "-V"], r"nutcracker-([\d.]+)"),
        "haproxy " + _version(["haproxy", "-v"], r"version ([\d.]+)"),
        "redis " + _version(["redis-server", "--version"], r"v=([\d.]+)"),
        "memcached " + _version(["memcached", "-V"], r"([\d.]+)")))


def _cpu_section(rows):
    table = []
    for row in rows:
        target = row.workload.target(row.backends)
        ratio = row.ratio("proxy_us")
        rates = [row.median(peer, "per_second") for peer in ("quorate", "nutcracker")]
        slowest = [row.median(peer, "p99_ms") for peer in ("quorate", "nutcracker")]
        table.append([
            row.workload.name, str(row.backends),
            *[_number(row.median(peer, "proxy_us")) for peer in PEERS[1:]],
            f"**{ratio:.2f}**", f"≤ {target:.2f} {verdict(round(ratio, 2), target)}",
            f"{_thousands(rates[0])} / {_thousands(rates[1])} "
            + _compare(row, "per_second", lower_is_better=False),
            f"{_number(slowest[0])} / {_number(slowest[1])} "
            + _compare(row, "p99_ms", lower_is_better=True)])
    return ["## CPU time of the proxy per request, in µs", "",
            "quorate / nutcracker is the measure; throughput (thousand requests per second) and p99 "
            "(ms) are quorate's and nutcracker's in the same rounds. "
            f"{WITHIN_NOISE}: worse, but by no more than the middle half of one proxy's rounds differ "
            "(a single round cannot tell).",
            "", *_table(["workload, 100 B", "backends", *PEERS[1:], "ratio", "target",
                         "throughput", "p99"], table)]


def _instruction_section(counts):
    table = []
    for name, count in counts.items():
        value, target = count["quorate"], count["target"]
        reached = f"≤ {target:,} {verdict(value, target)}" if target else "–"
        syscalls = [f"{count['syscalls'][peer]:.2f}" if count["syscalls"].get(peer) else "–"
                    for peer in ("nutcracker", "quorate")]
        table.append([name, _number(count["nutcracker"]), _number(value), reached, *syscalls])
    return ["## User-space instructions and system calls per request", "",
            "Instructions by callgrind; system calls by the kernel's tracepoints, at full speed.", "",
            *_table(["", "nutcracker", "quorate", "target", "system calls: nutcracker", "quorate"],
                    table)]


def _memory_section(memory):
    table = []
    for figure, value in memory["quorate"].items():
        target = MEMORY_TARGETS.get(figure)
        reached = f"≤ {target:,} {verdict(value, target)}" if target else "–"
        table.append([figure, _number(memory["nutcracker"][figure]), _number(value), reached])
    return ["## Memory per client connection, in bytes", "",
            "10,000 connections, all accepted; growth of the proxy's private pages. After one GET each "
            "(a few hundred at a time) and after a burst (all at the same moment), idle again.", "",
            *_table(["", "nutcracker", "quorate", "target"], table)]


def _backend_section(rows):
    by_name = {(row.workload.name, row.backends): row for row in rows}
    table = []
    for row in rows:
        if row.backends == 1:
            straight = by_name.get((row.workload.name.removesuffix(" unix"), 1), row)
            table.append([row.workload.name,
                          *[_number((straight if peer == "direct" else row).median(
                              peer, "backend_us")) for peer in PEERS],
                          *[_number((straight if peer == "direct" else row).median(
                              peer, "p50_ms")) for peer in PEERS]])
    return ["## What the proxy does to the backend and to the client, one backend", "",
            "CPU time of the server per request in µs, and the client's median latency in ms. Direct "
            "is always over TCP; a client \"unix\" reaches the proxy over a unix socket.", "",
            *_table(["workload", *(f"{peer} µs" for peer in PEERS), *(f"{peer} ms" for peer in PEERS)],
                    table)]


def missed(rows, counts, memory):
    """What is not reached, a line each."""
    lines = []
    for row in rows:
        name = f"{row.workload.name}, {row.backends} backend(s)"
        ratio, target = row.ratio("proxy_us"), row.workload.target(row.backends)
        if round(ratio, 2) > target:
            lines.append(f"{name}: CPU ratio {ratio:.2f}, target {target:.2f}")
        for figure, lower in (("per_second", False), ("p99_ms", True)):
            if _compare(row, figure, lower) == MISSED:
                word = "p99" if lower else "throughput"
                lines.append(f"{name}: {word} is {row.ratio(figure):.2f} of nutcracker's")
    for name, count in counts.items():
        if count["target"] and count["quorate"] > count["target"]:
            lines.append(f"{name}: {count['quorate']:,.0f} instructions, target {count['target']:,}")
    for figure, target in MEMORY_TARGETS.items():
        if memory["quorate"][figure] > target:
            lines.append(f"memory {figure}: {memory['quorate'][figure]:,.0f} B, target {target:,}")
    return lines


def write_page(path, rows, counts, memory, program, placement, measured):
    short = missed(rows, counts, memory)
    lines = [
        "# quorate side by side", "",
        f"{datetime.date.today().isoformat()}; {machine_line()}; {versions_line(program)}.",
        f"{measured}; {placement.describe()}. Other work kept {placement.other_cores:.1f} cores busy "
        "meanwhile.", "",
        "Written by `make bench`; every figure is the median of its rounds. Each proxy has one thread "
        "for clients; CPU time is the scheduler's account of all threads of the process.", "",
        "![CPU time per request](side_by_side.png)", "",
        *_cpu_section(rows), *_instruction_section(counts), *_memory_section(memory),
        *_backend_section(rows),
        "## Not reached", "",
        *([f"- {line}" for line in short] or ["Nothing."]), "",
        "Why, by the profile of one such run: [profile.md](profile.md).", ""]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    return short


def write_rows(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.write("workload\tbackends\tpeer\t" + "\t".join(FIGURES) + "\ttarget\n")
        for row in rows:
            for peer in PEERS:
                if peer in row.samples:
                    values = "\t".join(f"{row.median(peer, figure):.4f}" for figure in FIGURES)
                    file.write(f"{row.workload.name}\t{row.backends}\t{peer}\t{values}\t"
                               f"{row.workload.target(row.backends)}\n")
