# SPDX-License-Identifier: MIT
"""What the scripted origin server sends for a URL, so that a result can be compared with it."""
import hashlib
from urllib.parse import urlsplit

import campaign  # noqa: F401 (finds the origin's modules)
import plays

STEADY = ("/ok", "/ok", "/ok", "/size/0", "/size/700", "/size/30000", "/size/400000", "/chunked/3000", "/gzip", "/zstd",
          "/delay/20", "/delay/150", "/status/404", "/redirect/1")
PATHS = (*STEADY, "/status/500", "/reset", "/flaky/1/{key}")  # the others are tried again
LARGE_BODY = "/size/5000000"  # which the store takes in pieces
QUICK_RETRY = {"max_attempts": 3, "min_backoff_ms": 20, "max_backoff_ms": 60}


def _body(parts, where):
    """The body of an answer that is always the same, else None."""
    kind = parts[1]
    if kind == "ok":
        return f"hello from {where.hostname}{where.path}{'?' + where.query if where.query else ''}\n".encode()
    if kind in ("size", "chunked"):
        return plays.pattern(int(parts[2]))
    if kind in plays.CODINGS:
        return plays.TEXT
    if kind == "delay":
        return f"after {parts[2]} ms\n".encode()
    if kind == "status":
        return f"status {parts[2]}\n".encode()
    if kind == "redirect":
        return f"hello from {where.hostname}/ok\n".encode()
    return None


def check(result, method, url):
    """`result` of a task that was not halted is what the origin server sent for `url`."""
    where = urlsplit(url)
    parts = where.path.split("/")
    error = result["error"] and result["error"]["code"]
    if method == "POST" and error == "interrupted":
        return  # it was on its way when the daemon was killed
    if parts[1] == "reset":
        assert (result["state"], error) == ("failed", "connection_reset"), result
        return
    if parts[1] == "status":
        assert (result["state"], error, result["status"]) == ("failed", "http_status", int(parts[2])), result
    else:
        assert (result["state"], error, result["status"]) == ("succeeded", None, 200), result
    body = _body(parts, where)
    if body is not None:
        assert result["complete"] and result["size"] == len(body), result
        assert result["sha256"] == hashlib.sha256(body).hexdigest(), result
