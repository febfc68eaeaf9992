"""checks.py SCRATCH RESULTS: what a browser makes of ferrule. Started by run, see there."""

import json
import os
import pathlib
import re
import shutil
import signal
import sys
import time
import traceback

from backend import Backend
from ferrule import Ferrule
from identities import Identity, TrustStore, call
from webdriver import Browser, WebDriverError

POLICIES = pathlib.Path("/etc/chromium/policies/managed")

CONFIGURATION = """
state_directory = "{scratch}/state";
run_directory = "{scratch}/run";
user = "nobody";
group = "nogroup";
drain_timeout = 1;
servers = (
  {{ name = "demonstration";
    secure_address = [ "127.0.0.1" ]; secure_port = 0;
    http_server = true; http_address = [ "127.0.0.1" ]; http_port = 0;
    backend = "files:{scratch}/pages"; trustpoint = "SELF"; }},
  {{ name = "signed";
    secure_address = [ "127.0.0.1" ]; secure_port = 0;
    backend = "files:{scratch}/pages"; trustpoint = "SIGNED"; }},
  {{ name = "application";
    secure_address = [ "127.0.0.1" ]; secure_port = 0;
    backend = "{backend}"; mode = "http"; trustpoint = "SIGNED";
    timeout_policy: {{ header = {header}; }}; }},
  {{ name = "members";
    secure_address = [ "127.0.0.1" ]; secure_port = 0;
    backend = "{backend}"; mode = "http"; trustpoint = "SIGNED";
    client_auth = "required"; client_auth_trustpoint = "CLIENTS"; }},
  {{ name = "members-1.2"; tls_versions = [ "1.2" ];
    secure_address = [ "127.0.0.1" ]; secure_port = 0;
    backend = "{backend}"; mode = "http"; trustpoint = "SIGNED";
    client_auth = "required"; client_auth_trustpoint = "CLIENTS"; }}
);
trustpoints = (
  {{ name = "SELF"; enrollment: {{ method = "selfsigned"; }};
    subject_alt_name = [ "localhost", "127.0.0.1" ]; }},
  {{ name = "SIGNED"; enrollment: {{ method = "pem"; }};
    files: {{ certificate = "{signed.certificate}"; key = "{signed.key}"; }}; }},
  {{ name = "CLIENTS"; enrollment: {{ method = "pem"; }};
    files: {{ ca = "{clients.certificate}"; }}; }}
);
"""

# How long a request's head may take, in seconds. A WebSocket outlives it.
HEADER = 2

TALK = """
const [url, long, pause] = arguments;
return new Promise(resolve => {
    const messages = ["hello", long, "ping"], answers = [];
    const socket = new WebSocket(url);
    socket.onopen = () => socket.send(messages[0]);
    socket.onmessage = event => {
        answers.push(event.data);
        if (answers.length === 1) socket.send(messages[1]);
        else if (answers.length === 2) setTimeout(() => socket.send(messages[2]), pause);
        else socket.close(1000);
    };
    socket.onclose = event => resolve([answers, event.code]);
});
"""


def expect(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r} instead of {wanted!r}")


class Setting:
    """What the checks work with: a ferrule, and browsers that trust different things."""

    def __init__(self, scratch, results):
        self.scratch, self.results = scratch, results
        keys = scratch / "keys"
        keys.mkdir()
        self.authority = Identity(keys, "authority", "/CN=ferrule test CA", "authority")
        self.signed = Identity(keys, "signed", "/CN=localhost", "server", self.authority)
        self.clients = Identity(keys, "clients", "/CN=ferrule clients CA", "authority")
        self.alice = Identity(keys, "alice", "/O=ferrule/CN=alice", "client", self.clients)
        self.strangers = Identity(keys, "strangers", "/CN=somebody's CA", "authority")
        self.mallory = Identity(keys, "mallory", "/O=ferrule/CN=mallory", "client", self.strangers)
        shutil.copytree("share/demo", scratch / "pages")
        call("chmod", "-R", "a+rX", scratch / "pages")
        self.backend = Backend()
        configuration = scratch / "ferrule.conf"
        configuration.write_text(CONFIGURATION.format(
            scratch=scratch, backend=self.backend.address, header=HEADER, signed=self.signed,
            clients=self.clients))
        self.ferrule = Ferrule(os.environ["FERRULE"], configuration, results / "ferrule.log")
        self.selfsigned = scratch / "state/trustpoints/SELF/current/certificate.pem"

    def browser(self, name, prepare):
        """A browser with a new home; `prepare` gets its certificates."""
        home = self.scratch / name
        home.mkdir()
        store = TrustStore(home)
        if prepare:
            prepare(self, store)
        return Browser(str(home), self.results / f"chromedriver-{name}.log")

    def trust(self, store):
        store.trust(self.selfsigned, "P,,")
        store.trust(self.authority.certificate, "C,,")

    def trust_and_identify(self, store):
        self.trust(store)
        store.add(self.mallory)
        store.add(self.alice)
        # Any certificate that the server's list of authorities admits, without asking.
        choices = [{"pattern": self.ferrule.url(server, ""), "filter": {}}
                   for server in ("members", "members-1.2")]
        policy = {"AutoSelectCertificateForUrls": [json.dumps(choice) for choice in choices]}
        (POLICIES / "ferrule.json").write_text(json.dumps(policy))


def error_of(browser, url):
    """The name of the error on the browser's error page; None when the page loads."""
    try:
        browser.open(url)
    except WebDriverError:
        pass  # which it also says by the page that it shows
    error = re.search(r"\bERR_\w+", browser.text())
    return error and error[0]


def demonstration_loads(browser, url):
    """Without a word on the console, protected, and from nothing but this address."""
    browser.complaints()
    browser.network()
    browser.open(url)
    expect("address", browser.url(), url)
    expect("title", browser.title(), "ferrule")
    expect("heading", browser.text().splitlines()[0], "Your connection is protected.")
    expect("secure context", browser.run("return isSecureContext"), True)
    expect("console", browser.complaints(), [])
    loaded = {params["response"]["url"]: params["response"]["securityState"]
              for method, params in browser.network() if method == "Network.responseReceived"}
    loaded = {at: state for at, state in loaded.items() if not at.startswith("data:")}
    expect("resources", loaded, {url: "secure"})


# ---- the checks: by browser, in this order ---------------------------------------------------

def selfsigned_is_refused(setting, browser):
    """self-signed certificate: ERR_CERT_AUTHORITY_INVALID"""
    expect("error", error_of(browser, setting.ferrule.url("demonstration")),
           "ERR_CERT_AUTHORITY_INVALID")
    browser.screenshot(setting.results / "refused.png")


def unknown_authority_is_refused(setting, browser):
    """certificate of an unknown CA: ERR_CERT_AUTHORITY_INVALID"""
    expect("error", error_of(browser, setting.ferrule.url("signed")),
           "ERR_CERT_AUTHORITY_INVALID")


def selfsigned_is_trusted(setting, browser):
    """self-signed certificate, trusted: the page, and no warning"""
    demonstration_loads(browser, setting.ferrule.url("demonstration"))
    images = set()
    for scheme in ("light", "dark"):
        browser.color_scheme(scheme)
        image = browser.screenshot(setting.results / f"demonstration-{scheme}.png")
        expect("screenshot", image[:8], b"\x89PNG\r\n\x1a\n")
        images.add(image)
    expect("different screenshots in light and dark", len(images), 2)


def authority_is_trusted(setting, browser):
    """certificate of a CA, which is trusted: the page, and no warning"""
    demonstration_loads(browser, setting.ferrule.url("signed"))


def plain_is_redirected(setting, browser):
    """plain port: 308 to the same path by https"""
    path = "/index.html?a=b%20c&d"
    browser.network()
    browser.open(setting.ferrule.url("demonstration", path, "plain"))
    expect("address", browser.url(), setting.ferrule.url("demonstration", path))
    expect("title", browser.title(), "ferrule")
    redirects = [params["redirectResponse"]["status"] for _, params in browser.network()
                 if "redirectResponse" in params]
    expect("redirects", redirects, [308])


def websocket_is_alive(setting, browser):
    """WebSocket: messages and, after a pause, a ping"""
    browser.open(setting.ferrule.url("application"))
    expect("X-Forwarded-Proto", json.loads(browser.text()).get("x-forwarded-proto"), "https")
    url = setting.ferrule.url("application", "/echo").replace("https:", "wss:")
    long = "long " * 20_000
    answers, code = browser.run(TALK, url, long, 1000 * (HEADER + 1))
    expect("answers", [answer[:20] for answer in answers], ["hello", long[:20], "pong alive"])
    expect("long answer", answers[1] == long, True)
    expect("close code", code, 1000)


def without_certificate_is_refused(setting, browser):
    """client certificate required, none there: ERR_BAD_SSL_CLIENT_AUTH_CERT"""
    for server in ("members-1.2", "members"):
        # For the browser the handshake is over before the server's alert can be there (TLS 1.3, and
        # 1.2 with false start). If that comes in before the request is sent, Chromium 156 only says
        # that the socket is not connected, which happens to every second attempt on loopback.
        for _ in range(50):
            error = error_of(browser, setting.ferrule.url(server, "/none"))
            if error != "ERR_SOCKET_NOT_CONNECTED":
                break
        expect(f"error of {server}", error, "ERR_BAD_SSL_CLIENT_AUTH_CERT")
    expect("requests that reached the backend", setting.backend.requested.count("/none"), 0)


def certificate_is_chosen(setting, browser):
    """client certificate required: the one of the right CA is chosen of two"""
    for server in ("members-1.2", "members"):
        browser.open(setting.ferrule.url(server, "/chosen"))
        headers = json.loads(browser.text())
        expect("verify", headers.get("x-client-cert-verify"), "SUCCESS")
        expect("subject", headers.get("x-client-cert-subject"), "CN=alice,O=ferrule")
    expect("requests at the backend", setting.backend.requested.count("/chosen"), 2)


BROWSERS = [
    ("distrustful", None, [selfsigned_is_refused, unknown_authority_is_refused]),
    ("trusting", Setting.trust, [
        selfsigned_is_trusted, authority_is_trusted, plain_is_redirected, websocket_is_alive,
        without_certificate_is_refused]),
    ("identified", Setting.trust_and_identify, [certificate_is_chosen]),
]


# ---- running them ----------------------------------------------------------------------------

class Report:
    """One line for each check; those that were not reached have failed."""

    def __init__(self):
        self.due = [check for _, _, checks in BROWSERS for check in checks]
        self.ran = len(self.due)
        self.failed = 0

    def end(self, check, problem=None):
        self.due.remove(check)
        self.failed += problem is not None
        print(f"  {check.__doc__} ... {'FAILED: ' + problem if problem else 'passed'}", flush=True)

    def write(self):
        for check in list(self.due):
            self.end(check, "not reached")
        if path := os.environ.get("FERRULE_TEST_SUMMARY"):
            with open(path, "a") as summary:
                summary.write(f"browser {self.ran} {self.failed}\n")


def run_check(check, setting, browser, report):
    try:
        check(setting, browser)
    except AssertionError as error:
        report.end(check, str(error))
    except Exception as error:
        traceback.print_exc()
        report.end(check, str(error))
    else:
        report.end(check)
        return
    try:
        browser.screenshot(setting.results / f"failed-{check.__name__}.png")
    except (OSError, WebDriverError) as error:
        print(f"    no screenshot of it: {error}")


def run_all(setting, report):
    for name, prepare, checks in BROWSERS:
        with setting.browser(name, prepare) as browser:
            for check in checks:
                run_check(check, setting, browser, report)


def main(scratch, results):
    # Sent when the time is over: the check in progress ends, and the others are not reached.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("out of time"))
    scratch, results = pathlib.Path(scratch), pathlib.Path(results).resolve()
    started = time.monotonic()
    report = Report()
    try:
        setting = Setting(scratch, results)
        with setting.ferrule:
            run_all(setting, report)
    except Exception:
        traceback.print_exc()
    finally:
        report.write()
        log = results / "ferrule.log"
        if report.failed and log.exists():
            print(log.read_text()[-4000:])
        print(f"browser: {report.ran} checks, {report.failed} failed, "
              f"{time.monotonic() - started:.0f} s; see {results}", flush=True)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
