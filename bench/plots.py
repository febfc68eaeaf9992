"""Bars with their spread, by gnuplot, as SVG and PNG."""

import re
import subprocess

from environment import Failure
from report import groups_of

_TERMINALS = {"svg": 'svg size 960,540 dynamic background "white" font "sans,11"',
              "png": 'pngcairo size 1280,720 font "sans,11"'}

# gnuplot has eight of its own and then begins again; there are more subjects than that.
_COLORS = ("#8e24aa", "#1e88e5", "#00acc1", "#43a047", "#c0ca33", "#fdd835", "#fb8c00", "#e53935",
           "#6d4c41", "#757575", "#3949ab", "#f48fb1", "#a5d6a7", "#212121", "#b39ddb", "#ffcc80")


def _quoted(text):
    """For gnuplot, which reads escapes in double quotes."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _script(cells, figure, unit, summary, titles, caption):
    """Clusters are cells, bars in them subjects."""
    present = {subject for cell in cells for subject in summary.subjects(cell.name)}
    names = [name for name in titles if name in present]
    rows = []
    for cell in cells:
        row = [_quoted(cell.name)]
        for subject in names:
            values = summary.spread(cell.name, subject, figure)
            row += [f"{values[key]:.6g}" for key in ("median", "min", "max")] if values else ["?"] * 3
        rows.append(" ".join(row))
    bars = ", ".join(
        f"$data using {2 + 3 * i}:{3 + 3 * i}:{4 + 3 * i}{':xtic(1)' if i == 0 else ''}"
        f" title {_quoted(name)}" for i, name in enumerate(names))
    return "\n".join([
        *(f"set linetype {i} linecolor rgb '{color}'" for i, color in enumerate(_COLORS, 1)),
        f"set title {_quoted(caption)} noenhanced font ',9'",
        f"set ylabel {_quoted(unit)} noenhanced",
        "set style data histograms", "set style histogram errorbars gap 1.5 lw 1",
        "set style fill solid 0.7 border -1", "set yrange [0:*]", "set grid ytics",
        "set key outside right top noenhanced", "set xtics noenhanced rotate by -25",
        "set datafile missing '?'", "$data << END", *rows, "END", f"plot {bars}", ""])


def draw(directory, subcommand, cells, summary, titles, caption):
    """One picture for each group of cells; returns the files."""
    files = []
    for group, members in groups_of(cells).items():
        measured = [cell for cell in members if summary.subjects(cell.name)]
        if not measured:
            continue
        figure = measured[0].primary
        unit = f"CPU of the proxy, {measured[0].figures[figure]}"
        if figure == "rss":
            unit = "memory of the workers, KiB per connection"
        name = f"{subcommand}-{group}" if group != subcommand else group
        script = _script(measured, figure, unit, summary, titles, f"{name}: {caption}")
        for kind, terminal in _TERMINALS.items():
            path = directory / (re.sub(r"[^a-z0-9.]+", "-", name.lower()) + f".{kind}")
            _gnuplot(f"set terminal {terminal}\nset output {_quoted(str(path))}\n{script}")
            files.append(path)
    return files


def _gnuplot(script):
    try:
        done = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True,
                              check=False, timeout=60)
    except FileNotFoundError as missing:
        raise Failure("no plots: gnuplot is not installed (scripts/setup bench)") from missing
    if done.returncode != 0:
        raise Failure(f"gnuplot: {done.stderr.strip()}")
