#!/usr/bin/env python3
import http.server
import os
import sys

STATUS, TEXT = 200, b"hello from web\n"


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(STATUS)
        self.end_headers()
        self.wfile.write(TEXT)

    def log_message(self, *_):
        pass


http.server.HTTPServer((os.environ["ICEFIELD_ADDRESS"], int(sys.argv[1])), Answer).serve_forever()
