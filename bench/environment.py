"""The place a benchmark runs in: processes pinned to their core, spinners, scratch directory,
certificates, backend and proxies, inside a network namespace (or a guest) of its own, which is
why the ports can be fixed ones."""

import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BACKEND_PORT, PROXY_PORT = 8000, 8443
IDLE_BACKENDS = 128   # that ferrule may connect to in http mode while its clients are idle
START_SECONDS, STOP_SECONDS = 60, 5   # an emulated machine takes its time
SIZES = {"1k": 1 << 10, "16k": 16 << 10, "1m": 1 << 20, "10m": 10 << 20, "64m": 64 << 20}
SPARSE_SIZES = {"1g": 1 << 30}   # holes: they take no room in the scratch directory
SPARE_CONNECTIONS = 150          # that a proxy may have above those of its cell


class Failure(Exception):
    """Said to the user as it stands."""


def descriptor_limit():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


class Environment:
    """Everything is gone again when the `with` statement ends."""

    def __init__(self, peers, programs, ferrule, guest):
        self.peers = peers          # directory of the configuration templates
        self.programs = programs    # directory of load, ceiling and splice_relay
        self.ferrule = ferrule
        self.guest = guest          # a guest is a network of its own
        cores = sorted(os.sched_getaffinity(0))
        self.proxy_core, self.load_core = cores[0], cores[min(1, len(cores) - 1)]
        self.running = []
        self.scratch = None

    def __enter__(self):
        # The templates hold no directory that has to be created: workers that have dropped
        # their privileges read files here and write temporary ones.
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="ferrule-bench."))
        try:
            self._fill_scratch()
            self._set_up_network()
            self._start_spinners()
            self._start_backend()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            self._end(process)
        self.running = []
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _fill_scratch(self):
        self.scratch.chmod(0o755)
        for name, mode in (("files", 0o755), ("temp", 0o755),
                           ("ferrule-state", 0o700), ("ferrule-run", 0o700)):
            (self.scratch / name).mkdir(mode)
        for name, size in SIZES.items():
            (self.scratch / "files" / name).write_bytes(bytes(size))
        for name, size in SPARSE_SIZES.items():
            (self.scratch / "files" / name).touch()
            os.truncate(self.scratch / "files" / name, size)
        self._make_certificate("ecdsa", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        self._make_certificate("rsa", ["rsa:2048"])

    def _make_certificate(self, name, key):
        certificate, secret = self.certificate(name), self.key(name)
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "30",
             "-subj", "/CN=bench", "-addext", "subjectAltName=DNS:bench,IP:127.0.0.1",
             "-keyout", secret, "-out", certificate], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Failure(f"openssl cannot make a certificate: {made.stderr.strip()}")
        secret.chmod(0o600)
        bundle = self.scratch / f"{name}-bundle.pem"
        bundle.touch(0o600)
        bundle.write_bytes(certificate.read_bytes() + secret.read_bytes())

    def certificate(self, name):
        return self.scratch / f"{name}-certificate.pem"

    def key(self, name):
        return self.scratch / f"{name}-key.pem"

    def _set_up_network(self):
        """bbr, the default of some machines, paces loopback and so distorts it. The sysctl may
        not name cubic here unless the whole machine allows it; a route may, and holds for both
        ends of every connection."""
        if not self.guest:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        cubic = subprocess.run(
            "ip route replace local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1"
            " table local congctl cubic".split(), capture_output=True, text=True, check=False)
        if cubic.returncode != 0 and not self.guest:
            raise Failure(f"ip cannot set cubic for loopback: {cubic.stderr.strip()}")
        pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("10000 65535\n")

    def _start_spinners(self):
        """Keep the virtual processors from halting: waking one up costs more than a request.
        SCHED_IDLE gives way to everything else. A guest's time is its own."""
        if self.guest:
            return
        for core in {self.proxy_core, self.load_core}:
            self.start(f"spinner-{core}", core,
                       ["chrt", "--idle", "0", "sh", "-c", "while :; do :; done"])

    def _start_backend(self):
        configuration = self.render("backend.conf", "backend", {})
        self.backend = self.start("backend", self.load_core, [
            "nginx", "-c", configuration, "-e", self.scratch / "backend.log"])
        self.await_port("backend", self.backend, BACKEND_PORT)

    def render(self, template, name, values):
        """Fills in a template, returns the path of the result."""
        known = {
            "SCRATCH": self.scratch, "PEERS": self.peers, "PROXY": name,
            "PORT": PROXY_PORT, "BACKEND_PORT": BACKEND_PORT,
            # nginx closes idle connections as soon as a sixteenth of its slots is left.
            "DESCRIPTORS": descriptor_limit(), "SLOTS": 2 * descriptor_limit(), **values,
        }
        text = (self.peers / template).read_text()
        for key, value in known.items():
            text = text.replace(f"@{key}@", str(value))
        path = self.configuration(name)
        path.write_text(text)
        return path

    def configuration(self, name):
        return self.scratch / f"{name}.conf"

    def start(self, name, core, command):
        """In the background, its output in the scratch directory. Whatever becomes of this
        program, the kernel ends the process with it."""
        with open(self.scratch / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", str(core),
                 *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.running.append(process)
        return process

    def stop(self, process):
        self.running.remove(process)
        self._end(process)

    def _end(self, process):
        """Politely, then not, until all of its session has gone: a worker that outlives its
        master would take connections meant for the next proxy."""
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        for sent in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + STOP_SECONDS
            while self._signal_group(process, 0) and time.monotonic() < end:
                self._signal_group(process, sent)
                process.poll()
                time.sleep(0.01)
        process.wait()

    @staticmethod
    def _signal_group(process, number):
        """False: there is none of them any more."""
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def await_port(self, name, process, port):
        """Until the port answers; a failure shows the end of the log."""
        end = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        log = (self.scratch / f"{name}.log").read_text(errors="replace").splitlines()
        raise Failure("\n".join([f"{name} does not start:", *log[-5:]]))

    def start_proxy(self, subject, cell):
        """A fresh one; the backend itself where there is no proxy."""
        if subject.kind == "direct":
            return self.backend
        configuration = None
        if subject.template:
            configuration = self.render(subject.template, subject.name,
                                        self._settings(subject, cell))
        process = self.start(subject.name, self.proxy_core, subject.command(self, configuration))
        try:
            self.await_port(subject.name, process, PROXY_PORT)
        except Failure:
            self.stop(process)
            raise
        return process

    def stop_proxy(self, process):
        if process is not self.backend:
            self.stop(process)

    @staticmethod
    def _pool(cell):
        """Idle connections to the backend that are kept: one for each client where there are more
        than the default of 128, or proxies with a pool would measure how they refill it."""
        return max(128, cell.connections if cell.yields != "idle" else 0)

    def _settings(self, subject, cell):
        backend = f"127.0.0.1:{BACKEND_PORT}"
        if cell.backend == "files":
            backend = f"files:{self.scratch}/files"
        values = dict(subject.values)
        values |= {"POOL": self._pool(cell), "POOL_KEYS": ""}
        if values.get("MODE") == "http":
            values["POOL_KEYS"] = f"backend_connections = {values['POOL']};"
            if cell.yields == "idle" and cell.backend == "tcp":
                values["POOL_KEYS"] += f"\n\t\tbackend_max_connections = {IDLE_BACKENDS};"
        if cell.yields != "bodies":
            values["BUFFERS"] = "nginx"   # they are for bodies
        return {
            "CONTENT": {"files": "files"}.get(cell.backend, "proxy"),
            "CERTIFICATE": self.certificate(cell.key), "KEY": self.key(cell.key),
            "BUNDLE": self.scratch / f"{cell.key}-bundle.pem", "BACKEND": backend,
            "SUITES": f'"{cell.suite}"' if cell.suite else "",
            "CONNECTIONS": max(4000, cell.connections + SPARE_CONNECTIONS), **values,
        }
