"""The plot: CPU time per request by workload and peer, nutcracker's as the unit, by gnuplot.

One panel for one backend, one for three. Above each bar stands its CPU time in microseconds; a black
line across quorate's bar is its target.
"""
import subprocess

from rounds import BACKEND_COUNTS

BARS = (("haproxy", "#b8b8b8"), ("nutcracker", "#6f8fb3"), ("quorate", "#c8553d"))
HIGHEST = 1.75  # a longer bar is cut; its label tells the figure
LABEL_HEIGHT = 0.16
BAR_WIDTH = 0.27


def _label(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _panel(rows, backends):
    shown = [row for row in rows if row.backends == backends]
    commands = [f'set title "{backends} backend{"s" if backends > 1 else ""}" font ",15"',
                "unset label", "unset arrow"]
    ticks = ", ".join(f'"{row.workload.name}" {place}' for place, row in enumerate(shown))
    commands.append(f"set xtics ({ticks}) rotate by 28 right nomirror font ',12'")
    blocks, plots = [], []
    for number, (peer, colour) in enumerate(BARS):
        lines = []
        for place, row in enumerate(shown):
            value = row.median(peer, "proxy_us")
            share = value / row.median("nutcracker", "proxy_us")
            centre = place + (number - 1) * BAR_WIDTH
            lines.append(f"{centre:.3f} {min(share, HIGHEST):.4f}")
            label_at = min(share, HIGHEST) + 0.02
            if peer == "quorate":
                target = row.workload.target(backends)
                if label_at - 0.02 <= target <= label_at + LABEL_HEIGHT:
                    label_at = target + 0.02
                commands.append(f"set arrow from {centre - 0.17:.3f},{target} to "
                                f"{centre + 0.17:.3f},{target} nohead lw 2.5 lc rgb 'black' front")
            commands.append(f'set label "{_label(value)}" at {centre:.3f},{label_at:.4f} '
                            "rotate by 90 left font ',10' front")
        blocks.append(f"$peer{number} << END\n" + "\n".join(lines) + "\nEND")
        plots.append(f"$peer{number} using 1:2:({BAR_WIDTH}) with boxes lc rgb '{colour}' "
                     f"title '{peer}'")
    plots.append("NaN with lines lw 2.5 lc rgb 'black' title 'target'")
    commands.append(f"set xrange [-0.6:{len(shown) - 0.4}]")
    return "\n".join([*blocks, *commands, "plot " + ", ".join(plots)])


def draw(path, rows, caption):
    script = [
        "set terminal pngcairo size 1700,1200 font 'sans,12' background rgb 'white'",
        f"set output '{path}'",
        f'set multiplot layout {len(BACKEND_COUNTS)},1 title '
        f'"CPU time of the proxy per request (figures: microseconds)\\n{{/=12 {caption}}}" '
        "font ',18'",
        "set style fill solid 1.0 noborder", f"set yrange [0:{HIGHEST + 0.2}]",
        "set ylabel 'nutcracker = 1'", "set ytics 0.25 nomirror",
        "set grid ytics lc rgb '#dddddd'", "set key outside top right horizontal", "set border 3",
        "set lmargin 12", "set bmargin 6",
    ]
    script += [_panel(rows, backends) for backends in BACKEND_COUNTS]
    script.append("unset multiplot")
    done = subprocess.run(["gnuplot"], input="\n".join(script), text=True, capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"gnuplot failed:\n{done.stderr}")
