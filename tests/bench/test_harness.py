"""The harness's arithmetic and parsers."""

import pathlib
import sys
import tempfile
import unittest

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))

# pylint: disable=wrong-import-position
import cells
import measure
import plots
import record
import report
import subjects
from environment import Failure

RATES = {"units": 4, "bytes": 2 * measure.GIB, "seconds": 2, "cpu_ns": 1e9, "user_ns": 7.5e8}


def sample(number, subject, cpu, cell="c"):
    return {"round": number, "cell": cell, "subject": subject, "figures": {"cpu": cpu}}


class Parsers(unittest.TestCase):
    def test_words(self):
        self.assertEqual(measure.parse_words("units=3 seconds=0.500 cpu_ns=7\n"),
                         {"units": 3, "seconds": 0.5, "cpu_ns": 7})
        self.assertEqual(measure.parse_words("kernel_kib=-12"), {"kernel_kib": -12})
        self.assertEqual(measure.parse_words("nothing here"), {})

    def test_speed(self):
        text = ("+DT:AES-128-GCM:1:16384\n+R:303423:AES-128-GCM:1.000000\n"
                "+H:16384\n+F:22:AES-128-GCM:4971282432.00\n")
        self.assertEqual(measure.parse_speed(text), 4971282432)
        with self.assertRaises(Failure):
            measure.parse_speed("speed: Unknown cipher")

    def test_offload(self):
        stat = "TlsCurrTxSw \t3\nTlsTxSw    \t7\nTlsRxSw\t2\nTlsTxDevice\t1\nTlsRxDevice\t0\n"
        self.assertEqual(measure.parse_tls_stat(stat), {"Tx": 8, "Rx": 2})
        self.assertEqual(measure.parse_tls_stat(""), {"Tx": 0, "Rx": 0})
        one = {"name": "a", "policy": "tx", "offload": {"both": 1, "tx": 2, "none": 3}}
        self.assertEqual(measure.parse_offload(measure.json.dumps({"servers": [one, one]})),
                         {"both": 2, "tx": 4, "none": 6})

    def test_schema(self):
        schema = {"type": "object", "required": ["a"], "additionalProperties": False,
                  "properties": {"a": {"type": "array", "minItems": 1, "items": {
                      "type": "integer", "minimum": 1}}, "b": {"type": "string", "pattern": "^x"},
                      "c": {"enum": [1]}}}
        self.assertEqual(record.schema_errors({"a": [1, 2], "b": "xy", "c": 1}, schema), [])
        for bad in ({}, {"a": []}, {"a": [0]}, {"a": [True]}, {"a": ["1"]}, {"a": 1}, [],
                    {"a": [1], "b": "y"}, {"a": [1], "c": 2}, {"a": [1], "d": 0}):
            self.assertEqual(len(record.schema_errors(bad, schema)), 1, bad)

    def test_csv(self):
        cell = cells.Cell("c", "g", "responses", "requests")
        results = {"samples": [sample(1, "ferrule", 1 / 3), sample(2, "ferrule", 1234567.8)]}
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "results.csv"
            record.write_csv(path, [cell], results["samples"])
            self.assertEqual(record.csv_errors(path, results), [])
            other = {"samples": [sample(1, "ferrule", 1 / 3), sample(2, "ferrule", 1)]}
            self.assertIn("other values", record.csv_errors(path, other)[0])
            self.assertIn("other samples", record.csv_errors(path, {"samples": []})[0])
            path.write_text(path.read_text() + "1,c,ferrule,cpu,much,us\n")
            self.assertIn("not a sample", record.csv_errors(path, results)[0])
            path.write_text("")
            self.assertIn("heading", record.csv_errors(path, results)[0])


class Arithmetic(unittest.TestCase):
    def test_bodies(self):
        figures = measure.figures_of("bodies", RATES)
        self.assertEqual(figures, {"cpu": 0.5, "cpu_user": 0.375, "cpu_system": 0.125,
                                   "throughput": 1024, "busy": 50})

    def test_units(self):
        self.assertEqual(measure.figures_of("requests", RATES), {"cpu": 250000, "busy": 50})
        self.assertEqual(measure.figures_of("handshakes", RATES),
                         {"cpu": 250000, "rate": 2, "cpu_rate": 4, "busy": 50})
        self.assertEqual(measure.figures_of("idle", {
            "units": 1000, "seconds": 1, "rss_kib": 3500, "kernel_kib": 500}),
            {"rss": 3.5, "kernel": 0.5})
        # Another program has given back more than the connections took.
        self.assertEqual(measure.figures_of("idle", {
            "units": 1000, "seconds": 1, "rss_kib": 3500, "kernel_kib": -9}), {"rss": 3.5})

    def test_latency(self):
        counts = {"requests": 50, "duration_us": 5e5, "errors": 0, "p50": 1, "p99": 2, "p999": 3}
        self.assertEqual(measure.latency_of(counts),
                         {"rate": 100, "p50": 1, "p99": 2, "p99.9": 3})
        with self.assertRaises(ValueError):
            measure.latency_of({**counts, "errors": 1})

    def test_nothing_is_no_figure(self):
        for yields, change in (("requests", {"units": 0}), ("bodies", {"seconds": 0}),
                               ("bodies", {"bytes": 0})):
            with self.assertRaises(ValueError):
                measure.figures_of(yields, {**RATES, **change})
        # Some of a body that is larger than what goes through in the time.
        self.assertEqual(measure.figures_of("bodies", {**RATES, "units": 0})["cpu"], 0.5)
        with self.assertRaises(ValueError):
            measure.figures_of("handshakes", {**RATES, "cpu_ns": 0})

    def test_figures_are_those_announced(self):
        counts = {**RATES, "rss_kib": 1, "kernel_kib": 1}
        latency = {"requests": 1, "duration_us": 1, "errors": 0, "p50": 1, "p99": 1, "p999": 1}
        for yields, figures in cells.FIGURES.items():
            found = measure.figures_of(yields, counts)
            if yields == "latency":
                found |= measure.latency_of(latency)
            self.assertEqual(found.keys(), figures.keys(), yields)


class Offload(unittest.TestCase):
    def test_each_connection_counts(self):
        tx, both = ("tx",), ("both",)
        fine = {"both": 0, "tx": 64, "none": 0}
        self.assertEqual(measure.offload_error(tx, fine, 64), "")
        self.assertIn("64 kernel tx", measure.offload_error(both, fine, 64))
        self.assertIn("wanted 65", measure.offload_error(tx, fine, 65))
        self.assertIn("1 user space", measure.offload_error(tx, {**fine, "none": 1}, 64))
        nothing = dict.fromkeys(fine, 0)
        self.assertIn("there were none", measure.offload_error(tx, nothing, 1))
        # Handshakes alone: a client that has gone already is no failure, all of them are.
        self.assertEqual(measure.offload_error(tx, {**fine, "none": 4}, 0), "")
        self.assertIn("3 kernel both", measure.offload_error(tx, {**fine, "both": 3}, 0))
        self.assertIn("4 user space", measure.offload_error(tx, {**nothing, "none": 4}, 0))

    def test_what_subjects_engage(self):
        engages = {name: subject.engages for name, subject in subjects.ALL.items()}
        self.assertEqual(engages["ferrule"], ("none",))
        self.assertEqual(engages["ferrule-tx"], ("tx",))
        self.assertEqual(engages["ferrule-tunnel-both"], ("both",))
        self.assertEqual(engages["nginx-ktls"], ("tx", "both"))


class Reports(unittest.TestCase):
    def test_spread(self):
        self.assertIsNone(report.spread([]))
        self.assertEqual(report.spread([5]), {"median": 5, "min": 5, "max": 5})
        self.assertEqual(report.spread([9, 1, 2]), {"median": 2, "min": 1, "max": 9})
        self.assertEqual(report.spread([4, 1, 2, 9]), {"median": 3, "min": 1, "max": 9})

    def test_short(self):
        self.assertEqual([report.short(number) for number in (0, 1.234, 12.34, 1234.5, 987654, None)],
                         ["0.00", "1.23", "12.3", "1234", "988k", "-"])

    def test_ratios_are_of_one_round(self):
        # The machine is ten times slower in the second round; the ratio does not see it, and
        # the third round, where one failed, does not count.
        samples = [sample(1, "ferrule", 1), sample(1, "peer", 2), sample(2, "ferrule", 10),
                   sample(2, "peer", 40), sample(3, "peer", 7)]
        summary = report.Summary(samples, "ferrule/")
        self.assertEqual(summary.ratio("c", "peer", "cpu"),
                         {"median": 0.375, "min": 0.25, "max": 0.5})
        self.assertIsNone(summary.ratio("c", "ferrule", "cpu"))
        self.assertIsNone(summary.ratio("c", "absent", "cpu"))
        other = report.Summary(samples, "/ferrule")
        self.assertEqual(other.ratio("c", "peer", "cpu"), {"median": 3, "min": 2, "max": 4})

    def test_pure_ciphers(self):
        pairs = [{"speed": 4e9, "libcrypto": 3e9, "engine": 8e9},
                 {"speed": 2e9, "libcrypto": 2e9, "engine": 6e9},
                 {"speed": 1e9, "libcrypto": 9e8, "engine": 4e9}]
        found = report.pure_cipher(pairs)
        self.assertEqual(found, {
            "pairs": 3, "bytes_per_second": 2e9, "libcrypto_bytes_per_second": 2e9,
            "libcrypto_ratio": {"median": 0.9, "min": 0.75, "max": 1},
            "engine_bytes_per_second": 6e9, "engine_ratio": {"median": 3, "min": 2, "max": 4}})
        other = report.pure_cipher([{"speed": 1e9}])
        self.assertEqual(other, {"pairs": 1, "bytes_per_second": 1e9})
        lines = report.pure_table([{"cipher": "chacha20-poly1305", "block": 16384, **found},
                                   {"cipher": "aes-128-cbc", "block": 1024, **other}])
        self.assertEqual(len(lines), 5)
        self.assertLessEqual(max(map(len, lines)), report.WIDTH)

    def test_no_division_by_zero(self):
        summary = report.Summary([sample(1, "ferrule", 1), sample(1, "peer", 0)], "ferrule/")
        self.assertIsNone(summary.ratio("c", "peer", "cpu"))

    def test_growth_is_of_one_round(self):
        made = [cells.Cell(name, "g", "responses", "requests", series="s") for name in "ab"]
        samples = [sample(1, "ferrule", 2, "a"), sample(1, "ferrule", 3, "b"),
                   sample(2, "ferrule", 20, "a"), sample(2, "ferrule", 20, "b"),
                   sample(3, "ferrule", 9, "b"), sample(1, "peer", 5, "b")]
        summary = report.Summary(samples, "ferrule/")
        growth = {"median": 1.25, "min": 1, "max": 1.5}
        self.assertEqual(summary.growth("a", "b", "ferrule", "cpu"), growth)
        self.assertIsNone(summary.growth("a", "b", "peer", "cpu"))
        entries = {(entry["cell"], entry["subject"]): entry for entry in summary.as_list(made)}
        self.assertEqual(entries["b", "ferrule"]["growth_ratio"], growth)
        self.assertNotIn("growth_ratio", entries["a", "ferrule"])
        self.assertNotIn("growth_ratio", entries["b", "peer"])
        table = report.growth_table(made, summary)
        self.assertIn("1.25 (1.00..1.50)", "".join(table))
        self.assertEqual(report.growth_table(made[:1], summary), [])

    def test_ranking(self):
        made = [cells.Cell(name, "g", "responses", "bodies") for name in ("a", "b")]
        samples = [sample(1, "ferrule", 3, "a"), sample(1, "ferrule-tx", 1, "b"),
                   sample(1, "ferrule", 2, "b")]
        ranking = report.Summary(samples, "/ferrule").ranking(made)
        self.assertEqual([(cell.name, subject) for cell, subject in ranking],
                         [("b", "ferrule-tx"), ("b", "ferrule"), ("a", "ferrule")])

    def test_tables_fit_a_terminal(self):
        for subcommand, matrix in cells.MATRICES.items():
            made = matrix.cells(False)
            samples = [{"round": number, "cell": cell.name, "subject": name,
                        "figures": {figure: 9876.4 for figure in cell.figures}}
                       for number in (1, 2) for cell in made for name in matrix.subjects]
            summary = report.Summary(samples, matrix.baseline)
            lines = report.table(subcommand, made, summary)
            self.assertEqual("as work grows" in "".join(lines), subcommand == "requests")
            self.assertLessEqual(max(map(len, lines)), report.WIDTH, subcommand)


class Matrices(unittest.TestCase):
    def test_names_are_unique_and_safe_in_csv(self):
        for matrix in cells.MATRICES.values():
            for quick in (False, True):
                names = [cell.name for cell in matrix.cells(quick)]
                self.assertEqual(len(names), len(set(names)))
            self.assertTrue(all(name in subjects.ALL for name in matrix.subjects))

    def test_each_subject_has_a_color(self):
        self.assertGreaterEqual(len(plots._COLORS), max(
            len(matrix.subjects) for matrix in cells.MATRICES.values()))

    def test_only(self):
        made = cells.ciphers(False)
        self.assertEqual(cells.select(made, []), made)
        chosen = cells.select(made, [["1.3"], ["16k", "1m"], ["tcp"]])
        self.assertEqual(len(chosen), 6)
        self.assertTrue(all(cell.version == "1.3" and cell.backend == "tcp" for cell in chosen))
        self.assertEqual(cells.select(made, [["nonsense"]]), [])

    def test_what_no_subject_can(self):
        full, idle = cells.handshakes(True)[0], cells.connections(False)[-1]
        self.assertIsNone(full.excludes(subjects.ALL["splice"]))
        self.assertEqual(full.excludes(subjects.ALL["ceiling"]), "")
        self.assertEqual(idle.excludes(subjects.ALL["direct"]), "")
        self.assertIn("descriptors", idle.excludes(subjects.ALL["ferrule-tunnel"]))
        self.assertEqual(cells.connections(False)[-2].excludes(subjects.ALL["ferrule-tunnel"]), "")
        gigabyte = cells.requests(False)[-1]
        self.assertIn("disk", gigabyte.excludes(subjects.ALL["nginx"]))
        self.assertEqual(gigabyte.excludes(subjects.ALL["nginx-buffers"]), "")


if __name__ == "__main__":
    unittest.main()
