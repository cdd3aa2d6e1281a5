"""A provider of SMS that honours the key: `python -m tests.faults.provider SEED TROUBLE`, until its input ends.

It takes a message once however often it is asked, like providers with an idempotency key do. Of its calls a share goes wrong:
refused before it was taken, or taken and the line cut before the answer. `GET /` tells what it sent and what it was asked.
"""

import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


class Provider(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, seed: int, trouble: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.rng = random.Random(f"provider {seed}")
        self.trouble = trouble
        self.sent: list[dict[str, Any]] = []
        self.known: dict[str, str] = {}
        self.asked = self.refused = self.cut = self.again = 0


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Idempotency-Key"]
        provider = self.server
        with provider.lock:
            provider.asked += 1
            chance, pause = provider.rng.random(), provider.rng.uniform(0.005, 0.06)
        time.sleep(pause)
        if chance < provider.trouble / 2:
            with provider.lock:
                provider.refused += 1
            self._answer(503, {"error": "busy"})
            return
        with provider.lock:
            if key in provider.known:
                provider.again += 1
            else:
                provider.known[key] = f"sms-{len(provider.known) + 1}"
                provider.sent.append({"key": key, "phone": body["to"], "text": body["text"]})
            number = provider.known[key]
        if chance < provider.trouble:
            with provider.lock:
                provider.cut += 1
            self.close_connection = True
            return
        self._answer(200, {"id": number})

    def do_GET(self) -> None:
        provider = self.server
        with provider.lock:
            found = {name: getattr(provider, name) for name in ("asked", "refused", "cut", "again", "sent")}
        self._answer(200, found)

    def _answer(self, status: int, content: Any) -> None:
        body = orjson.dumps(content)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def main() -> None:
    provider = Provider(int(sys.argv[1]), float(sys.argv[2]))
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    print(provider.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
