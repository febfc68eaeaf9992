"""ferrule as a process of its own, on ports that it chooses."""

import re
import subprocess
import threading

LISTENING = re.compile(r"listening on [^ ]*:(\d+) \((secure|plain), server ([^)]*)\)")


class Ferrule:
    """Runs with a configuration file until the `with` statement ends."""

    def __init__(self, program, configuration, log):
        self.ports = {}  # by (server's name, "secure" or "plain")
        self.ended = False
        self.ready = threading.Event()
        self.process = subprocess.Popen([program, "run", "-c", configuration],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, args=(log,), daemon=True)
        self.reader.start()
        self.ready.wait(30)
        if self.ended or not self.ready.is_set():
            self.close()
            raise RuntimeError(f"ferrule did not start; see {log}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(10)  # a worker left behind would keep the pipe open

    def url(self, server, path="/", kind="secure"):
        scheme = "https" if kind == "secure" else "http"
        return f"{scheme}://localhost:{self.ports[server, kind]}{path}"

    def _read(self, path):
        with open(path, "w", buffering=1) as log:
            for line in self.process.stderr:
                log.write(line)
                if match := LISTENING.search(line):
                    self.ports[match[3], match[2]] = int(match[1])
                if line == "ready\n":
                    self.ready.set()
        self.ended = True
        self.ready.set()
