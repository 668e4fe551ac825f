# SPDX-License-Identifier: MIT
"""Faulty bodies: lengths, transfer codings, chunks, trailers and content codings."""
import gzip
import zlib

from faults import CLOSE, KEEP, OK, POISON, chunks, fixed_plays, with_body
from plays import TEXT, brotli_stored, play, zstd_stored

HI = b"3\r\nhi\n\r\n"
LAST = b"0\r\n\r\n"


def with_length(*values, body=b"hi\n", after=b""):
    return with_body(*[b"Content-Length: " + v for v in values], length=False, body=body) + after


def with_coding(*values, body=HI + LAST):
    return with_body(*[b"Transfer-Encoding: " + v for v in values], length=False, body=body)


fixed_plays({
    # Content-Length
    "cl-short": (with_length(b"100", body=b"abc"), CLOSE),
    "cl-surplus": (with_length(b"3", after=POISON), KEEP),
    "cl-zero-surplus": (with_length(b"0", body=POISON), KEEP),
    "cl-twice": (with_length(b"3", b"3"), KEEP),
    "cl-list": (with_length(b"3, 3"), KEEP),
    "cl-differ": (with_length(b"3", b"2"), KEEP),
    "cl-list-differs": (with_length(b"3, 5"), KEEP),
    "cl-negative": (with_length(b"-1"), KEEP),
    "cl-plus": (with_length(b"+3"), KEEP),
    "cl-huge": (with_length(b"99999999999999999999999"), KEEP),
    "cl-letters": (with_length(b"abc"), KEEP),
    "cl-hex": (with_length(b"0x3"), KEEP),
    "cl-fraction": (with_length(b"3.0"), KEEP),
    "cl-two-numbers": (with_length(b"3 3"), KEEP),
    "cl-empty": (with_length(b""), KEEP),
    "cl-zeros": (with_length(b"0000000000000000000000003"), KEEP),
    "cl-space-before-colon": (with_body(b"Content-Length : 3", length=False), KEEP),
    "cl-folded": (with_body(b"Content-Length:", b" 3", length=False), KEEP),
    "cl-fold-continues": (with_body(b"Content-Length: 3", b" 0", length=False), KEEP),
    # Transfer-Encoding
    "cl-and-te": (with_body(b"Content-Length: 5", b"Transfer-Encoding: chunked", length=False, body=HI + LAST), KEEP),
    "te-unknown": (with_coding(b"rot13"), KEEP),
    "te-identity": (with_body(b"Transfer-Encoding: identity"), KEEP),
    "te-gzip": (with_coding(b"gzip, chunked"), KEEP),
    "te-twice": (with_coding(b"chunked", b"chunked"), KEEP),
    "te-list-twice": (with_coding(b"chunked, chunked"), KEEP),
    "te-not-last": (with_coding(b"chunked, identity"), KEEP),
    "te-capitals": (with_coding(b"CHUNKED"), KEEP),
    "te-tab": (with_coding(b"\tchunked\t"), KEEP),
    "te-vertical-tab": (with_coding(b"\x0bchunked"), KEEP),
    "te-almost": (with_coding(b"xchunked"), KEEP),
    "te-space-before-colon": (with_body(b"Transfer-Encoding : chunked", length=False, body=HI + LAST), KEEP),
    "te-folded": (with_body(b"Transfer-Encoding:", b" chunked", length=False, body=HI + LAST), KEEP),
    "te-http10": (with_body(b"Transfer-Encoding: chunked", b"Connection: keep-alive", length=False, body=HI + LAST,
                            status=b"HTTP/1.0 200 OK"), KEEP),
    # chunks
    "chunk-size-letters": (chunks(b"zz\r\nhi\n\r\n", LAST), KEEP),
    "chunk-size-plus": (chunks(b"+3\r\nhi\n\r\n", LAST), KEEP),
    "chunk-size-minus": (chunks(b"-3\r\nhi\n\r\n", LAST), KEEP),
    "chunk-size-space-before": (chunks(b" 3\r\nhi\n\r\n", LAST), KEEP),
    "chunk-size-space-behind": (chunks(b"3  \r\nhi\n\r\n", b"0 \r\n\r\n"), KEEP),
    "chunk-size-empty": (chunks(b"\r\nhi\n\r\n", LAST), KEEP),
    "chunk-size-capital": (chunks(b"A\r\n0123456789\r\n", LAST), KEEP),
    "chunk-size-zeros": (chunks(b"000000000003\r\nhi\n\r\n", b"000\r\n\r\n"), KEEP),
    "chunk-size-overflow": (chunks(b"1ffffffffffffffff\r\nhi\n"), KEEP),
    "chunk-size-wraps": (chunks(b"10000000000000003\r\nhi\n\r\n", LAST), KEEP),
    "chunk-extensions": (chunks(b'3;a=b;c="d;e"\r\nhi\n\r\n', b"0;last\r\n\r\n"), KEEP),
    "chunk-bare-lf": (chunks(b"3\nhi\n\n0\n\n"), KEEP),
    "chunk-bare-lf-behind-data": (chunks(b"3\r\nhi\n\n", LAST), KEEP),
    "chunk-size-0x3": (chunks(b"0x3\r\nhi\n\r\n", LAST) + POISON, KEEP),
    "chunk-size-3g": (chunks(b"3g\r\nhi\n\r\n", LAST), KEEP),
    "chunk-size-garbage": (chunks(b"3 garbage\r\nhi\n\r\n", LAST), KEEP),
    "chunk-size-comma": (chunks(b"3,3\r\nhi\n\r\n", LAST), KEEP),
    "chunk-size-two-crs": (chunks(b"3\r\r\nhi\n\r\n", LAST), KEEP),
    "chunk-size-cr": (chunks(b"3\rhi\n\r\n", LAST), KEEP),
    "chunk-size-nul": (chunks(b"3\0\r\nhi\n\r\n", LAST), KEEP),
    "chunk-last-junk": (chunks(HI, b"0garbage\r\n\r\n") + POISON, KEEP),
    "chunk-extension-cr": (chunks(b"3;a\rb\r\nhi\n\r\n", LAST), KEEP),
    "trailer-folded": (chunks(HI, b"0\r\nX-Long: one\r\n two\r\n\r\n"), KEEP),
    "trailer-blank-first": (chunks(HI, b"0\r\n \r\n\r\n"), KEEP),
    "trailer-line-of-8k": (chunks(HI, b"0\r\nX-Long: " + b"t" * 8000 + b"\r\n\r\n"), KEEP),
    "redirect-chunk-junk": (with_body(b"Location: /ok", b"Transfer-Encoding: chunked", length=False,
                                      status=b"HTTP/1.1 302 Found", body=b"0x3\r\nhi\n\r\n0\r\n\r\n" + POISON), KEEP),
    "chunk-eof": (chunks(b"64\r\nabc"), CLOSE),
    "chunk-eof-in-size": (chunks(HI, b"3"), CLOSE),
    "chunk-no-end": (chunks(HI), CLOSE),
    "chunk-no-last-line": (chunks(HI, b"0\r\n"), CLOSE),
    "chunk-no-crlf": (chunks(b"3\r\nhi\nXX", HI, LAST), KEEP),
    "chunk-longer-than-said": (chunks(b"3\r\nhi\nand more\r\n", LAST), KEEP),
    "chunk-surplus": (chunks(HI, LAST) + POISON, KEEP),
    "chunk-nothing": (chunks(LAST), KEEP),
    "trailer-framing": (chunks(HI, b"0\r\nContent-Length: 99\r\nTransfer-Encoding: gzip\r\n\r\n"), KEEP),
    "trailer-no-colon": (chunks(HI, b"0\r\nno colon\r\n\r\n"), KEEP),
    "huge-trailer": (chunks(HI, b"0\r\nX-Trailer: " + b"t" * 200_000 + b"\r\n\r\n"), KEEP),
    "body-to-eof": (OK + b"\r\nhi\n", CLOSE),
})


@play("endless-chunks")
async def endless_chunks(x):
    await x.raw(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    await x.endless(b"10000\r\n" + b"e" * 65536 + b"\r\n")


@play("endless-small-chunks")
async def endless_small_chunks(x):
    """A body byte in each chunk."""
    await x.raw(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    await x.endless(b"1\r\ne\r\n" * 8192)


@play("endless-extension")
async def endless_extension(x):
    await x.raw(OK + b"Transfer-Encoding: chunked\r\n\r\n3;")
    await x.endless(b"e" * 65536)


@play("endless-extensions")
async def endless_extensions(x):
    """Chunks of a byte with a kilobyte of extension."""
    await x.raw(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    await x.endless((b"1;" + b"e" * 1000 + b"\r\ne\r\n") * 64)


@play("endless-chunk-size")
async def endless_chunk_size(x):
    await x.raw(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    await x.endless(b"0" * 65536)


@play("endless-trailers")
async def endless_trailers(x):
    await x.raw(chunks(HI, b"0\r\n"))
    await x.endless(b"X-Trailer: " + b"t" * 1000 + b"\r\n")


# -- content codings ----------------------------------------------------------------------------
GZIP = gzip.compress(TEXT, mtime=0)


def coded(*names, body):
    return with_body(*[b"Content-Encoding: " + name for name in names], body=body)


def raw_deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def zstd_bomb(blocks):
    """A frame of so many run-length blocks (RFC 8878 §3.1.1.2), each 128 KiB of zeros in four bytes."""
    block = ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd" + bytes([0x00, 0x38]) + block * blocks + b"\x01\0\0"


def grows_to_nothing(blocks):
    """A gzip header whose name is 128 KiB `blocks` times, as zstd and again as gzip: a few bytes, and no output."""
    head = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03"
    name = ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b"n"
    return gzip.compress(b"\x28\xb5\x2f\xfd" + bytes([0x00, 0x38]) + (len(head) << 3).to_bytes(3, "little") + head
                         + name * blocks)


# A frame header (RFC 8878 §3.1.1.1) that asks for a window of 2 GiB.
ZSTD_WINDOW = b"\x28\xb5\x2f\xfd\x00\xa8" + zstd_stored(TEXT)[6:]

fixed_plays({
    "gzip-truncated": (coded(b"gzip", body=GZIP[:-6]), KEEP),
    "gzip-cut-in-header": (coded(b"gzip", body=GZIP[:7]), KEEP),
    "gzip-corrupt": (coded(b"gzip", body=GZIP[:-8] + b"\x00" * 8), KEEP),
    "gzip-empty": (coded(b"gzip", body=b""), KEEP),
    "gzip-to-eof": (with_body(b"Content-Encoding: gzip", length=False, body=GZIP), CLOSE),
    "gzip-x": (coded(b"x-gzip", body=GZIP), KEEP),
    "gzip-capitals": (coded(b"GZip", body=GZIP), KEEP),
    "gzip-twice": (coded(b"gzip, gzip", body=gzip.compress(GZIP)), KEEP),
    "gzip-in-two-fields": (coded(b"gzip", b"gzip", body=gzip.compress(GZIP)), KEEP),
    "gzip-and-br": (coded(b"gzip, br", body=brotli_stored(GZIP)), KEEP),
    "gzip-four-times": (coded(b"gzip, gzip, gzip, gzip", body=GZIP), KEEP),
    "gzip-twice-bomb": (coded(b"gzip, gzip", body=gzip.compress(gzip.compress(bytes(5 << 20)))), KEEP),
    "gzip-members": (coded(b"gzip", body=gzip.compress(TEXT[:10]) + gzip.compress(TEXT[10:])), KEEP),
    "gzip-second-member-cut": (coded(b"gzip", body=GZIP + GZIP[:12]), KEEP),
    "gzip-then-garbage": (coded(b"gzip", body=GZIP + b"garbage behind it"), KEEP),
    "gzip-then-zeros": (coded(b"gzip", body=GZIP + bytes(512)), KEEP),
    "gzip-no-content": (b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n", KEEP),
    "gzip-head": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 60\r\n\r\n", KEEP),
    "gzip-partial": (with_body(b"Content-Encoding: gzip", b"Content-Range: bytes 5-20/60", body=GZIP[5:21],
                               status=b"HTTP/1.1 206 Partial Content"), KEEP),
    "gzip-missing-page": (with_body(b"Content-Encoding: gzip", body=GZIP, status=b"HTTP/1.1 404 Not Found"), KEEP),
    "says-gzip-sends-plain": (coded(b"gzip", body=TEXT), KEEP),
    "says-br-sends-gzip": (coded(b"br", body=GZIP), KEEP),
    "deflate-raw": (coded(b"deflate", body=raw_deflate(TEXT)), KEEP),
    "deflate-cut": (coded(b"deflate", body=zlib.compress(TEXT)[:-3]), KEEP),
    "deflate-raw-cut": (coded(b"deflate", body=raw_deflate(TEXT)[:-3]), KEEP),
    "br-cut": (coded(b"br", body=brotli_stored(TEXT)[:-5]), KEEP),
    "br-no-end": (coded(b"br", body=brotli_stored(TEXT)[:-1]), KEEP),
    "zstd-cut": (coded(b"zstd", body=zstd_stored(TEXT)[:-5]), KEEP),
    "zstd-frames": (coded(b"zstd", body=zstd_stored(TEXT[:10]) + zstd_stored(TEXT[10:])), KEEP),
    "zstd-window": (coded(b"zstd", body=ZSTD_WINDOW), KEEP),
    "zstd-bomb": (coded(b"zstd", body=zstd_bomb(1600)), KEEP),
    "coded-nothing": (coded(b"gzip, zstd, gzip", body=grows_to_nothing(4000)), KEEP),
    "coding-unknown": (coded(b"rot13", body=b"uryyb\n"), KEEP),
    "coding-unknown-and-gzip": (coded(b"rot13, gzip", body=GZIP), KEEP),
    "coding-identity": (coded(b"identity", body=TEXT), KEEP),
    "coding-empty": (coded(b"", body=TEXT), KEEP),
})


@play("gzip-bomb")
async def gzip_bomb(x):
    """200 MB of zeros in about 200 KB."""
    await x.last(coded(b"gzip", body=await x.server.bomb()))


@play("endless-gzip-name")
async def endless_gzip_name(x):
    """A gzip header whose file name never ends: input without output."""
    await x.raw(OK + b"Content-Encoding: gzip\r\n\r\n" + b"\x1f\x8b\x08\x08\0\0\0\0\0\x03")
    await x.endless(b"n" * 65536)


@play("endless-empty-members")
async def endless_empty_members(x):
    await x.raw(OK + b"Content-Encoding: gzip\r\n\r\n")
    await x.endless(gzip.compress(b"") * 3000)
