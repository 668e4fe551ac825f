# SPDX-License-Identifier: MIT
"""Honest answers: what a well-behaved origin server does, slow, large, redirecting or busy as it may be.

A play is a coroutine registered under the first segment of the path; the other segments are its
arguments. `/size/1000` calls `size(x)` with x.request.args == ["1000"].
"""
import asyncio
import email.utils
import gzip as gzip_module
import time
import zlib

PLAYS = {}


def play(*names):
    """Registers a coroutine as the play of each of `names`."""
    def register(function):
        for name in names:
            PLAYS[name] = function
        return function
    return register


def pattern(n):
    """`n` bytes anyone can compute: the body of /size/N."""
    block = b"".join(b"%07d\n" % i for i in range(1024))
    return (block * (n // len(block) + 1))[:n]


def brotli_stored(data):
    """`data` (at most 65,536 bytes) as a brotli stream of one uncompressed meta-block (RFC 7932)."""
    bits = 0                                    # WBITS=16 (0), ISLAST=0, MNIBBLES=4 (00)
    bits |= (len(data) - 1) << 4                # MLEN - 1 in 16 bits
    bits |= 1 << 20                             # ISUNCOMPRESSED
    return bits.to_bytes(3, "little") + data + b"\x03"


def zstd_stored(data):
    """`data` (at most 255 bytes) as a zstd frame of one raw block (RFC 8878)."""
    block = (len(data) << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd" + bytes([0x20, len(data)]) + block + data


TEXT = b"A compressed body, the same in every coding.\n"
CODINGS = {"gzip": gzip_module.compress(TEXT, mtime=0), "deflate": zlib.compress(TEXT),
           "br": brotli_stored(TEXT), "zstd": zstd_stored(TEXT)}


@play("ok", "")
async def ok(x):
    await x.reply(200, f"hello from {x.request.host}{x.request.target}\n")


@play("size")
async def size(x):
    """/size/N?ms=0: N bytes, after so many milliseconds."""
    await asyncio.sleep(int(x.request.query.get("ms", 0)) / 1000)
    await x.reply(200, pattern(int(x.request.args[0])),
                  [("Content-Type", "application/octet-stream")])


@play("bytes")
async def all_bytes(x):
    await x.reply(200, bytes(range(256)), [("Content-Type", "application/octet-stream")])


@play("chunked")
async def chunked(x):
    body = pattern(int(x.request.args[0]))
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for i in range(0, len(body), 1000):
        piece = body[i:i + 1000]
        data += b"%x;ext=1\r\n%s\r\n" % (len(piece), piece)
    x.answered()
    await x.raw(data + b"0\r\nX-Trailer: yes\r\n\r\n")


@play("delay")
async def delay(x):
    await asyncio.sleep(int(x.request.args[0]) / 1000)
    await x.reply(200, f"after {x.request.args[0]} ms\n")


@play("status")
async def status(x):
    await x.reply(int(x.request.args[0]), f"status {x.request.args[0]}\n")


@play("redirect")
async def redirect(x):
    """/redirect/N: N hops, then /ok."""
    hops = int(x.request.args[0])
    where = f"/redirect/{hops - 1}" if hops > 1 else "/ok"
    await x.reply(302, headers=[("Location", where)])


@play("redirect-to")
async def redirect_to(x):
    """/redirect-to?url=URL&status=302&ms=0: one hop, after so many milliseconds."""
    await asyncio.sleep(int(x.request.query.get("ms", 0)) / 1000)
    code = int(x.request.query.get("status", 302))
    await x.reply(code, headers=[("Location", x.request.query["url"])])


@play("robots.txt")
async def robots(x):
    await x.reply(200, "User-agent: *\nDisallow: /private\n", [("Content-Type", "text/plain")])


@play("echo")
async def echo(x):
    await x.reply_json({"method": x.request.method, "target": x.request.target,
                        "headers": x.request.headers, "body": x.request.body.decode("latin-1")})


@play("coding")
async def coding(x):
    """/coding/NAME: TEXT in that Content-Encoding."""
    name = x.request.args[0]
    await x.reply(200, CODINGS[name], [("Content-Encoding", name)])


@play("gzip", "deflate", "br", "zstd")
async def coding_by_name(x):
    await x.reply(200, CODINGS[x.request.name], [("Content-Encoding", x.request.name)])


@play("gzip-large")
async def gzip_large(x):
    body = gzip_module.compress(pattern(int(x.request.args[0])), 1, mtime=0)
    await x.reply(200, body, [("Content-Encoding", "gzip")])


@play("flaky")
async def flaky(x):
    """/flaky/N/KEY: fails N times (500, or ?how=reset|empty), then 200. Not with 503, which is a request to leave
    the whole host alone for a while."""
    failures, key = int(x.request.args[0]), "/".join(x.request.args[1:])
    seen = x.server.count("flaky/" + key)
    if seen > failures:
        await x.reply(200, f"at the {seen}. time\n")
    elif x.request.query.get("how") == "reset":
        x.reset()
    elif x.request.query.get("how") == "empty":
        await x.last(b"")
    else:
        await x.reply(500, "not yet\n")


@play("retry-after")
async def retry_after(x):
    """/retry-after/SECONDS/KEY: 429 (or ?status=) with Retry-After at the first request, then 200.
    ?date=1 sends an HTTP-date; since that has whole seconds it is rounded up."""
    seconds, key = int(x.request.args[0]), "/".join(x.request.args[1:])
    if x.server.count(f"{x.request.host}/retry-after/{key}") > 1:
        await x.reply(200, "welcome back\n")
        return
    value = str(seconds)
    if x.request.query.get("date") == "1":
        value = email.utils.formatdate(int(time.time()) + seconds + 1, usegmt=True)
    await x.reply(int(x.request.query.get("status", 429)), "later\n", [("Retry-After", value)])


@play("asks-to-wait")
async def asks_to_wait(x):
    """/asks-to-wait?value=V: 429 with exactly that Retry-After; "V|W" is two of them."""
    await x.reply(429, "later\n", [("Retry-After", value) for value in x.request.query["value"].split("|")])


@play("basic-auth")
async def basic_auth(x):
    await x.reply(401, "who are you?\n", [("WWW-Authenticate", "Negotiate"),
                                          ("WWW-Authenticate", "NTLM")])


@play("cookie")
async def cookie(x):
    await x.reply(200, "have one\n", [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2")])


@play("close")
async def close(x):
    x.keep_alive = False
    await x.reply(200, "and good-bye\n")


@play("record")
async def record(x):
    """The log as JSON: ?prefix= chooses requests by target, ?reset=1 empties it afterwards."""
    document = x.server.log.as_json(x.request.query.get("prefix", ""))
    if x.request.query.get("reset") == "1":
        x.server.log.reset()
    await x.reply_json(document)
