"""What is measured: ferrule in its modes, its peers, and the floors."""

import dataclasses
import shutil

from environment import BACKEND_PORT, PROXY_PORT


@dataclasses.dataclass(frozen=True)
class Subject:
    name: str
    title: str
    kind: str                  # ferrule, nginx, haproxy, hitch, stunnel, splice, direct, ceiling
    template: str = ""         # below peers/
    values: dict = dataclasses.field(default_factory=dict)
    descriptors: int = 1       # that it wants for one idle connection

    @property
    def is_plain(self):
        return self.kind in ("splice", "direct")

    @property
    def offload(self):
        return self.values.get("OFFLOAD", "off")

    @property
    def engages(self):
        """Where the records of its connections must have been, as `ferrule show offload` names
        it. libssl, which nginx leaves it to, takes whatever direction the kernel has."""
        if self.kind == "nginx" and self.offload == "tx":
            return ("tx", "both")
        return ({"off": "none"}.get(self.offload, self.offload),)

    @property
    def port(self):
        return BACKEND_PORT if self.kind == "direct" else PROXY_PORT

    def program(self, environment):
        if self.kind == "ferrule":
            return str(environment.ferrule)
        if self.kind in ("splice", "ceiling"):
            name = {"splice": "splice_relay"}.get(self.kind, self.kind)
            return str(environment.programs / name)
        return {"direct": "nginx"}.get(self.kind, self.kind)

    def is_installed(self, environment):
        return shutil.which(self.program(environment)) is not None

    def command(self, environment, configuration):
        arguments = {
            "ferrule": ["run", "-c", configuration],
            "nginx": ["-c", configuration, "-e", environment.scratch / f"{self.name}.log"],
            "haproxy": ["-db", "-f", configuration],
            "hitch": [f"--config={configuration}"],
            "stunnel": [configuration],
            "splice": [PROXY_PORT, BACKEND_PORT],
        }
        return [self.program(environment), *arguments[self.kind]]


def _ferrule(name, title, mode, offload):
    return Subject(name, title, "ferrule", "ferrule.conf", {"MODE": mode, "OFFLOAD": offload},
                   1 if mode == "http" else 2)


ALL = {subject.name: subject for subject in (
    _ferrule("ferrule", "user space", "http", "off"),
    _ferrule("ferrule-tx", "kernel tx", "http", "tx"),
    _ferrule("ferrule-both", "kernel both", "http", "both"),
    _ferrule("ferrule-tunnel", "tunnel, user space", "tunnel", "off"),
    _ferrule("ferrule-tunnel-tx", "tunnel, kernel tx", "tunnel", "tx"),
    _ferrule("ferrule-tunnel-both", "tunnel, kernel both", "tunnel", "both"),
    Subject("nginx", "nginx", "nginx", "nginx.conf", {"BUFFERS": "nginx"}),
    Subject("nginx-buffers", "nginx, 32 x 16 KiB buffers", "nginx", "nginx.conf",
            {"BUFFERS": "nginx-buffers"}),
    Subject("nginx-ktls", "nginx, kernel tx, 32 x 16 KiB buffers", "nginx", "nginx.conf",
            {"BUFFERS": "nginx-buffers", "OFFLOAD": "tx"}),
    Subject("haproxy-http", "HAProxy http, 16 KiB buffers", "haproxy", "haproxy-http.cfg",
            {"BUFFER": 16384}, descriptors=2),
    Subject("haproxy-http-64k", "HAProxy http, 64 KiB buffers", "haproxy", "haproxy-http.cfg",
            {"BUFFER": 65536}, descriptors=2),
    Subject("haproxy-tcp", "HAProxy tcp", "haproxy", "haproxy-tcp.cfg", descriptors=2),
    Subject("hitch", "hitch", "hitch", "hitch.conf", descriptors=2),
    Subject("stunnel", "stunnel", "stunnel", "stunnel.conf", descriptors=2),
    Subject("splice", "splice relay, no TLS", "splice", descriptors=2),
    Subject("direct", "the backend, no proxy", "direct"),
    Subject("ceiling", "libssl in memory", "ceiling"),
)}

PEERS = ("ferrule", "ferrule-tunnel", "ferrule-tx", "ferrule-both", "nginx", "nginx-buffers",
         "nginx-ktls", "haproxy-http", "haproxy-http-64k", "haproxy-tcp", "hitch", "stunnel",
         "splice", "direct")
MODES = ("ferrule", "ferrule-tx", "ferrule-both")
TUNNELS = ("ferrule-tunnel", "ferrule-tunnel-tx", "ferrule-tunnel-both")
