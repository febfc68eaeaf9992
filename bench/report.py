"""Medians, spreads and ratios of samples, and the table made of them."""

import statistics

WIDTH = 80

BODIES = (("s/GiB", "cpu", 7), ("user", "cpu_user", 6), ("system", "cpu_system", 7),
          ("MiB/s", "throughput", 7))

# Columns of a subcommand's table after the subject: heading, figure, width.
COLUMNS = {
    "ciphers": BODIES,
    "handshakes": (("CPU us", "cpu", 9), ("/s", "rate", 9), ("/CPU-s", "cpu_rate", 9)),
    "requests": (("CPU us", "cpu", 7), ("req/s", "rate", 8), ("p50 us", "p50", 7),
                 ("p99", "p99", 7), ("p99.9", "p99.9", 7)),
    "connections": (("RSS KiB", "rss", 9), ("kernel KiB", "kernel", 11)),
    "peers": (("median", None, 8), ("busy", "busy", 6)),
}


def short(number):
    """Three digits that matter, without an exponent; from 100,000 on in thousands."""
    if number is None:
        return "-"
    if number >= 1e5:
        return f"{number / 1e3:.0f}k"
    return f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def spread(values):
    """Median, least and most; None of nothing."""
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def pure_cipher(pairs):
    """What pairs of figures, taken one after the other, come to."""
    found = {"pairs": len(pairs),
             "bytes_per_second": statistics.median(pair["speed"] for pair in pairs)}
    for sealed in ("libcrypto", "engine"):
        if sealed in pairs[0]:
            found[f"{sealed}_bytes_per_second"] = statistics.median(pair[sealed] for pair in pairs)
            found[f"{sealed}_ratio"] = spread([pair[sealed] / pair["speed"] for pair in pairs])
    return found


def pure_table(pure):
    lines = ["the ciphers alone, GB/s on the proxy's core: by openssl speed; sealed by",
             "ferrule, in memory, with the same library; and (taken) the one that it takes",
             f"  {'':<24}{'block':>6}{'speed':>7}{'sealed':>8}{'ratio':>6}  {'min..max':<10}"
             f"{'taken':>8}{'ratio':>6}"]
    for entry in pure:
        line = (f"  {entry['cipher']:<24}{entry['block']:>6}"
                f"{entry['bytes_per_second'] / 1e9:>7.2f}")
        if "engine_ratio" in entry:
            ratio = entry["libcrypto_ratio"]
            line += (f"{entry['libcrypto_bytes_per_second'] / 1e9:>8.2f}{ratio['median']:>6.2f}"
                     f"  {ratio['min']:.2f}..{ratio['max']:.2f}"
                     f"{entry['engine_bytes_per_second'] / 1e9:>8.2f}"
                     f"{entry['engine_ratio']['median']:>6.2f}")
        lines.append(line)
    return lines


class Summary:
    """Samples are dictionaries of round, cell, subject and figures, in the order taken."""

    def __init__(self, samples, baseline):
        self.baseline = baseline
        self.by_place = {}
        for sample in samples:
            place = self.by_place.setdefault((sample["cell"], sample["subject"]), {})
            place[sample["round"]] = sample["figures"]

    def subjects(self, cell):
        return [subject for name, subject in self.by_place if name == cell]

    def count(self, cell, subject):
        return len(self.by_place.get((cell, subject), {}))

    def spread(self, cell, subject, figure):
        rounds = self.by_place.get((cell, subject), {}).values()
        return spread([figures[figure] for figures in rounds if figure in figures])

    def median(self, cell, subject, figure):
        found = self.spread(cell, subject, figure)
        return found and found["median"]

    def ratio(self, cell, subject, figure):
        """Of neighbours within one round, because the machine's speed changes between rounds:
        ferrule's cost over the subject's, or the other way round, as the baseline says."""
        mine, theirs = (self.by_place.get((cell, name), {}) for name in ("ferrule", subject))
        if subject == "ferrule":
            return None
        ratios = []
        for number in mine.keys() & theirs.keys():
            above, below = mine[number].get(figure), theirs[number].get(figure)
            if self.baseline == "/ferrule":
                above, below = below, above
            if above is not None and below:
                ratios.append(above / below)
        return spread(ratios)

    def growth(self, first, cell, subject, figure):
        """Of a subject's cost in a cell over its cost in the first of the series."""
        base, here = (self.by_place.get((name, subject), {}) for name in (first, cell))
        return spread([here[number][figure] / base[number][figure]
                       for number in here.keys() & base.keys() if base[number][figure]])

    def as_list(self, cells):
        found, first = [], {}
        for cell in cells:
            for subject in self.subjects(cell.name):
                for figure, unit in cell.figures.items():
                    values = self.spread(cell.name, subject, figure)
                    if values is None:
                        continue
                    entry = {"cell": cell.name, "subject": subject, "figure": figure, "unit": unit,
                             "samples": self.count(cell.name, subject), **values}
                    ratio = self.ratio(cell.name, subject, figure)
                    if ratio and figure == cell.primary:
                        entry["ferrule_ratio"] = ratio
                    if cell.series and figure == cell.primary:
                        base = first.setdefault(cell.series, cell.name)
                        growth = self.growth(base, cell.name, subject, figure)
                        entry |= {"growth_ratio": growth} if growth and base != cell.name else {}
                    found.append(entry)
        return found

    def ranking(self, cells):
        """(cell, subject) of a group of cells, the cheapest first."""
        places = [(cell, subject) for cell in cells for subject in self.subjects(cell.name)
                  if self.median(cell.name, subject, cell.primary) is not None]
        return sorted(places, key=lambda place: self.median(
            place[0].name, place[1], place[0].primary))


def _row(label, cells, columns, summary, cell, subject):
    line = f"  {label[:cells]:<{cells}}"
    for _, figure, width in columns:
        number = summary.median(cell.name, subject, figure or cell.primary)
        text = short(number) if figure != "busy" or number is None else f"{number:.0f}%"
        line += f"{text:>{width}}"
    values = summary.spread(cell.name, subject, cell.primary)
    if values:
        line += f"  {short(values['min']) + '..' + short(values['max']):<12}"
    ratio = summary.ratio(cell.name, subject, cell.primary)
    if ratio:
        line += f"{ratio['median']:>8.2f}"
    return line.rstrip()


def _heading(title, label, columns, baseline):
    line = f"{title:<{label + 2}}" + "".join(f"{name:>{width}}" for name, _, width in columns)
    return f"{line}  {'min..max':<12}{baseline:>8}"


def _brief(cipher):
    return cipher.replace("AES-", "AES").replace("-POLY1305", "")


def _mode(subject):
    """What carries the records: user space, or the kernel in one or both directions."""
    return {"ferrule": "user"}.get(subject, subject.removeprefix("ferrule-"))


def groups_of(cells):
    groups = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    return groups


def table(subcommand, cells, summary):
    """The samples as text that fits a terminal."""
    columns = COLUMNS[subcommand]
    label = _label_width(columns)
    lines = []
    if subcommand == "ciphers":
        for group, members in groups_of(cells).items():
            lines.append(_heading(f"{group}, fastest first", label, columns, "/user"))
            for place, (cell, subject) in enumerate(summary.ranking(members), 1):
                name = f"{place:2} {cell.version} {_brief(cell.cipher)} {_mode(subject)}"
                lines.append(_row(name, label, columns, summary, cell, subject))
            lines.append("")
        return lines
    for cell in cells:
        found = summary.subjects(cell.name)
        if found:
            if subcommand == "requests" and cell.yields == "bodies":
                columns, label = BODIES, _label_width(BODIES)
            lines.append(_heading(f"{cell.name}, {cell.figures[cell.primary]}", label, columns,
                                  summary.baseline))
            lines += [_row(subject, label, columns, summary, cell, subject) for subject in found]
            lines.append("")
    return lines + growth_table(cells, summary)


def _label_width(columns):
    return WIDTH - 24 - sum(width for _, _, width in columns)


def growth_table(cells, summary):
    """For each series of cells: what a unit of work costs in each over what it costs in the first."""
    lines = []
    for series in dict.fromkeys(cell.series for cell in cells if cell.series):
        members = [cell for cell in cells if cell.series == series]
        found = summary.subjects(members[0].name)
        if len(members) < 2 or not found:
            continue
        figure = f"CPU {members[0].figures[members[0].primary]}"
        lines.append(f"{figure} as work grows, {members[0].name} = 1, in the same round (min..max)")
        lines.append(f"  {'':<20}" + "".join(f"{cell.name:>19}" for cell in members[1:]))
        for subject in found:
            line = f"  {subject:<20}"
            for cell in members[1:]:
                ratio = summary.growth(members[0].name, cell.name, subject, cell.primary)
                text = (f"{ratio['median']:.2f} ({ratio['min']:.2f}..{ratio['max']:.2f})"
                        if ratio else "-")
                line += f"{text:>19}"
            lines.append(line)
        lines.append("")
    return lines
