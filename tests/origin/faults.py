# SPDX-License-Identifier: MIT
"""Faulty answers: each play is one way in which a server misbehaves.

Fixed bytes are one table, FIXED: path name -> (bytes, what happens next). What needs a coroutine follows.
"""
import asyncio
import gzip

from plays import play, PLAYS, TEXT

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


FIXED = {
    # connection
    "empty": (b"", CLOSE),
    # status line
    "continue-then-ok": (b"HTTP/1.1 100 Continue\r\n\r\n" + with_body(), KEEP),
    "early-hints-then-ok": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + with_body(), KEEP),
    "status-000": (with_body(status=b"HTTP/1.1 000 Zero"), CLOSE),
    "status-999": (with_body(status=b"HTTP/1.1 999 Odd"), KEEP),
    "status-negative": (with_body(status=b"HTTP/1.1 -20 Odd"), CLOSE),
    "status-letters": (with_body(status=b"HTTP/1.1 abc Odd"), CLOSE),
    "status-four-digits": (with_body(status=b"HTTP/1.1 2000 Odd"), CLOSE),
    "http09": (b"<html><body>nothing before me</body></html>\n", CLOSE),
    "garbage": (bytes(range(128, 256)) * 4, CLOSE),
    "says-ssh": (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", CLOSE),
    "says-smtp": (b"220 mail.example.com ESMTP Postfix\r\n", CLOSE),
    "http2-frames": (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
                     b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x0f\x00\x01", CLOSE),
    "http10": (b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end\n", CLOSE),
    "http19": (with_body(status=b"HTTP/1.9 200 OK"), CLOSE),
    # framing
    "bare-lf": (b"HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 3\n\nhi\n", KEEP),
    "cl-short": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", CLOSE),
    "cl-surplus": (with_body(b"Content-Length: 3", length=False, body=b"hi\nHTTP/1.1 surplus"), KEEP),
    "cl-twice": (with_body(b"Content-Length: 3", b"Content-Length: 3", length=False), KEEP),
    "cl-differ": (with_body(b"Content-Length: 3", b"Content-Length: 2", length=False), CLOSE),
    "cl-negative": (with_body(b"Content-Length: -1", length=False), CLOSE),
    "cl-huge": (with_body(b"Content-Length: 99999999999999999999999", length=False), CLOSE),
    "cl-letters": (with_body(b"Content-Length: abc", length=False), CLOSE),
    "cl-and-te": (with_body(b"Content-Length: 5", b"Transfer-Encoding: chunked", length=False,
                            body=b"3\r\nhi\n\r\n0\r\n\r\n"), CLOSE),
    "te-unknown": (with_body(b"Transfer-Encoding: rot13", length=False), CLOSE),
    "chunk-size-letters": (chunks(b"zz\r\nhi\n\r\n0\r\n\r\n"), CLOSE),
    "chunk-size-overflow": (chunks(b"1ffffffffffffffff\r\nhi\n"), CLOSE),
    "chunk-eof": (chunks(b"64\r\nabc"), CLOSE),
    "chunk-no-end": (chunks(b"3\r\nhi\n\r\n"), CLOSE),
    "chunk-no-crlf": (chunks(b"3\r\nhi\nXX3\r\nhi\n\r\n0\r\n\r\n"), CLOSE),
    "eof-in-status": (b"HTTP/1.1 20", CLOSE),
    "eof-in-headers": (b"HTTP/1.1 200 OK\r\nContent-Type: text/pl", CLOSE),
    # header fields
    "header-no-colon": (with_body(b"this line has none"), CLOSE),
    "header-empty-name": (with_body(b": value"), KEEP),
    "header-nul": (with_body(b"X-Nul: a\x00b"), CLOSE),
    "header-latin1": (with_body(b"X-Latin: caf\xe9 \xff", b"X-Plain: yes"), KEEP),
    "huge-header": (with_body(b"X-Huge: " + b"a" * 2_000_000), CLOSE),
    "many-headers": (with_body(*[b"X-H%d: " % i + b"b" * 4000 for i in range(100)]), CLOSE),
    "many-cookies": (with_body(*[b"Set-Cookie: c%d=" % i + b"v" * 100 for i in range(3000)]), CLOSE),
    "huge-trailer": (chunks(b"3\r\nhi\n\r\n0\r\nX-Trailer: " + b"t" * 200_000 + b"\r\n\r\n"), CLOSE),
    # content coding
    "gzip-truncated": (with_body(b"Content-Encoding: gzip", body=gzip.compress(TEXT)[:-6]), KEEP),
    "gzip-corrupt": (with_body(b"Content-Encoding: gzip",
                               body=gzip.compress(TEXT)[:-8] + b"\x00" * 8), KEEP),
    "says-gzip-sends-plain": (with_body(b"Content-Encoding: gzip", body=TEXT), KEEP),
    "gzip-empty": (with_body(b"Content-Encoding: gzip", body=b""), KEEP),
    "coding-unknown": (with_body(b"Content-Encoding: rot13", body=b"uryyb\n"), KEEP),
    # redirects
    "redirect-none": (with_body(status=b"HTTP/1.1 302 Found"), KEEP),
    "redirect-unparsable": (with_body(b"Location: http://[::zz/", status=b"HTTP/1.1 302 Found"), KEEP),
    "redirect-file": (with_body(b"Location: file:///etc/passwd", status=b"HTTP/1.1 302 Found"), KEEP),
    "redirect-gopher": (with_body(b"Location: gopher://127.0.0.1/", status=b"HTTP/1.1 302 Found"), KEEP),
    "redirect-metadata": (with_body(b"Location: http://169.254.169.254/latest/meta-data/",
                                    status=b"HTTP/1.1 302 Found"), KEEP),
    "redirect-decimal": (with_body(b"Location: http://2852039166/", status=b"HTTP/1.1 302 Found"), KEEP),
    "redirect-long": (with_body(b"Location: /" + b"l" * 90_000, status=b"HTTP/1.1 302 Found"), KEEP),
}


async def fixed(x):
    data, then = FIXED[x.request.name]
    if then == KEEP:
        x.answered()
        await x.raw(data)
    else:
        await x.last(data)


for _name in FIXED:
    PLAYS[_name] = fixed


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


@play("endless-body")
async def endless_body(x):
    await x.raw(OK + b"\r\n")
    await x.endless(b"e" * 65536)


@play("endless-chunks")
async def endless_chunks(x):
    await x.raw(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    await x.endless(b"10000\r\n" + b"e" * 65536 + b"\r\n")


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


@play("endless-trailers")
async def endless_trailers(x):
    await x.raw(chunks(b"3\r\nhi\n\r\n0\r\n"))
    await x.endless(b"X-Trailer: " + b"t" * 1000 + b"\r\n")


@play("cl-over")
async def cl_over(x):
    """Announces /cl-over/N bytes and sends for as long as anyone reads."""
    await x.raw(OK + b"Content-Length: %d\r\n\r\n" % int(x.request.args[0]))
    await x.endless(b"o" * 65536)


@play("gzip-bomb")
async def gzip_bomb(x):
    """200 MB of zeros in about 200 KB."""
    await x.last(with_body(b"Content-Encoding: gzip", body=await x.server.bomb()))


@play("redirect-self")
async def redirect_self(x):
    await x.reply(302, headers=[("Location", x.request.target)])
