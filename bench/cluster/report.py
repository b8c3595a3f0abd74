"""Tables (Markdown, TSV) and plots of distributions."""
import json
import os
import subprocess

from stage import percentile

COLOURS = ("#c8553d", "#6f8fb3", "#8fae6b", "#b8b8b8", "#8a6fb3", "#c9a227")


def ms(seconds):
    return seconds * 1000


def spans(values):
    """The columns p50, p99 and worst, in ms."""
    return f"{ms(percentile(values, 0.5)):.0f} | {ms(percentile(values, 0.99)):.0f} | " \
           f"{ms(max(values)):.0f}"


class Measured:
    """What the parts have found, as it was kept."""

    def __init__(self, kept):
        self.loads = {}
        for part in ("changes", "spread", "failover", "leaders", "deaths"):
            with open(os.path.join(kept, part + ".json"), encoding="utf-8") as file:
                found = json.load(file)
            setattr(self, part, found["values"])
            self.loads[part] = found["load"]

    def note(self, part):
        return f"Load average of the machine meanwhile: {self.loads[part]:.0f}."


def write(folder, kept):
    it = Measured(kept)
    _write_values(folder, it)
    lines = ["# A cluster: how fast it decides, how fast its proxies act", "",
             f"On a shared machine with {os.cpu_count()} cores, where others work at the same time; all "
             "processes on loopback of it. Times differ from run to run: compare rows that stand side by "
             "side. Times of [cluster] are the defaults.", "",
             "## Committed changes", "",
             "Posted to the leader's admin port; each synced to a majority of disks, applied and published "
             f"before it is answered. {it.note('changes')}", "",
             "| members | clients | changes/s | p50 ms | p99 ms |", "|---|---|---|---|---|"]
    lines += [f"| {members} | {clients} | {rate:.0f} | {ms(percentile(every, 0.5)):.2f} | "
              f"{ms(percentile(every, 0.99)):.2f} |" for members, clients, rate, every in it.changes]
    lines += ["", "![distribution](changes.png)", "",
              "## From an operator's command until every sidecar serves with the new epoch", "",
              "All proxies and all changes; the commit and its synced disks are included. CPU: of all "
              f"proxies together, for one change. {it.note('spread')}", "",
              "| proxies | changes | p50 ms | p99 ms | worst ms | CPU ms |", "|---|---|---|---|---|---|"]
    lines += [f"| {one['proxies']} | {len(one['reached']) // one['proxies']} | "
              f"{spans(one['reached'])} | {ms(one['cpu']):.1f} |" for one in it.spread]
    lines += ["", "## After kill -9 of a server, until writes to its keys succeed again", "",
              "20 clients: each through a quorate of its own (pool: three servers, `rehash`), or each asking "
              "Sentinel (three of them; a master with two replicas). Rounds take turns. What they offer "
              "differs: Sentinel promotes a copy of the data; this pool goes on with the servers that are "
              f"left, without what the dead one held. {it.note('failover')}", "",
              "| | runs | all clients: p50 ms | p99 ms | worst ms | last client: median ms | times quorate |",
              "|---|---|---|---|---|---|---|"]
    lasts = {who: percentile([max(ones) for ones in runs], 0.5) for who, runs in it.failover.items()}
    own = next(iter(lasts.values()))
    for who, runs in it.failover.items():
        every = [wait for ones in runs for wait in ones]
        lines.append(f"| {who} | {len(runs)} | {spans(every)} | {ms(lasts[who]):.0f} | "
                     f"{lasts[who] / own:.1f} |")
    lines += ["", "![distribution](failover.png)", "",
              "## After kill -9 of the leader, under load", "", it.note("leaders"), "",
              "| members | leaders killed | until | p50 ms | p99 ms | worst ms |",
              "|---|---|---|---|---|---|"]
    for members, (leads, changes) in it.leaders.items():
        lines.append(f"| {members} | {len(leads)} | another one leads | {spans(leads)} |")
        lines.append(f"| {members} | {len(changes)} | a change is acknowledged | {spans(changes)} |")
    lines += ["", "No change that was acknowledged was missing afterwards.", "",
              "![distribution](leader.png)", "",
              "## After the end of a sidecar, until its session has ended", "", it.note("deaths"), "",
              "| by | times | p50 ms | p99 ms | worst ms |", "|---|---|---|---|---|"]
    lines += [f"| {how} | {len(every)} | {spans(every)} |" for how, every in it.deaths.items()]
    lines.append("")
    with open(os.path.join(folder, "cluster.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    print("\n".join(lines))
    _draw(folder, "changes", "Committed changes, 8 clients: latency", "milliseconds (logarithmic)",
          "share of changes", {f"{members} members" if members > 1 else "1 member": every
                               for members, clients, _, every in it.changes if clients == 8})
    _draw(folder, "failover", "From kill -9 of a server until writes succeed again",
          "milliseconds after the kill (logarithmic)", "share of clients that write again",
          {who: [wait for ones in runs for wait in ones] for who, runs in it.failover.items()})
    _draw(folder, "leader", "From kill -9 of the leader, under load",
          "milliseconds after the kill (logarithmic)", "share of kills",
          {f"{members} members: {what}": every for members, both in it.leaders.items()
           for what, every in zip(("another one leads", "a change is acknowledged"), both)})


def _write_values(folder, it):
    """Every single value, for whoever wants to see more than these tables; of the changes, of which there
    are too many, the tables."""
    with open(os.path.join(folder, "cluster.tsv"), "w", encoding="utf-8") as file:
        file.write("members\tclients\tchanges_per_second\tp50_ms\tp99_ms\n")
        for members, clients, rate, every in it.changes:
            file.write(f"{members}\t{clients}\t{rate:.0f}\t{ms(percentile(every, 0.5)):.2f}\t"
                       f"{ms(percentile(every, 0.99)):.2f}\n")
    with open(os.path.join(folder, "failover.tsv"), "w", encoding="utf-8") as file:
        file.write("what\trun\tms\n")

        def put(what, values, run=0):
            for value in values:
                file.write(f"{what}\t{run}\t{ms(value):.1f}\n")
        for who, runs in it.failover.items():
            for run, ones in enumerate(runs):
                put(f"server killed: {who}", ones, run)
        for members, (leads, changes) in it.leaders.items():
            put(f"leader of {members} killed: another leads", leads)
            put(f"leader of {members} killed: a change is acknowledged", changes)
        for how, every in it.deaths.items():
            put(f"sidecar, {how}: its session has ended", every)


def _draw(folder, name, title, x, y, series):
    script = ["set terminal pngcairo size 1200,700 font 'sans,12' background rgb 'white'",
              f"set output '{os.path.join(folder, name + '.png')}'", f"set title '{title}'",
              f"set xlabel '{x}'", "set logscale x", f"set ylabel '{y}'", "set yrange [0:1.02]",
              "set grid lc rgb '#dddddd'", "set key bottom right", "set border 3"]
    plots = []
    for number, (who, values) in enumerate(series.items()):
        every = sorted(ms(value) for value in values)
        points = "\n".join(f"{max(value, 0.01):.2f} {(at + 1) / len(every):.4f}"
                           for at, value in enumerate(every))
        script.append(f"$data{number} << END\n{points}\nEND")
        plots.append(f"$data{number} using 1:2 with steps lw 3 lc rgb "
                     f"'{COLOURS[number % len(COLOURS)]}' title '{who}'")
    script.append("plot " + ", ".join(plots))
    done = subprocess.run(["gnuplot"], input="\n".join(script), text=True, capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"gnuplot failed:\n{done.stderr}")
