"""What the shop's programs share: serving JSON, finding each other, and asking the store."""

import hmac
import json
import os
import random
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def endpoints(service):
    """The base URLs of a service's healthy replicas. Icefield keeps the file true, so it is read each time."""
    path = os.path.join(os.environ["ICEFIELD_ENDPOINTS"], service + ".json")
    with open(path, encoding="utf-8") as file:
        return ["http://%s:%d" % (e["address"], e["ports"]["http"]) for e in json.load(file)]


def call(service, path, body=None, password=None):
    """Asks one replica of a service, and the others in turn if it does not answer."""
    urls = endpoints(service)
    random.shuffle(urls)
    headers = {"Authorization": "Bearer " + password} if password else {}
    data = None if body is None else json.dumps(body).encode()
    error = OSError("no healthy replica of " + service)
    for url in urls:
        request = urllib.request.Request(url + path, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                return json.load(answer)
        except OSError as problem:
            error = problem
    raise error


def sql(statement, *values):
    """Has the store run a statement; the rows that it gives."""
    return call("store", "/sql", {"statement": statement, "values": values}, password=os.environ["STORE_PASSWORD"])


def serve(handle, password=None):
    """Serves `handle(method, path, body) -> (status, value)` on this replica's address and port, for ever; if there is a
    password, only for who shows it."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            shown = self.headers.get("Authorization", "")
            try:
                if self.path == "/health":
                    status, value = 200, "ok"
                elif password and not hmac.compare_digest(shown, "Bearer " + password):
                    status, value = 401, {"error": "that is not the password"}
                else:
                    status, value = handle(self.command, self.path, body)
            except OSError as problem:
                status, value = 502, {"error": str(problem)}
            html = isinstance(value, str) and value.startswith("<")
            data = value.encode() if html else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8" if html else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer

        def log_message(self, *arguments):
            if self.path != "/health":
                print(self.command, self.path, flush=True)

    address = (os.environ["ICEFIELD_ADDRESS"], int(os.environ["PORT_HTTP"]))
    ThreadingHTTPServer(address, Handler).serve_forever()
