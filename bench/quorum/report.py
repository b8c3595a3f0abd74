"""Tables (Markdown, TSV) and plots of what the parts have found."""
import json
import os

from setting import gnuplot, percentile

PARTS = ("cost", "latency", "waited", "memory", "coordinators", "backends", "cluster", "repair")
COLOURS = ("#c8553d", "#6f8fb3", "#8fae6b", "#b8b8b8", "#8a6fb3", "#c9a227")
TARGETS = {"GET": 2.5, "SET": 5.0}  # times the CPU of a pool without replicas, without pipelining


class Measured:
    """What was kept; a part that was never run is None."""

    def __init__(self, kept):
        self.loads = {}
        for part in PARTS:
            path = os.path.join(kept, part + ".json")
            setattr(self, part, None)
            if not os.path.exists(path):
                continue
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            setattr(self, part, found["values"])
            self.loads[part] = found["load"]

    def note(self, part):
        return f"Load average of the machine meanwhile: {self.loads[part]:.0f}."


def middle(values):
    return percentile(values, 0.5)


def write(folder, kept):
    it = Measured(kept)
    lines = ["# A pool with consistency = \"quorum\": what it costs, and what its clients notice", "",
             f"On a shared machine with {os.cpu_count()} cores, where others work at the same time; servers, "
             "proxies and load on loopback of it. Times differ from run to run: compare rows that stand "
             "side by side, which were measured in turn. Three redis-servers, three replicas, one worker "
             "in each proxy, values of 100 bytes.", ""]
    for part, section in (("cost", _cost), ("latency", _latency), ("waited", _waited),
                          ("memory", _memory), ("coordinators", _coordinators),
                          ("backends", _backends), ("cluster", _cluster), ("repair", _repair)):
        if getattr(it, part) is not None:
            lines += [*section(folder, it), it.note(part), ""]
    with open(os.path.join(folder, "quorum.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    print("\n".join(lines))


def _cost(folder, it):
    lines = ["## CPU of all servers and proxies for a command", "",
             "Microseconds, beside the same command through a pool without replicas of the same proxies. "
             "With three proxies, the client talks to one of them, and two thirds of the slots are owned "
             "by the others: their writes are forwarded. Deep pipelines save a pool without replicas "
             "nearly all of its system calls; here the servers' time for their scripts and the "
             "coordinator's own remain.", "",
             "| proxies | command | pipeline | proxies µs | servers µs | sum | without replicas: sum | "
             "times | target |", "|---|---|---|---|---|---|---|---|---|"]
    bars = []
    for quorum, none in _pairs(it.cost):
        both = [row["proxies_us"] + row["servers_us"] for row in (quorum, none)]
        target = TARGETS[quorum["operation"]] if quorum["pipeline"] == 1 else None
        shown = "" if target is None else \
            f"{target} {'reached' if both[0] <= target * both[1] else '**missed**'}"
        lines.append(f"| {quorum['proxies']} | {quorum['operation']} | {quorum['pipeline']} | "
                     f"{quorum['proxies_us']:.1f} | {quorum['servers_us']:.1f} | {both[0]:.1f} | "
                     f"{both[1]:.1f} | {both[0] / both[1]:.2f} | {shown} |")
        bars.append((f"{quorum['operation']}, {quorum['proxies']} proxies, pipeline "
                     f"{quorum['pipeline']}", quorum, none))
    _draw_bars(os.path.join(folder, "quorum_cost.png"), bars)
    return [*lines, "", "![CPU](quorum_cost.png)", ""]


def _pairs(rows):
    """(of the quorum pool, of the other one), measured in turn."""
    return [(one, other) for one in rows for other in rows
            if one["pool"] == "p" and other["pool"] == "n" and
            all(one[name] == other[name] for name in ("proxies", "pipeline", "operation"))]


def _latency(_, it):
    lines = ["## Latency of one client that waits for each answer", "",
             "| command | through | p50 ms | p99 ms |", "|---|---|---|---|"]
    for operation, rows in it.latency.items():
        lines += [f"| {operation} | {who} | {middle([a for a, _ in every]):.3f} | "
                  f"{middle([b for _, b in every]):.3f} |" for who, every in rows.items()]
    return [*lines, ""]


def _waited(_, it):
    lines = ["## SET that three servers have, 50 clients", "",
             "WAIT 2 says that both replicas of a plain primary have it. A failover may lose it all the "
             "same; what a quorum pool acknowledges, no minority of its servers can lose.", "",
             "| | SET/s | p50 ms | p99 ms | CPU µs of servers and proxies |", "|---|---|---|---|---|"]
    for who, rows in it.waited.items():
        rate, p50, p99, used = (middle(column) for column in zip(*rows))
        lines.append(f"| {who} | {rate:.0f} | {p50 / 1000:.2f} | {p99 / 1000:.2f} | {used:.1f} |")
    return [*lines, ""]


def _memory(_, it):
    lines = ["## Memory of a server for a key of 16 bytes with a value of 100", "",
             "| | bytes per key and copy |", "|---|---|"]
    lines += [f"| {who} | {value:.0f} |" for who, value in it.memory.items()]
    return [*lines, ""]


def _coordinators(folder, it):
    found = it.coordinators["resumed"]
    lines = ["## After kill -9 of a proxy that owns slots, until writes to them go on", "",
             "32 clients of the two other proxies, each with a key of its own. For each kill the client "
             "that waited longest; default times.", "",
             "| the proxy | kills | p50 ms | p99 ms | worst ms |", "|---|---|---|---|---|"]
    worst = {"led the group too": [max(one) for one in found["leader"]],
             "did not lead": [max(one) for one in found["other"]]}
    worst["all"] = [value for values in worst.values() for value in values]
    lines += [f"| {who} | {len(values)} | {middle(values) * 1000:.0f} | "
              f"{percentile(values, 0.99) * 1000:.0f} | {max(values) * 1000:.0f} |"
              for who, values in worst.items() if values]
    lines += ["", f"What clients were told from first to last: {_ends(it.coordinators['ends'])}. Unknown "
              "are writes that were on the way through the proxy that died.", "",
              "![distribution](quorum_takeover.png)", ""]
    del worst["all"]
    _draw_steps(os.path.join(folder, "quorum_takeover.png"),
                "From kill -9 of a coordinator until the last client writes again", worst)
    return lines


def _backends(folder, it):
    pauses = [value for values in it.backends["pauses"] for value in values]
    lines = ["## After kill -9 of one of three servers: the longest pause of a client", "",
             "| kills | clients | p50 ms | p99 ms | worst ms |", "|---|---|---|---|---|",
             f"| {len(it.backends['pauses'])} | {len(pauses)} | {middle(pauses) * 1000:.0f} | "
             f"{percentile(pauses, 0.99) * 1000:.0f} | {max(pauses) * 1000:.0f} |", "",
             f"What clients were told in the three seconds after: {_ends(it.backends['ends'])}.", "",
             "![distribution](quorum_backend.png)", ""]
    _draw_steps(os.path.join(folder, "quorum_backend.png"),
                "After kill -9 of one of three servers: longest pause of each client",
                {"clients": pauses})
    return lines


def _cluster(_, it):
    figures = list(next(iter(it.cluster.values())))
    return ["## The load under which Redis Cluster loses writes", "",
            "1,000 additions of unique values to sets a second, by ten clients. Every 5 s, or as soon as "
            "the last fault is healed, a process is killed, or cut off from its fellows for 3.5 s while its "
            "clients still reach it (Jepsen's test of Redis Cluster). The same script for both: a quorum "
            "pool of five servers without disks behind three proxies, of which any is killed, or a proxy is "
            "cut off from the others; a Redis Cluster of three primaries and three replicas with appendonly, "
            "a node timeout of 1 s and without full coverage, of which any server is killed or cut off. Faults "
            "never overlap, so that the slower to heal has fewer; a client waits up to 2 s for an answer, "
            "and does not make up for it. Lost: acknowledged, and not there when all was healed.", "",
            f"| | {' | '.join(figures)} |", "|---" * (len(figures) + 1) + "|",
            *(f"| {who} | {' | '.join(str(row[one]) for one in figures)} |"
              for who, row in it.cluster.items()), ""]


def _repair(_, it):
    lines = ["## Until all replicas have the same again", "",
             "| | keys | stale | s |", "|---|---|---|---|"]
    lines += [f"| {row['what']} | {row['keys']} | {row['stale']} | {row['seconds']:.1f} |"
              for row in it.repair]
    return [*lines, ""]


def _ends(counts):
    return ", ".join(f"{count} {how}" for how, count in sorted(counts.items()))


def _draw_bars(path, bars):
    script = ["set terminal pngcairo size 1300,700 font 'sans,12' background rgb 'white'",
              f"set output '{path}'",
              "set title 'CPU of all servers and proxies per command, microseconds (logarithmic)'",
              "set style data histograms", "set style histogram clustered gap 1",
              "set style fill solid 1.0 noborder", "set logscale y", "set yrange [1:]",
              "set grid ytics lc rgb '#dddddd'", "set border 3", "set key top right",
              "set xtics rotate by 28 right nomirror", "set bmargin 9", "$data << END"]
    script += [f'"{name}" {quorum["proxies_us"] + quorum["servers_us"]:.2f} '
               f'{none["proxies_us"] + none["servers_us"]:.2f}' for name, quorum, none in bars]
    script += ["END", f"plot $data using 2:xtic(1) title 'quorum, three replicas' lc rgb '{COLOURS[0]}', "
               f"$data using 3 title 'without replicas' lc rgb '{COLOURS[1]}'"]
    gnuplot("\n".join(script))


def _draw_steps(path, title, series):
    script = ["set terminal pngcairo size 1100,600 font 'sans,12' background rgb 'white'",
              f"set output '{path}'", f"set title '{title}'", "set xlabel 'milliseconds'",
              "set ylabel 'share'", "set yrange [0:1.02]", "set xrange [0:]",
              "set grid lc rgb '#dddddd'", "set key bottom right", "set border 3"]
    plots = []
    for number, (who, values) in enumerate(series.items()):
        if not values:
            continue
        points = "\n".join(f"{value * 1000:.2f} {(at + 1) / len(values):.4f}"
                           for at, value in enumerate(sorted(values)))
        script.append(f"$data{number} << END\n0 0\n{points}\nEND")
        plots.append(f"$data{number} using 1:2 with steps lw 3 lc rgb '{COLOURS[number]}' "
                     f"title '{who}'")
    script.append("plot " + ", ".join(plots))
    gnuplot("\n".join(script))
