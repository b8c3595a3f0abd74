"""Tables (Markdown, TSV) and the plot of how long clients wait."""
import os
import subprocess

from stage import percentile

COLOURS = ("#c8553d", "#6f8fb3", "#8fae6b", "#b8b8b8")


def write(folder, rates, waits):
    with open(os.path.join(folder, "cluster.tsv"), "w", encoding="utf-8") as file:
        file.write("members\tclients\tchanges_per_second\tp50_ms\tp99_ms\n")
        for members, clients, rate, p50, p99 in rates:
            file.write(f"{members}\t{clients}\t{rate:.0f}\t{p50 * 1000:.2f}\t{p99 * 1000:.2f}\n")
    with open(os.path.join(folder, "failover.tsv"), "w", encoding="utf-8") as file:
        file.write("who\trun\tclient\twait_ms\n")
        for who, runs in waits.items():
            for run, ones in enumerate(runs):
                for client, wait in enumerate(ones):
                    file.write(f"{who}\t{run}\t{client}\t{wait * 1000:.1f}\n")
    lines = ["# A cluster: how fast it decides, how fast its proxies act", "",
             f"On a machine with {os.cpu_count()} cores, all processes on loopback of it.", "",
             "## Committed changes", "",
             "Posted to the leader's admin port; each synced to a majority of disks before it is "
             "answered.", "", "| members | clients | changes/s | p50 ms | p99 ms |",
             "|---|---|---|---|---|"]
    lines += [f"| {members} | {clients} | {rate:.0f} | {p50 * 1000:.2f} | {p99 * 1000:.2f} |"
              for members, clients, rate, p50, p99 in rates]
    lines += ["", "## After kill -9 of a server, until writes to its keys succeed again", "",
              "20 clients each: of quorate through 20 sidecars (`rehash`, default times), of Redis "
              "Sentinel by asking it who is master. Sentinel promotes a replica that has the data; "
              "quorate moves the keys of a cache.", "",
              "| | runs | all clients: p50 ms | p99 ms | last client: median ms | worst ms |",
              "|---|---|---|---|---|---|"]
    for who, runs in waits.items():
        every = [wait for ones in runs for wait in ones]
        last = [max(ones) for ones in runs]
        lines.append(f"| {who} | {len(runs)} | {percentile(every, 0.5) * 1000:.0f} | "
                     f"{percentile(every, 0.99) * 1000:.0f} | {percentile(last, 0.5) * 1000:.0f} | "
                     f"{max(last) * 1000:.0f} |")
    lines += ["", "![distribution](failover.png)", ""]
    with open(os.path.join(folder, "cluster.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    _draw(os.path.join(folder, "failover.png"), waits)
    print("\n".join(lines))


def _draw(path, waits):
    script = ["set terminal pngcairo size 1200,700 font 'sans,12' background rgb 'white'",
              f"set output '{path}'",
              "set title 'From kill -9 until writes succeed again: share of clients'",
              "set xlabel 'milliseconds after the kill (logarithmic)'", "set logscale x",
              "set ylabel 'share of clients that write again'", "set yrange [0:1.02]",
              "set grid lc rgb '#dddddd'", "set key bottom right", "set border 3"]
    plots = []
    for number, (who, runs) in enumerate(waits.items()):
        every = sorted(wait * 1000 for ones in runs for wait in ones)
        points = "\n".join(f"{max(value, 1):.2f} {(at + 1) / len(every):.4f}"
                           for at, value in enumerate(every))
        script.append(f"$data{number} << END\n{points}\nEND")
        plots.append(f"$data{number} using 1:2 with steps lw 3 lc rgb "
                     f"'{COLOURS[number % len(COLOURS)]}' title '{who}'")
    script.append("plot " + ", ".join(plots))
    done = subprocess.run(["gnuplot"], input="\n".join(script), text=True, capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"gnuplot failed:\n{done.stderr}")
