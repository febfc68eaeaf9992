"""A headless Chromium driven over WebDriver (W3C), with nothing but the standard library."""

import base64
import http.client
import json
import os
import re
import subprocess

# Nothing here is needed on a machine without a network; it keeps the browser from trying.
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",  # which root may not have; the namespaces of run are around it
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--password-store=basic",
    "--hide-scrollbars",
    "--window-size=960,900",
]
# No page of its own at the start, and no connections for what might come next.
PREFERENCES = {
    "session": {"restore_on_startup": 4, "startup_urls": ["about:blank"]},
    "net": {"network_prediction_options": 2},
}


class WebDriverError(Exception):
    """What WebDriver answered instead of a result; `name` is its error code."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message.splitlines()[0] if message else ''}")
        self.name = name


class Browser:
    """One browser with a home of its own. Use it in a `with` statement: it ends there."""

    def __init__(self, home, log):
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0", f"--log-path={log}"],
            env={"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.session = None
        try:
            self.port = self._read_port()
            self.session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "acceptInsecureCerts": False,
                "timeouts": {"pageLoad": 20_000, "script": 20_000},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                "goog:chromeOptions": {
                    "binary": "/usr/bin/chromium",
                    "args": ARGUMENTS + [f"--user-data-dir={home}/profile"],
                    "prefs": PREFERENCES,
                },
            }}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            if self.session:
                self._command("DELETE", "")
        except (OSError, WebDriverError):
            pass  # it is ended below all the same
        self.driver.terminate()
        try:
            self.driver.wait(10)
        except subprocess.TimeoutExpired:
            self.driver.kill()
            self.driver.wait()
        self.driver.stdout.close()

    def _read_port(self):
        for line in self.driver.stdout:
            if match := re.search(r"started successfully on port (\d+)", line):
                return int(match[1])
        raise RuntimeError("chromedriver ended before it was ready")

    def _call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            value = json.load(connection.getresponse())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise WebDriverError(value["error"], value["message"])
        return value

    def _command(self, method, path, body=None):
        return self._call(method, f"/session/{self.session}{path}", body)

    def open(self, url):
        """Navigates, and returns when the page has loaded; an error page raises."""
        self._command("POST", "/url", {"url": url})

    def url(self):
        return self._command("GET", "/url")

    def title(self):
        return self._command("GET", "/title")

    def run(self, script, *arguments):
        """The value of a function body in the page, awaited when it is a promise."""
        return self._command("POST", "/execute/sync", {"script": script, "args": arguments})

    def text(self):
        return self.run("return document.body.innerText")

    def color_scheme(self, scheme):
        self._command("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]}})

    def screenshot(self, path):
        image = base64.b64decode(self._command("GET", "/screenshot"))
        with open(path, "wb") as out:
            out.write(image)
        return image

    def complaints(self):
        """What the browser's console has gathered since the last call: warnings and errors."""
        entries = self._command("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def network(self):
        """The network events (DevTools protocol) since the last call, as (method, params)."""
        entries = self._command("POST", "/se/log", {"type": "performance"})
        events = [json.loads(entry["message"])["message"] for entry in entries]
        return [(event["method"], event["params"]) for event in events]
