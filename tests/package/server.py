# SPDX-License-Identifier: MIT
"""An origin server at 10.9.9.9:8000 for the trial of the packages: /page, and /slow, which takes two seconds. Requests
are noted in FOLDER/log."""
import http.server
import pathlib
import sys
import time

FOLDER = pathlib.Path(sys.argv[1])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(FOLDER / "log", "a", encoding="ascii") as log:
            print(self.path, file=log)
        if self.path == "/slow":
            time.sleep(2)
        body = (FOLDER / "page").read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("10.9.9.9", 8000), Handler).serve_forever()
