# SPDX-License-Identifier: MIT
"""Faulty answers: each play is one way in which a server misbehaves. Here connections, time, status lines, header
fields; bodies are in faults_framing.py, redirects in faults_redirects.py.

Fixed bytes stand in tables: path name -> (bytes, what happens next). What needs a coroutine follows. A server that
could go on after its fault does (KEEP), so that it would notice a client that goes on, too.
"""
import asyncio

from exchange import IDLE_LIMIT_S
from plays import play, PLAYS

OK = b"HTTP/1.1 200 OK\r\n"
CLOSE, KEEP = "close", "keep"


def with_body(*lines, body=b"hi\n", length=True, status=b"HTTP/1.1 200 OK"):
    """An answer of `status`, header `lines`, a Content-Length unless told otherwise, and `body`."""
    head = [status, *lines]
    if length:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunks(*pieces):
    return with_body(b"Transfer-Encoding: chunked", length=False, body=b"".join(pieces))


# A second answer behind the first, for whoever would take it for the answer to another request.
POISON = with_body(body=b"poison\n")


def fixed_plays(table):
    """Registers a play for each entry, path name -> (bytes, what happens next)."""
    async def fixed(x):
        data, then = table[x.request.name]
        if then == KEEP:
            x.answered()
            await x.raw(data)
        else:
            await x.last(data)
    for name in table:
        PLAYS[name] = fixed


fixed_plays({
    "fixed-ok": (with_body(), KEEP),
    # connection
    "empty": (b"", CLOSE),
    # status line
    "continue-then-ok": (b"HTTP/1.1 100 Continue\r\n\r\n" + with_body(), KEEP),
    "continue-with-length": (b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" + with_body(), KEEP),
    "early-hints-then-ok": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + with_body(), KEEP),
    "early-hints-fifty": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 50 + with_body(), KEEP),
    "interim-unknown": (b"HTTP/1.1 199 Whatever\r\n\r\n" + with_body(), KEEP),
    "switches-protocols": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
                           + POISON, KEEP),
    "status-000": (with_body(status=b"HTTP/1.1 000 Zero"), KEEP),
    "status-999": (with_body(status=b"HTTP/1.1 999 Odd"), KEEP),
    "status-negative": (with_body(status=b"HTTP/1.1 -20 Odd"), KEEP),
    "status-letters": (with_body(status=b"HTTP/1.1 abc Odd"), KEEP),
    "status-two-digits": (with_body(status=b"HTTP/1.1 20 Odd"), KEEP),
    "status-four-digits": (with_body(status=b"HTTP/1.1 2000 Odd"), KEEP),
    "status-no-reason": (with_body(status=b"HTTP/1.1 200"), KEEP),
    "status-empty-reason": (with_body(status=b"HTTP/1.1 200 "), KEEP),
    "status-latin1-reason": (with_body(status=b"HTTP/1.1 200 Tr\xe8s bien"), KEEP),
    "status-two-spaces": (with_body(status=b"HTTP/1.1  200 OK"), KEEP),
    "status-tab": (with_body(status=b"HTTP/1.1\t200 OK"), KEEP),
    "status-lower-case": (with_body(status=b"http/1.1 200 OK"), KEEP),
    "status-blank-line-first": (b"\r\n" + with_body(), KEEP),
    "status-leading-space": (b" " + with_body(), KEEP),
    "shoutcast": (b"ICY 200 OK\r\nicy-name: radio\r\n\r\nmusic", KEEP),
    "http09": (b"<html><body>nothing before me</body></html>\n", CLOSE),
    "garbage": (bytes(range(128, 256)) * 4, KEEP),
    "says-ssh": (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", KEEP),
    "says-smtp": (b"220 mail.example.com ESMTP Postfix\r\n", KEEP),
    "says-rtsp": (b"RTSP/1.0 400 Bad Request\r\n\r\n", KEEP),
    "http2-frames": (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
                     b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x0f\x00\x01", KEEP),
    "http10": (b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end\n", CLOSE),
    "http10-kept": (with_body(b"Connection: keep-alive", status=b"HTTP/1.0 200 OK"), KEEP),
    "http19": (with_body(status=b"HTTP/1.9 200 OK"), KEEP),
    "http2-in-words": (with_body(status=b"HTTP/2 200 OK"), KEEP),
    "http3": (with_body(status=b"HTTP/3 200 OK"), KEEP),
    "eof-in-status": (b"HTTP/1.1 20", CLOSE),
    "eof-in-headers": (b"HTTP/1.1 200 OK\r\nContent-Type: text/pl", CLOSE),
    "eof-after-headers-line": (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n", CLOSE),
    "eof-after-interim": (b"HTTP/1.1 103 Early Hints\r\n\r\n", CLOSE),
    # answers without a body, and with one all the same
    "no-content-with-body": (with_body(status=b"HTTP/1.1 204 No Content") + POISON, KEEP),
    "no-content-chunked": (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + POISON, KEEP),
    "not-modified-with-body": (with_body(status=b"HTTP/1.1 304 Not Modified") + POISON, KEEP),
    "not-modified-with-length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n", KEEP),
    "reset-content-with-body": (with_body(status=b"HTTP/1.1 205 Reset Content"), KEEP),
    "head-with-body": (with_body() + POISON, KEEP),
    "head-chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", KEEP),
    "head-without-length": (b"HTTP/1.1 200 OK\r\n\r\n", KEEP),
    "partial-unasked": (with_body(b"Content-Range: bytes 0-2/100", status=b"HTTP/1.1 206 Partial Content"), KEEP),
    # header fields
    "bare-lf": (b"HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 3\n\nhi\n", KEEP),
    "header-no-colon": (with_body(b"this line has none"), KEEP),
    "header-empty-name": (with_body(b": value"), KEEP),
    "header-empty-value": (with_body(b"X-Empty:"), KEEP),
    "header-space-in-name": (with_body(b"X Y: z"), KEEP),
    "header-space-before-colon": (with_body(b"X-Odd : z"), KEEP),
    "header-first-begins-with-space": (with_body(b" X-First: z"), KEEP),
    "header-folded": (with_body(b"X-Long: one", b"  two", b"\tthree"), KEEP),
    "header-tabs": (with_body(b"X-Tabs:\ta\tb\t"), KEEP),
    "header-bare-cr": (with_body(b"X-Cr: a\rX-Smuggled: b"), KEEP),
    "header-nul": (with_body(b"X-Nul: a\x00b"), KEEP),
    "header-controls": (with_body(b"X-Bell: \x07\x1b[31m"), KEEP),
    "header-latin1": (with_body(b"X-Latin: caf\xe9 \xff", b"X-Plain: yes"), KEEP),
    "header-of-64k": (with_body(b"X-Long: " + b"a" * 65_000), KEEP),
    "huge-header": (with_body(b"X-Huge: " + b"a" * 2_000_000), KEEP),
    "many-headers": (with_body(*[b"X-H%d: " % i + b"b" * 4000 for i in range(100)]), KEEP),
    "many-cookies": (with_body(*[b"Set-Cookie: c%d=" % i + b"v" * 100 for i in range(3000)]), KEEP),
    "many-small-headers": (with_body(*[b"X:"] * 1001), KEEP),
    "refresh": (with_body(b"Refresh: 0; url=/status/404"), KEEP),
})


@play("reset")
async def reset(x):
    x.reset()


@play("reset-in-body")
async def reset_in_body(x):
    await x.raw(OK + b"Content-Length: 1000\r\n\r\nabc")
    await asyncio.sleep(0.05)
    x.reset()


@play("never")
async def never(x):
    await x.until_client_leaves()


@play("stall-status")
async def stall_status(x):
    await x.raw(b"HTTP/1.1 20")
    await x.until_client_leaves()


@play("stall-headers")
async def stall_headers(x):
    await x.raw(OK + b"Content-Type: text/plain\r\nX-Half: o")
    await x.until_client_leaves()


@play("stall-body")
async def stall_body(x):
    await x.raw(OK + b"Content-Length: 1000\r\n\r\nabc")
    await x.until_client_leaves()


@play("drip-header")
async def drip_header(x):
    await x.raw(OK)
    for i in range(3000):
        await x.raw(b"X-Drip-%d: d\r\n" % i)
        await asyncio.sleep(0.2)


@play("drip-body")
async def drip_body(x):
    await x.raw(OK + b"Content-Length: 3000\r\n\r\n")
    for _ in range(3000):
        await x.raw(b".")
        await asyncio.sleep(0.2)


@play("steady-body")
async def steady_body(x):
    """20 kB a second, for a long time: slow, but no stall."""
    await x.raw(OK + b"Content-Length: 2000000\r\n\r\n")
    for _ in range(2000):
        await x.raw(b"s" * 1000)
        await asyncio.sleep(0.05)


@play("endless-body")
async def endless_body(x):
    await x.raw(OK + b"\r\n")
    await x.endless(b"e" * 65536)


@play("endless-headers")
async def endless_headers(x):
    await x.raw(OK)
    await x.endless(b"X-Endless: " + b"h" * 1000 + b"\r\n")


@play("endless-status")
async def endless_status(x):
    await x.raw(b"HTTP/1.1 200 ")
    await x.endless(b"s" * 4096)


@play("endless-hints")
async def endless_hints(x):
    await x.endless(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")


@play("cl-over")
async def cl_over(x):
    """Announces /cl-over/N bytes and sends for as long as anyone reads."""
    await x.raw(OK + b"Content-Length: %d\r\n\r\n" % int(x.request.args[0]))
    await x.endless(b"o" * 65536)


@play("split-surplus")
async def split_surplus(x):
    """A second answer behind the body, apart from the first one's head."""
    x.answered()
    await x.raw(OK + b"Content-Length: 3\r\n\r\n")
    await asyncio.sleep(0.02)
    await x.raw(b"hi\n" + POISON)


@play("abrupt-body")
async def abrupt_body(x):
    """A body to the end of the connection; with ?abrupt=1 over TLS its end is not announced."""
    await x.last(OK + b"\r\nis this all?\n")


async def next_request_begins(x):
    """Waits for the first byte of the next request on this connection; it is not read as one."""
    x.keep_alive = False
    await asyncio.wait_for(x.reader.read(1), IDLE_LIMIT_S)


@play("hang-up-on-reuse")
async def hang_up_on_reuse(x):
    """/hang-up-on-reuse/fin|rst|408: answers, keeps the connection, and ends it when the next request has come."""
    await x.reply(200, "again?\n")
    await next_request_begins(x)
    if x.request.args[0] == "rst":
        x.reset()
    elif x.request.args[0] == "408":
        await x.raw(with_body(b"Connection: close", status=b"HTTP/1.1 408 Request Timeout"))


@play("status-once")
async def status_once(x):
    """/status-once/N: status N at the first request for a host, then 200."""
    if x.server.count(x.request.host + x.request.target) > 1:
        await x.reply(200, "now\n")
    else:
        await x.reply(int(x.request.args[0]), "not yet\n")
