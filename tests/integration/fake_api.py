# SPDX-License-Identifier: MIT
"""A small stand-in for gatherd's HTTP API, for tests of the client alone.

It keeps batches in memory and decides their outcome by words in the URL: "fail" ends as http_status 503, "dns" as
dns_not_found, "invalid" is rejected at submission. Tests turn knobs on it: how long a batch takes, which
requests are cut without an answer, which token is wanted.
"""
import base64
import hashlib
import json
import os
import re
import socket
import socketserver
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

TITLES = {"invalid_batch": 422, "not_found": 404, "unauthorized": 401, "forbidden": 403, "conflict": 409,
          "bad_request": 400, "overloaded": 503, "unsupported_media_type": 415, "storage_full": 507, "internal": 500}


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


class Problem(Exception):
    def __init__(self, code, detail, **more):
        super().__init__(detail)
        self.document = {"type": "/problems/" + code, "title": code, "status": TITLES[code], "detail": detail,
                         "code": code, **more}


class Batch:
    def __init__(self, number, urls, options, duration):
        # Version 7 with a counter for its time, so that ids sort by age and tests can share a prefix.
        self.id = "01920000-%04x-7000-8000-%012x" % (number & 0xffff, number)
        self.urls, self.options, self.duration = urls, options, duration
        self.started, self.created_at = time.monotonic(), now()
        self.frozen, self.paused = None, False

    def done(self):
        if self.frozen is not None:
            return self.frozen
        if self.paused:
            return 0
        if self.duration == 0:
            return len(self.urls)
        share = (time.monotonic() - self.started) / self.duration
        return min(len(self.urls), int(share * len(self.urls)))

    def finished(self):
        return self.frozen is not None or self.done() == len(self.urls)

    def results(self):
        return [self.result(i) for i in range(self.done())]

    def result(self, i):
        url = self.urls[i]
        path = urllib.parse.urlsplit(url).path
        body = ("body of %s\n" % path).encode()
        if "control" in url:
            body = b"\x1b]0;owned\x07\x9b31m\ttab\r\n" + "\u00e9\u202e\u009b31m\n".encode()
        if "letters" in url:
            body = ("x" + 40000 * "\u00e9").encode()
        if "binary" in url:
            body = b"\x00\x01\x02" + body
        error, status, state = None, 200, "succeeded"
        if "fail" in url:
            error, status = {"code": "http_status", "message": "the server answered 503", "retryable": True}, 503
        elif "dns" in url:
            error, status, body = {"code": "dns_not_found", "message": "no such host", "retryable": False}, None, b""
        elif "steer" in url:
            error, status = {"code": "http_protocol", "message": "evil\x1b[31mred\x07", "retryable": False}, None
        state = "failed" if error else "succeeded"
        return {"seq": i + 1, "index": i, "id": None, "url": url, "final_url": url, "state": state, "status": status,
                "error": error, "attempts": 1, "redirects": [], "http_version": "1.1", "remote_ip": "192.0.2.1",
                "content_type": "text/plain", "size": len(body), "sha256": hashlib.sha256(body).hexdigest(),
                "complete": True, "timing_ms": {"queued": 12, "dns": 1, "connect": 3, "tls": 9, "first_byte": 40,
                                                "total": 55},
                "started_at": self.created_at, "finished_at": self.created_at, "metadata": {}, "_body": body}

    def document(self):
        results = self.results()
        failed = sum(r["state"] == "failed" for r in results)
        total, finished = len(self.urls), self.finished()
        cancelled = total - len(results) if self.frozen is not None else 0
        running = 0 if finished or self.paused else min(8, total - len(results))
        state = "finished" if finished else "paused" if self.paused else "running"
        return {"id": self.id, "name": self.options.get("name"), "state": state, "priority": 5,
                "concurrency": None, "fail_fast": False, "not_before": self.options.get("not_before"), "retry_of": None,
                "created_at": self.created_at, "started_at": self.created_at,
                "finished_at": now() if finished else None, "deadline_at": None, "cancel_requested_at": None,
                "counts": {"total": total, "queued": total - len(results) - running - cancelled, "running": running,
                           "succeeded": len(results) - failed, "failed": failed, "cancelled": cancelled,
                           "expired": 0},
                "bytes_received": sum(r["size"] for r in results), "metadata": {},
                "links": {"self": "/v1/batches/" + self.id, "results": "/v1/batches/%s/results" % self.id}}


class FakeApi:
    """The state behind the server, and the knobs of tests."""

    def __init__(self):
        self.batches = {}          # id -> Batch, oldest first
        self.keys = {}             # idempotency key -> batch id
        self.requests = []         # (method, target, headers, body)
        self.duration = 0.0        # seconds a batch takes
        self.token = None          # the one that is wanted
        self.cut_before = []       # patterns: the next request that matches is cut before it is acted on
        self.cut_after = []        # ... after it was acted on
        self.page_limit = 1000
        self.hosts = {}
        self.scope = 3             # of whoever asks: 1 read, 2 submit, 3 admin
        self.stats = {"version": "0.0-fake", "uptime_ms": 5000, "queue": {"queued": 1234, "in_flight": 5}}
        self.unready = []          # what /readyz finds wrong: (name, detail)
        self.broken = []           # targets that are answered 500
        self.clock_ahead = 0       # seconds, in the Date field

    def seen(self, method, pattern):
        return [r for r in self.requests if r[0] == method and re.search(pattern, r[1])]

    # ---- calls ----

    def submit(self, query, headers, body):
        key = headers.get("Idempotency-Key")
        if key and key in self.keys:
            return 202, self.batches[self.keys[key]].document()
        form = headers.get("Content-Type", "")
        options = dict(query)
        if form == "application/json":
            document = json.loads(body)
            if isinstance(document, list):
                document = {"urls": document}
            options.update(document)
            urls = document.get("urls") or [t["url"] for t in document["tasks"]]
            entries = [("pointer", "/urls/%d" % i, u) for i, u in enumerate(urls)]
        elif form == "application/x-ndjson":
            lines = [json.loads(line) for line in body.decode().splitlines() if line.strip()]
            entries = [("line", i + 1, t if isinstance(t, str) else t["url"]) for i, t in enumerate(lines)]
        elif form == "text/plain":
            entries = [("line", i + 1, line) for i, line in enumerate(body.decode().splitlines())
                       if line.strip() and not line.startswith("#")]
        else:
            raise Problem("unsupported_media_type", "send text/plain, not %r" % form)
        errors = [{where: at, "code": "invalid_url", "detail": "this URL is invalid"}
                  for where, at, url in entries if "invalid" in url]
        if errors and "partial" not in query:
            raise Problem("invalid_batch", "%d entries are invalid" % len(errors), errors=errors[:20],
                          errors_total=len(errors))
        urls = [url for _, _, url in entries if "invalid" not in url]
        batch = self.add(urls, options)
        if key:
            self.keys[key] = batch.id
        document = batch.document()
        if errors:
            document.update(rejected=errors[:20], rejected_total=len(errors))
        return 202, document

    def add(self, urls, options=None):
        batch = Batch(len(self.batches) + 1, urls, options or {}, self.duration)
        self.batches[batch.id] = batch
        return batch

    def find(self, batch_id):
        if batch_id not in self.batches:
            raise Problem("not_found", "there is no batch %s" % batch_id)
        return self.batches[batch_id]

    def listing(self, query):
        batches = [b.document() for b in reversed(self.batches.values())]
        if "state" in query:
            batches = [b for b in batches if b["state"] == query["state"]]
        if "name" in query:
            batches = [b for b in batches if b["name"] == query["name"]]
        return self.page("batches", batches, query, always=False)

    def page(self, member, rows, query, always=True):
        at = int(query["after"][1:]) if "after" in query else 0
        limit = min(int(query.get("limit", 100)), self.page_limit)
        part = rows[at:at + limit]
        more = at + limit < len(rows)
        return {member: part, "next": "c%d" % (at + len(part)) if more or always else None, "more": more}

    def wait(self, batch, query, ready):
        deadline = time.monotonic() + min(float(query.get("wait", 0)), 60)
        while not ready(batch) and time.monotonic() < deadline:
            time.sleep(0.02)

    def results(self, batch, query):
        at = int(query["after"][1:]) if "after" in query else 0

        def rows():
            wanted = query.get("state")
            return [r for r in batch.results() if not wanted or r["state"] == wanted]

        self.wait(batch, query, lambda b: b.finished() or len(rows()) > at)
        document = batch.document()
        page = self.page("results", rows(), query)
        include = query.get("include", "").split(",")
        for row in page["results"]:
            body = row.pop("_body")
            if "headers" in include:
                row["headers"] = [["Content-Type", "text/plain"], ["X-Fake", "1"]]
            if "body" in include and b"\0" in body:
                row["body_base64"] = base64.b64encode(body).decode()
            elif "body" in include:
                row["body"] = body.decode()
        page["batch"] = document
        return page

    def task(self, batch, index):
        if index >= len(batch.urls):
            raise Problem("not_found", "the batch has no task %d" % index)
        request = {"method": "GET", "url": batch.urls[index], "headers": [["X-Mine", "1"]], "body_size": 0,
                   "timeout_ms": 30000, "connect_timeout_ms": 10000, "max_body_bytes": 10 << 20, "max_redirects": 10,
                   "accept_status": "200-399", "retry": {"max_attempts": 3}, "verify_tls": True, "proxied": False}
        task = {"batch": batch.id, "index": index, "id": None, "host": "a.example", "waiting_for": None,
                "request": request, "metadata": {}, "attempts": []}
        if index < batch.done():
            result = batch.result(index)
            result.pop("_body")
            task.update(state=result["state"], result=result, attempts=[
                {"number": 1, "started_at": batch.created_at, "status": result["status"],
                 "error": result["error"], "timing_ms": {"total": 55}}])
        else:
            task.update(state="queued", result=None, waiting_for={"reason": "host_concurrency",
                                                                         "host": "a.example"})
        return task

    def act(self, batch, action, query):
        if action == "cancel" and not batch.finished():
            batch.frozen = batch.done()
        elif action in ("pause", "resume"):
            batch.paused = action == "pause"
        elif action == "retry":
            if not batch.finished():
                raise Problem("conflict", "the batch is still running")
            failed = [r["url"] for r in batch.results() if r["state"] == query.get("state", "failed")]
            return 202, self.add(failed).document()
        return 200, batch.document()

    def delete(self, batch, query):
        if not batch.finished() and "force" not in query:
            raise Problem("conflict", "the batch is not finished")
        del self.batches[batch.id]
        return 204, None

    def host(self, name, change=None):
        host = self.hosts.setdefault(name, {"host": name, "queued": 3, "in_flight": 1, "max_concurrency": 8,
                                            "delay_ms": 0, "rate_per_s": 0, "paused": False,
                                            "blocked_until": None})
        host.update(change or {})
        return host

    def call(self, method, target, headers, body):
        split = urllib.parse.urlsplit(target)
        query, path = dict(urllib.parse.parse_qsl(split.query)), split.path
        if path == "/livez":
            return 200, {"status": "ok"}
        if self.token and headers.get("Authorization") != "Bearer " + self.token:
            raise Problem("unauthorized", "a token is needed")
        if path == "/v1/batches":
            return self.submit(query, headers, body) if method == "POST" else (200, self.listing(query))
        if path == "/v1/stats":
            return 200, self.stats
        if path == "/readyz":
            checks = [{"name": "started", "ok": True, "detail": None}]
            checks += [{"name": name, "ok": False, "detail": detail} for name, detail in self.unready]
            if self.unready:
                raise Problem("overloaded", self.unready[0][1], checks=checks)
            return 200, {"status": "ok", "checks": checks}
        needed = 3 if method in ("DELETE", "PATCH") else 2 if method == "POST" else 1
        if self.scope < needed:
            raise Problem("forbidden", "this needs a token of another scope")
        if path == "/v1/hosts":
            return 200, self.page("hosts", list(self.hosts.values()), query)
        match = re.fullmatch(r"/v1/hosts/([^/]+)", path)
        if match:
            change = json.loads(body) if method == "PATCH" else None
            return 200, self.host(urllib.parse.unquote(match[1]), change)
        match = re.fullmatch(r"/v1/batches/([^/]+)(?:/(.+))?", path)
        if not match:
            raise Problem("not_found", "no such route")
        batch, rest = self.find(match[1]), match[2]
        return self.batch_call(method, batch, rest, query)

    def batch_call(self, method, batch, rest, query):
        if rest is None and method == "DELETE":
            return self.delete(batch, query)
        if rest is None:
            self.wait(batch, query, Batch.finished)
            return 200, batch.document()
        if rest == "results":
            return 200, self.results(batch, query)
        match = re.fullmatch(r"tasks/(\d+)(/body)?", rest)
        if match and match[2]:
            return 200, batch.result(int(match[1]))["_body"]
        if match:
            return 200, self.task(batch, int(match[1]))
        return self.act(batch, rest, query)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api = None

    def log_message(self, *args):
        pass

    def address_string(self):
        return "client"

    def date_time_string(self, timestamp=None):
        return super().date_time_string((timestamp or time.time()) + self.api.clock_ahead)

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while True:
                size = int(self.rfile.readline(), 16)
                piece = self.rfile.read(size + 2)[:size]
                if size == 0:
                    return data
                data += piece
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def cut(self, patterns):
        for pattern in patterns:
            if re.search(pattern, self.command + " " + self.path):
                patterns.remove(pattern)
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return True
        return False

    def handle_any(self):
        body = self.body()
        self.api.requests.append((self.command, self.path, dict(self.headers), body))
        if self.cut(self.api.cut_before):
            return
        kind = "application/json"
        try:
            if self.path in self.api.broken:
                raise Problem("internal", "the database cannot be read")
            status, answer = self.api.call(self.command, self.path, self.headers, body)
        except Problem as problem:
            status, answer, kind = problem.document["status"], problem.document, "application/problem+json"
        if self.cut(self.api.cut_after):
            return
        data = b"" if answer is None else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = handle_any


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # a client that leaves is part of the tests


class UnixServer(TcpServer):
    address_family = socket.AF_UNIX
    allow_reuse_address = False

    def get_request(self):
        request, _ = self.socket.accept()
        return request, ("unix", 0)


def serve(api, unix_path=None):
    """Starts a server for `api`; returns (server, its address as gather --server takes it)."""
    handler = type("BoundHandler", (Handler,), {"api": api})
    if unix_path:
        server = UnixServer(str(unix_path), handler)
        where = "unix:" + str(unix_path)
    else:
        server = TcpServer(("127.0.0.1", 0), handler)
        where = "http://127.0.0.1:%d" % server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server, where


if __name__ == "__main__":
    # By hand: a server that takes its time, to look at the client in a terminal.
    demo = FakeApi()
    demo.duration = float(os.environ.get("DURATION", "20"))
    _, address = serve(demo)
    print(address, flush=True)
    threading.Event().wait()
