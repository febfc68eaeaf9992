"""What is done to a subject: the matrix of each subcommand."""

import dataclasses

import subjects
from environment import SPARE_CONNECTIONS, descriptor_limit

# What a proxy has open besides its connections: ferrule's own are the most.
FIXED_DESCRIPTORS = 830

# Suite by TLS version, the cipher's short name, OpenSSL's name of the suite, and what
# `openssl speed` and `ferrule probe` call the cipher.
SUITES = (
    ("1.3", "AES-128-GCM", "TLS_AES_128_GCM_SHA256", "aes-128-gcm"),
    ("1.3", "AES-256-GCM", "TLS_AES_256_GCM_SHA384", "aes-256-gcm"),
    ("1.3", "CHACHA20-POLY1305", "TLS_CHACHA20_POLY1305_SHA256", "chacha20-poly1305"),
    ("1.2", "AES-128-GCM", "ECDHE-ECDSA-AES128-GCM-SHA256", "aes-128-gcm"),
    ("1.2", "AES-256-GCM", "ECDHE-ECDSA-AES256-GCM-SHA384", "aes-256-gcm"),
    ("1.2", "CHACHA20-POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305", "chacha20-poly1305"),
    ("1.2", "AES-128-CBC-SHA256", "ECDHE-ECDSA-AES128-SHA256", "aes-128-cbc"),
    ("1.2", "AES-256-CBC-SHA384", "ECDHE-ECDSA-AES256-SHA384", "aes-256-cbc"),
)

# The figures that a kind of work yields, the first of them the one that is compared.
FIGURES = {
    "bodies": {"cpu": "s/GiB", "cpu_user": "s/GiB", "cpu_system": "s/GiB",
               "throughput": "MiB/s", "busy": "%"},
    "requests": {"cpu": "us/request", "busy": "%"},
    "latency": {"cpu": "us/request", "busy": "%", "rate": "requests/s",
                "p50": "us", "p99": "us", "p99.9": "us"},
    "handshakes": {"cpu": "us/handshake", "rate": "handshakes/s",
                   "cpu_rate": "handshakes/CPU-s", "busy": "%"},
    "idle": {"rss": "KiB/connection", "kernel": "KiB/connection"},
}


@dataclasses.dataclass(frozen=True)
class Cell:
    name: str
    group: str                 # of cells that one plot shows
    work: str                  # of bench/load
    yields: str                # a key of FIGURES
    words: tuple = ()          # that --only selects by
    path: str = "/1k"
    connections: int = 16
    upload: int = 0
    version: str = "1.3"
    suite: str = ""            # empty: AES-128-GCM
    cipher: str = "AES-128-GCM"
    key: str = "ecdsa"
    backend: str = "tcp"
    series: str = ""           # of cells whose costs are compared as work grows, with the first

    @property
    def figures(self):
        return FIGURES[self.yields]

    @property
    def primary(self):
        return next(iter(self.figures))

    def excludes(self, subject):
        """Why this cell has no such subject; empty when it has. Some combinations are silently
        not there (None): nothing is missing when they are not measured."""
        if subject.kind == "ceiling" and self.yields != "handshakes":
            return None
        if subject.is_plain and (self.yields == "handshakes" or self.backend == "files"):
            return None
        if subject.kind == "direct" and self.name == "idle":
            return None   # the backend is no fresh process, whose memory peers compares
        if subject.name == "nginx-buffers" and self.yields != "bodies":
            return None
        if subject.name == "haproxy-http-64k" and self.yields == "handshakes":
            return None
        if subject.kind not in ("ferrule", "nginx") and self.backend == "files":
            return None
        if subject.name == "nginx" and self.path.endswith("/1g"):
            return "would spool bodies of this size to the disk"
        needs = subject.descriptors * (self.connections + SPARE_CONNECTIONS) + FIXED_DESCRIPTORS
        if self.yields == "idle" and needs > descriptor_limit():
            return f"takes {needs} of {descriptor_limit()} descriptors"
        return ""


def ciphers(quick):
    sizes = ("16k", "1m") if quick else ("1k", "16k", "1m", "64m")
    suites = [suite for suite in SUITES if not quick or suite[1] != "AES-256-CBC-SHA384"]
    return [
        Cell(f"{version} {cipher} {size} {backend}", f"{size} {backend}", "responses", "bodies",
             (version, cipher, size, backend), f"/{size}",
             64 if size in ("1k", "16k") else 4 if size == "64m" else 16, 0, version, suite,
             cipher, backend=backend)
        for size in sizes for backend in ("files", "tcp") for version, cipher, suite, _ in suites
    ]


def handshakes(quick):
    del quick
    return [
        Cell(f"{kind} {version} {key}", "handshakes",
             {"full": "handshakes", "resumed": "resumptions"}[kind], "handshakes",
             (kind, version, key), version=version, key=key)
        for kind in ("full", "resumed") for version in ("1.3", "1.2") for key in ("ecdsa", "rsa")
    ]


def requests(quick):
    """1 KiB on ever more connections, and ever larger bodies on four. wrk's handshakes are within
    its own time, so that it is no use for thousands of connections."""
    longest = 64 if quick else 1000
    most = min(8000, descriptor_limit() // 2 - 2000)   # two descriptors of the proxy for each
    counts = (64, 1000) if quick else (1, 64, 1000, most)
    return [
        Cell(f"1k x{count}", "requests", "responses",
             "latency" if count <= longest else "requests", (f"x{count}",), connections=count,
             series="connections" if count >= 64 else "") for count in counts
    ] + [
        Cell(f"{size} x4", "bodies", "responses", "bodies", (size,), f"/growing/{size}", 4,
             series="size") for size in (("1m", "64m") if quick else ("1m", "10m", "64m", "1g"))
    ]


def connections(quick):
    # As many as fit with one descriptor for each, and with two.
    most = descriptor_limit() - 1000
    counts = (1000,) if quick else sorted({1000, 4000, most // 2 - 200, most})
    return [Cell(f"idle x{count}", "idle", "idle", "idle", (f"x{count}",), connections=count)
            for count in counts]


def peers(quick):
    made = [
        Cell("requests", "requests", "responses", "requests", connections=64),
        Cell("responses-1m", "bodies", "responses", "bodies", path="/1m"),
        Cell("responses-10m", "bodies", "responses", "bodies", path="/10m"),
        Cell("uploads-10m", "bodies", "uploads", "bodies", path="/upload", upload=10 << 20),
        Cell("full-1.3", "handshakes", "handshakes", "handshakes", ("handshakes",)),
        Cell("full-1.2", "handshakes", "handshakes", "handshakes", ("handshakes",),
             version="1.2"),
        Cell("resumed-1.3", "handshakes", "resumptions", "handshakes", ("handshakes",)),
        Cell("resumed-1.2", "handshakes", "resumptions", "handshakes", ("handshakes",),
             version="1.2"),
        Cell("idle", "idle", "idle", "idle", connections=1000),
    ]
    return [cell for cell in made if not quick or cell.version == "1.3"]


@dataclasses.dataclass(frozen=True)
class Matrix:
    cells: callable            # (quick) -> list of Cell
    subjects: tuple            # by default
    summary: str
    baseline: str              # "ferrule/": its cost over the others'; "/ferrule": theirs over its


MATRICES = {
    "ciphers": Matrix(ciphers, subjects.MODES, "cipher suites, ranked", "/ferrule"),
    "handshakes": Matrix(handshakes, ("ferrule", "ceiling"), "full and resumed handshakes",
                         "ferrule/"),
    "requests": Matrix(requests, ("ferrule", "ferrule-tunnel", "ferrule-tx", "ferrule-both",
                                  "splice", "direct"), "kept connections, latency, and cost as work grows",
                       "ferrule/"),
    "connections": Matrix(connections, subjects.MODES + subjects.TUNNELS + ("direct",),
                          "memory of idle connections", "/ferrule"),
    "peers": Matrix(peers, subjects.PEERS, "all of it beside other proxies", "ferrule/"),
}


def select(cells, only):
    """Those that every list of `only` names by one of its words."""
    for words in only:
        cells = [cell for cell in cells
                 if any(word in (cell.name, cell.group) or word in cell.words for word in words)]
    return cells
