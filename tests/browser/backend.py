"""A backend behind ferrule: tells a browser the headers that it got, and echoes WebSockets."""

import base64
import hashlib
import http.server
import json
import struct
import sys
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10  # RFC 6455 11.8


class Backend(http.server.ThreadingHTTPServer):
    """Serves on a free port of 127.0.0.1 until the program ends."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requested = []  # the targets, in the order of their arrival
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # the other side may stop at any time
            super().handle_error(request, client_address)

    @property
    def address(self):
        return f"127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requested.append(self.path)
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.upgrade()
            self.echo()
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps(headers).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def upgrade(self):
        accept = hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + GUID).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept).decode())
        self.end_headers()
        self.close_connection = True

    def echo(self):
        """Every message comes back; "ping" is answered by a ping and, once the browser has
        answered that, by a message with what was in its pong."""
        while True:
            kind, payload = self.receive()
            if kind == TEXT and payload == b"ping":
                self.send(PING, b"alive")
            elif kind == PONG:
                self.send(TEXT, b"pong " + payload)
            else:
                self.send(kind, payload)
            if kind == CLOSE:
                return

    def receive(self):
        """One message: its frames' payloads, unmasked (RFC 6455 5.2)."""
        message, kind, final = b"", 0, False
        while not final:
            first, length = self.rfile.read(2)
            final, kind, length = first >> 7, kind or first & 15, length & 127
            if length > 125:
                form = ">H" if length == 126 else ">Q"
                length, = struct.unpack(form, self.rfile.read(struct.calcsize(form)))
            mask = self.rfile.read(4)
            key = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
            masked = int.from_bytes(self.rfile.read(length), "big")
            message += (masked ^ key).to_bytes(length, "big")
        return kind, message

    def send(self, kind, payload):
        head = bytes([0x80 | kind])
        if len(payload) > 0xffff:
            head += b"\x7f" + struct.pack(">Q", len(payload))
        elif len(payload) > 125:
            head += b"\x7e" + struct.pack(">H", len(payload))
        else:
            head += bytes([len(payload)])
        self.wfile.write(head + payload)
