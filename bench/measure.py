"""Takes samples: runs the load and reads what it and the other tools print."""

import json
import pathlib
import re
import subprocess

from environment import Failure

GIB, MIB = 1 << 30, 1 << 20
# What the user-space record engine does; libssl does the rest.
ENGINE_CIPHERS = ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305")
LIMIT_SECONDS = 60   # on top of what a measurement is meant to take

# wrk has no 99.9th percentile in its own report.
WRK_REPORT = """
done = function(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        "requests=%d duration_us=%d errors=%d p50=%d p99=%d p999=%d\\n",
        summary.requests, summary.duration,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"""

# wrk takes no TLS options, but libssl reads them from here.
WRK_OPENSSL = """
openssl_conf = main
[main]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
MinProtocol = TLSv{version}
MaxProtocol = TLSv{version}
Ciphersuites = TLS_AES_128_GCM_SHA256
CipherString = ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256
Groups = X25519:P-256
"""


def parse_words(line):
    """NAME=NUMBER words, as bench/load and the wrk report print them."""
    return {name: float(value) for name, value in re.findall(r"(\w+)=(-?[0-9.]+)", line)}


def parse_speed(text):
    """The line of `openssl speed -mr` with the result: bytes per second."""
    found = re.findall(r"^\+F:\d+:[^:]*:([0-9.]+)", text, re.MULTILINE)
    if not found:
        raise Failure("openssl speed prints no result")
    return float(found[-1])


def figures_of(yields, counts):
    """The figures of a kind of work (cells.FIGURES) from the counts of bench/load. A count of
    nothing is no measurement: ValueError."""
    units, seconds = counts["units"], counts["seconds"]
    # Of a large body less than a whole one may have come in the time.
    if seconds <= 0 or counts["bytes" if yields == "bodies" else "units"] <= 0:
        raise ValueError("nothing was done in the time")
    if yields == "idle":
        # What has shrunk meanwhile was something else's: no figure.
        return {name: counts[f"{name}_kib"] / units for name in ("rss", "kernel")
                if counts[f"{name}_kib"] > 0}
    cpu = counts["cpu_ns"] / 1e9
    busy = {"busy": 100 * cpu / seconds}
    if yields == "bodies":
        gib = counts["bytes"] / GIB
        return {"cpu": cpu / gib, "cpu_user": counts["user_ns"] / 1e9 / gib,
                "cpu_system": (counts["cpu_ns"] - counts["user_ns"]) / 1e9 / gib,
                "throughput": counts["bytes"] / MIB / seconds, **busy}
    each = {"cpu": cpu / units * 1e6}
    if yields == "handshakes":
        if cpu <= 0:
            raise ValueError("no CPU time was booked")
        return {**each, "rate": units / seconds, "cpu_rate": units / cpu, **busy}
    return {**each, **busy}


def latency_of(counts):
    if counts["errors"] > 0 or counts["requests"] <= 0 or counts["duration_us"] <= 0:
        raise ValueError(f"wrk: {counts['errors']:.0f} errors in {counts['requests']:.0f} requests")
    return {"rate": counts["requests"] / counts["duration_us"] * 1e6, "p50": counts["p50"],
            "p99": counts["p99"], "p99.9": counts["p999"]}


def parse_tls_stat(text):
    """Connections so far whose records the kernel took over, by direction (proc/net/tls_stat)."""
    counts = {name: int(value) for name, value in re.findall(r"^(Tls\w+)\s+(\d+)", text, re.M)}
    return {direction: counts.get(f"Tls{direction}Sw", 0) + counts.get(f"Tls{direction}Device", 0)
            for direction in ("Tx", "Rx")}


def tls_stat():
    try:
        return parse_tls_stat(pathlib.Path("/proc/net/tls_stat").read_text(encoding="ascii"))
    except FileNotFoundError:
        return {"Tx": 0, "Rx": 0}   # a kernel without TLS


def parse_offload(text):
    """What `ferrule show offload --json` counts: connections by where their records were."""
    sums = {"both": 0, "tx": 0, "none": 0}
    for server in json.loads(text)["servers"]:
        for place, count in server["offload"].items():
            sums[place] += count
    return sums


PLACES = {"none": "user space", "tx": "kernel tx", "both": "kernel both"}


def offload_error(engages, counts, connections):
    """Whether the connections of a sample, at least so many, had their records where they had to
    be: a figure of kernel TLS with records from user space in it is none. Of 0 connections that
    stay, one of those that came and went must have been there: a socket whose client has gone
    takes no keys. Empty if all is well."""
    found = {place: count for place, count in counts.items() if count > 0}
    allowed = {*engages, *(() if connections else ("none",))}
    if found.keys() <= allowed and sum(found.get(place, 0) for place in engages) >= max(
            1, connections):
        return ""
    said = ", ".join(f"{count} {PLACES[place]}" for place, count in found.items()) or "none"
    wanted = " or ".join(PLACES[place] for place in engages)
    return f"offload: wanted {max(1, connections)} connections {wanted}, there were {said}"


def _run(command, limit, what, **options):
    try:
        done = subprocess.run([*map(str, command)], capture_output=True, text=True,
                              timeout=limit, check=False, **options)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"{what}: not ready within {limit:.0f} s") from late
    if done.returncode != 0:
        raise Failure(f"{what}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Meter:
    def __init__(self, environment, warmup, seconds):
        self.environment = environment
        self.warmup, self.seconds = warmup, seconds
        self.limit = LIMIT_SECONDS + warmup + seconds

    def sample(self, cell, subject):
        """Figures of a freshly started proxy, so that none inherits memory or connections, and
        where the records of its connections were, of a proxy that can be asked."""
        try:
            if subject.kind == "ceiling":
                figures = figures_of(cell.yields, self._ceiling(cell))
                # The client's half runs on the same core, so only the server's CPU time counts.
                return {name: figures[name] for name in ("cpu", "cpu_rate")}, {}
            before = tls_stat()
            process = self.environment.start_proxy(subject, cell)
            try:
                figures = figures_of(cell.yields, self._load(cell, subject, process.pid))
                if cell.yields == "latency":
                    figures |= latency_of(self._wrk(cell, subject))
                offload = self._offload(cell, subject, before)
                if subject.kind == "direct":
                    # The backend is no fresh process: it has memory from the samples before.
                    figures.pop("rss", None)
                elif cell.primary not in figures:
                    raise ValueError("the worker's memory did not grow")
                if not figures:
                    raise ValueError("the kernel's memory did not grow: the machine is not quiet")
            finally:
                self.environment.stop_proxy(process)
            return figures, offload
        except ValueError as nothing:
            raise Failure(str(nothing)) from nothing

    def _offload(self, cell, subject, before):
        """Its counts, checked; none of a proxy that has no kernel TLS to count."""
        connections = 0 if cell.yields == "handshakes" else cell.connections
        if subject.kind == "ferrule":
            counts = parse_offload(_run(
                [subject.program(self.environment), "show", "offload", "--json", "-c",
                 self.environment.configuration(subject.name)], self.limit, "ferrule show"))
        elif subject.offload != "off":
            now = tls_stat()
            sent, received = now["Tx"] - before["Tx"], now["Rx"] - before["Rx"]
            both = min(sent, received)
            counts = {"both": both, "tx": sent - both, "none": max(0, connections - sent)}
        else:
            return {}
        error = offload_error(subject.engages, counts, connections)
        if error:
            raise Failure(error)
        return counts

    def _pin(self, core, command):
        return ["taskset", "-c", core, *command]

    def _times(self):
        return ["--warmup", self.warmup, "--seconds", self.seconds]

    def _ceiling(self, cell):
        command = [self.environment.programs / "ceiling",
                   "--certificate", self.environment.certificate(cell.key),
                   "--key", self.environment.key(cell.key), "--tls", cell.version,
                   "--work", cell.work, *self._times()]
        return parse_words(self._alone(command, "ceiling"))

    def _load(self, cell, subject, pid):
        command = [self.environment.programs / "load", "--port", subject.port,
                   "--process", pid, "--work", cell.work,
                   "--connections", cell.connections, *self._times()]
        if cell.yields != "handshakes" or cell.work == "resumptions":
            command += ["--path", cell.path]
        if not subject.is_plain:
            command += ["--tls", cell.version]
            if cell.suite:
                command += ["--suite", cell.suite]
        if cell.upload:
            command += ["--upload-size", cell.upload]
        if cell.yields in ("latency", "requests"):
            # Until a proxy with a pool of backend connections has them all.
            command += ["--warmup-units", 3 * cell.connections]
        # Thousands of handshakes come first.
        limit = self.limit + cell.connections / 100
        return parse_words(_run(self._pin(self.environment.load_core, command), limit, "load"))

    def _wrk(self, cell, subject):
        scratch = self.environment.scratch
        report, settings = scratch / "wrk.lua", scratch / "wrk-openssl.cnf"
        report.write_text(WRK_REPORT)
        settings.write_text(WRK_OPENSSL.format(version=cell.version))
        scheme = "http" if subject.is_plain else "https"
        # Whole seconds are all that wrk knows; its handshakes are part of them.
        seconds = max(1, round(self.seconds)) + cell.connections // 200
        command = ["env", f"OPENSSL_CONF={settings}", "wrk", "--threads", 1,
                   "--connections", cell.connections, "--duration", seconds,
                   "--script", report, f"{scheme}://127.0.0.1:{subject.port}{cell.path}"]
        text = _run(self._pin(self.environment.load_core, command), self.limit, "wrk")
        return parse_words(text[text.index("requests="):])

    def pure_cipher(self, name, cipher, block):
        """Bytes per second of CPU of the cipher alone on the proxy's core: as openssl speed has
        it and, of what ferrule seals itself, as its record engine does with the library of
        openssl speed and with the one it takes."""
        # An AEAD's nonce, additional data and tag belong to each block, as to each record.
        aead = ["-aead"] if cipher in ENGINE_CIPHERS else []
        speed = ["openssl", "speed", "-mr", "-seconds", 1, "-bytes", block, *aead, "-evp", name]
        found = {"speed": parse_speed(self._alone(speed, "openssl speed"))}
        if aead:
            found["libcrypto"] = self._sealed(cipher, block, "--libcrypto")
            found["engine"] = self._sealed(cipher, block)
        return found

    def _sealed(self, cipher, block, *options):
        counts = parse_words(self._alone(
            [self.environment.programs / "records", "--cipher", cipher, "--block", block, *options],
            "records"))
        return counts["bytes"] / counts["cpu_ns"] * 1e9

    def _alone(self, command, what):
        return _run(self._pin(self.environment.proxy_core, command), self.limit, what)
