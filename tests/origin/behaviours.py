# SPDX-License-Identifier: MIT
"""What each behaviour of an origin server must end as: the table the tests run down, and that docs/server-behaviours.md shows.

Every row is played over plain TCP and over TLS, unless `port` names a server of its own; each time in one piece, cut at
random places, and dribbled. A task has two attempts.
"""
from dataclasses import dataclass, field

HI = 3  # bytes of the usual body
TEXT_BYTES = 45
# The daemon's stall_timeout in the test, and time-outs of tasks on either side of it. Long, so that a machine that is busy
# with something else for a while is not taken for a server that stalls.
STALL_MS = 8000
SHORT = {"timeout_ms": 3000}
STALLS = {"timeout_ms": 30000}
SMALL = {"max_body_bytes": 300_000}  # for what would go on for ever
ANY = {"accept_status": "200-999"}
HEAD = {"method": "HEAD"}
LARGE = range(300_000)


@dataclass(frozen=True)
class Behaviour:
    path: str
    state: str
    code: str | None = None
    status: int | None = None
    size: object = 0  # bytes counted: a number, or a range of them where cuts decide
    reused: bool = False  # the connection, by the next task for the same host
    retryable: bool = False
    attempts: int = 1
    port: str = "http"
    options: dict = field(default_factory=dict)
    host: str = ""  # to ask for, instead of one of its own
    statuses: tuple = ()  # where it depends on how much of an answer was read before its fault was
    codes: tuple = ()  # where libcurl does not tell more than one apart, all of them

    @property
    def allowed_statuses(self):
        return self.statuses or (self.status,)

    @property
    def allowed_codes(self):
        return self.codes or (self.code,)

    @property
    def sizes(self):
        return self.size if isinstance(self.size, range) else (self.size,)


def succeeds(path, status=200, size=HI, reused=True, **more):
    return Behaviour(path, "succeeded", None, status, size, reused, **more)


def fails(path, code, status=None, **more):
    """A failure that repeating would not mend."""
    return Behaviour(path, "failed", code, status, **more)


def passes(path, code, status=None, attempts=2, **more):
    """A failure that may pass: it is tried again."""
    return Behaviour(path, "failed", code, status, retryable=True, attempts=attempts, **more)


HONEST = {
    "normal": succeeds("/fixed-ok"),
    "empty body": succeeds("/size/0", size=0),
    "HTTP/1.0 to the end of the connection": succeeds("/http10", size=14, reused=False),
    "HTTP/1.0 that keeps the connection": succeeds("/http10-kept"),
    "chunked with extensions and trailer": succeeds("/chunked/5000", size=5000),
    "chunked, nothing in it": succeeds("/chunk-nothing", size=0),
    "no length, to the end of the connection": succeeds("/body-to-eof", reused=False),
    "slow but legal": succeeds("/delay/3000", size=14),
    "closes after the answer": succeeds("/close", size=13, reused=False),
    "three redirects": succeeds("/redirect/3", size=range(20, 100)),
    "not found": fails("/status/404", "http_status", 404, size=11, reused=True),
    "not found, compressed": fails("/gzip-missing-page", "http_status", 404, size=TEXT_BYTES, reused=True),
    "server error": passes("/status/500", "http_status", 500, size=11, reused=True),
    "request timeout, then well": succeeds("/status-once/408", size=4, attempts=2),
    "too early": fails("/status/425", "http_status", 425, size=11, reused=True),
    "too many requests, wait a second": succeeds("/retry-after/1/x", size=13, attempts=2),
    "unavailable, wait a second": succeeds("/retry-after/1/x?status=503", size=13, attempts=2),
}

CONNECTIONS = {
    "accepts and closes": passes("/empty", "empty_reply"),
    "resets before the reply": passes("/reset", "connection_reset"),
    "resets inside the body": passes("/reset-in-body", "connection_reset", 200, size=3),
    "refuses connections": passes("/", "connect_refused", port="closed"),
    "drops connection attempts": passes("/", "connect_timeout", port="blackhole", options={"connect_timeout_ms": 3000}),
    "closes a kept connection as it is used again": succeeds("/hang-up-on-reuse/fin", size=7, reused=False),
    "resets a kept connection as it is used again": succeeds("/hang-up-on-reuse/rst", size=7, reused=False),
}

TIME = {
    "never replies": passes("/never", "timeout_first_byte", options=SHORT),
    "stalls inside the status line": passes("/stall-status", "timeout_stall", options=STALLS),
    "stalls inside headers": passes("/stall-headers", "timeout_stall", options=STALLS),
    "stalls inside the body": passes("/stall-body", "timeout_stall", 200, size=3, options=STALLS),
    "drips headers": passes("/drip-header", "timeout_stall", options=STALLS),
    "goes on for too long": passes("/steady-body", "timeout_total", 200, size=LARGE, options=SHORT),
    "drips the body": passes("/drip-body", "timeout_stall", 200, size=range(1, 500), options=STALLS),
}

TOO_MUCH = {
    "endless body": fails("/endless-body", "body_too_large", 200, size=LARGE, options=SMALL),
    "endless chunks": fails("/endless-chunks", "body_too_large", 200, size=LARGE, options=SMALL),
    "endless chunks of a byte": fails("/endless-small-chunks", "body_too_large", 200, size=range(60_000),
                                      options={"max_body_bytes": 50_000}),
    "endless chunk extension": fails("/endless-extension", "http_protocol", 200),
    "endless chunk extensions": fails("/endless-extensions", "http_protocol", 200, size=range(100)),
    "endless chunk size": fails("/endless-chunk-size", "http_protocol", 200),
    "endless headers": fails("/endless-headers", "header_too_large"),
    "endless status line": fails("/endless-status", "header_too_large"),
    "endless 103": fails("/endless-hints", "header_too_large"),
    "endless trailers": fails("/endless-trailers", "header_too_large", 200, size=HI),
    "one header line of 2 MB": fails("/huge-header", "header_too_large"),
    "one header line of 64 KB": succeeds("/header-of-64k"),
    "400 KB of headers": fails("/many-headers", "header_too_large"),
    "3,000 cookies": fails("/many-cookies", "header_too_large"),
    "1,001 header lines": fails("/many-small-headers", "header_too_large"),
    "trailer of 200 KB": fails("/huge-trailer", "header_too_large", 200, size=HI),
    "announces more than allowed": fails("/cl-over/20000000", "body_too_large", 200),
    "announces more than 64 bits": fails("/cl-huge", "body_too_large", 200),
    "gzip bomb": fails("/gzip-bomb", "body_too_large", 200, size=LARGE, options=SMALL),
    "gzip bomb within gzip": fails("/gzip-twice-bomb", "body_too_large", 200, size=LARGE, options=SMALL),
    "zstd bomb": fails("/zstd-bomb", "body_too_large", 200, size=LARGE, options=SMALL),
    "gzip header without end": fails("/endless-gzip-name", "body_too_large", 200, options=SMALL),
    "codings that grow and give nothing": fails("/coded-nothing", "body_too_large", 200, options=SMALL),
    "gzip of endless empty members": fails("/endless-empty-members", "body_too_large", 200, options=SMALL),
}

STATUS_LINE = {
    "100 then 200": succeeds("/continue-then-ok"),
    "100 with a length": succeeds("/continue-with-length"),
    "103 then 200": succeeds("/early-hints-then-ok"),
    "103 fifty times, then 200": succeeds("/early-hints-fifty"),
    "199 then 200": succeeds("/interim-unknown"),
    "101 unasked": fails("/switches-protocols", "http_protocol"),
    "status 000": fails("/status-000", "http_protocol"),
    "status 999": succeeds("/status-999", 999, options=ANY),
    "status -20": fails("/status-negative", "http_protocol"),
    "status abc": fails("/status-letters", "http_protocol"),
    "status of two digits": fails("/status-two-digits", "http_protocol"),
    "status of four digits": fails("/status-four-digits", "http_protocol"),
    "no reason phrase": succeeds("/status-no-reason"),
    "empty reason phrase": succeeds("/status-empty-reason"),
    "reason phrase in latin-1": succeeds("/status-latin1-reason"),
    "two spaces before the status": fails("/status-two-spaces", "http_protocol"),
    "a tab before the status": fails("/status-tab", "http_protocol"),
    "http/1.1 in small letters": fails("/status-lower-case", "http_protocol"),
    "a blank line first": fails("/status-blank-line-first", "http_protocol"),
    "a space first": fails("/status-leading-space", "http_protocol"),
    "ICY (Shoutcast)": fails("/shoutcast", "http_protocol"),
    "HTTP/0.9": fails("/http09", "http_protocol"),
    "HTTP/1.9": fails("/http19", "http_protocol"),
    "HTTP/2 in words": fails("/http2-in-words", "http_protocol"),
    "HTTP/3 in words": fails("/http3", "http_protocol"),
    "HTTP/2 frames unasked": fails("/http2-frames", "http_protocol"),
    "binary garbage": fails("/garbage", "http_protocol"),
    "SSH banner": fails("/says-ssh", "http_protocol"),
    "SSH server": fails("/", "http_protocol", port="ssh"),
    "SMTP banner": fails("/says-smtp", "http_protocol"),
    "SMTP server": fails("/", "http_protocol", port="smtp"),
    "RTSP": fails("/says-rtsp", "http_protocol"),
    "ends inside the status line": passes("/eof-in-status", "truncated_body", codes=("truncated_body", "empty_reply")),
    "ends inside headers": passes("/eof-in-headers", "truncated_body"),
    "ends between headers": passes("/eof-after-headers-line", "truncated_body"),
    "ends after an interim answer": passes("/eof-after-interim", "truncated_body"),
}

NO_BODY = {
    "204": succeeds("/status/204", 204, size=0),
    "204 with a body": succeeds("/no-content-with-body", 204, size=0, reused=False),
    "204, chunked": succeeds("/no-content-chunked", 204, size=0, reused=False),
    "204, says gzip": succeeds("/gzip-no-content", 204, size=0),
    "205 with a body": succeeds("/reset-content-with-body", 205),
    "206 unasked": succeeds("/partial-unasked", 206),
    "304 unasked": succeeds("/status/304", 304, size=0),
    "304 with a body": succeeds("/not-modified-with-body", 304, size=0, reused=None),
    "304 with the length of the page": succeeds("/not-modified-with-length", 304, size=0),
    "HEAD": succeeds("/size/1000", size=0, options=HEAD),
    "HEAD with a body": succeeds("/head-with-body", size=0, reused=None, options=HEAD),
    "HEAD, chunked": succeeds("/head-chunked", size=0, options=HEAD),
    "HEAD without a length": succeeds("/head-without-length", size=0, options=HEAD),
    "HEAD, says gzip": succeeds("/gzip-head", size=0, options=HEAD),
}

FIELDS = {
    "bare LF": succeeds("/bare-lf"),
    "header without colon": fails("/header-no-colon", "http_protocol"),
    "empty header name": succeeds("/header-empty-name"),
    "empty header value": succeeds("/header-empty-value"),
    "space in a header name": succeeds("/header-space-in-name"),
    "space before a colon": succeeds("/header-space-before-colon"),
    "first header begins with a space": fails("/header-first-begins-with-space", "http_protocol"),
    "folded header": succeeds("/header-folded"),
    "tabs in a value": succeeds("/header-tabs"),
    "CR alone in a value": succeeds("/header-bare-cr"),
    "NUL in a header": fails("/header-nul", "http_protocol"),
    "control characters in a value": succeeds("/header-controls"),
    "header not in UTF-8": succeeds("/header-latin1"),
    "asks for Negotiate": succeeds("/basic-auth", 401, size=13, options=ANY),
    "Refresh": succeeds("/refresh"),
}

LENGTHS = {
    "ends before its length": passes("/cl-short", "truncated_body", 200, size=3),
    "more bytes than its length": succeeds("/cl-surplus", reused=None),
    "more bytes than its length, apart from the headers": succeeds("/split-surplus", reused=None),
    "length 0 and a body": succeeds("/cl-zero-surplus", size=0, reused=None),
    "equal lengths twice": succeeds("/cl-twice"),
    "equal lengths in a list": succeeds("/cl-list"),
    "two lengths": fails("/cl-differ", "http_protocol"),
    "two lengths in a list": fails("/cl-list-differs", "http_protocol"),
    "negative length": fails("/cl-negative", "http_protocol"),
    "length with a plus sign": fails("/cl-plus", "http_protocol"),
    "length abc": fails("/cl-letters", "http_protocol"),
    "length in hex": fails("/cl-hex", "http_protocol"),
    "length with a fraction": fails("/cl-fraction", "http_protocol"),
    "length of two numbers": fails("/cl-two-numbers", "http_protocol"),
    "empty length": fails("/cl-empty", "http_protocol"),
    "length with leading zeros": succeeds("/cl-zeros"),
    "space before the colon of the length": fails("/cl-space-before-colon", "http_protocol"),
    "length folded": fails("/cl-folded", "http_protocol"),
    "length continued by a fold": fails("/cl-fold-continues", "http_protocol"),
}

CHUNKS = {
    "length and chunked": succeeds("/cl-and-te", reused=False),
    "chunked in HTTP/1.0": succeeds("/te-http10", reused=False),
    "unknown transfer coding": fails("/te-unknown", "http_protocol"),
    "transfer coding identity": fails("/te-identity", "http_protocol"),
    "transfer codings gzip, chunked": fails("/te-gzip", "http_protocol"),
    "chunked twice": fails("/te-twice", "http_protocol"),
    "chunked twice in a list": fails("/te-list-twice", "http_protocol"),
    "chunked is not last": fails("/te-not-last", "http_protocol"),
    "CHUNKED in capitals": succeeds("/te-capitals"),
    "chunked between tabs": succeeds("/te-tab"),
    "chunked behind a vertical tab": fails("/te-vertical-tab", "http_protocol"),
    "xchunked": fails("/te-almost", "http_protocol"),
    "space before the colon of the transfer coding": fails("/te-space-before-colon", "http_protocol"),
    "transfer coding folded": fails("/te-folded", "http_protocol"),
    "chunk size zz": fails("/chunk-size-letters", "http_protocol", 200),
    "chunk size +3": fails("/chunk-size-plus", "http_protocol", 200),
    "chunk size -3": fails("/chunk-size-minus", "http_protocol", 200),
    "chunk size behind a space": fails("/chunk-size-space-before", "http_protocol", 200),
    "chunk size before spaces": succeeds("/chunk-size-space-behind"),
    "chunk size empty": fails("/chunk-size-empty", "http_protocol", 200),
    "chunk size A": succeeds("/chunk-size-capital", size=10),
    "chunk size with leading zeros": succeeds("/chunk-size-zeros"),
    "chunk size beyond 64 bits": fails("/chunk-size-overflow", "http_protocol", 200),
    "chunk size that wraps to 3": fails("/chunk-size-wraps", "http_protocol", 200),
    "chunk extensions": succeeds("/chunk-extensions"),
    "chunk lines end in LF": succeeds("/chunk-bare-lf", reused=False),
    "a chunk ends in LF": succeeds("/chunk-bare-lf-behind-data", reused=False),
    "chunk size 0x3": fails("/chunk-size-0x3", "http_protocol", 200),
    "chunk size 3g": fails("/chunk-size-3g", "http_protocol", 200),
    "chunk size, then garbage": fails("/chunk-size-garbage", "http_protocol", 200),
    "chunk size 3,3": fails("/chunk-size-comma", "http_protocol", 200),
    "chunk size, then two CRs": fails("/chunk-size-two-crs", "http_protocol", 200),
    "chunk size, then CR alone": fails("/chunk-size-cr", "http_protocol", 200),
    "chunk size, then NUL": fails("/chunk-size-nul", "http_protocol", 200),
    "last chunk 0garbage": fails("/chunk-last-junk", "http_protocol", 200, size=3),
    "CR alone in a chunk extension": fails("/chunk-extension-cr", "http_protocol", 200),
    "ends inside a chunk": passes("/chunk-eof", "truncated_body", 200, size=3),
    "ends inside a chunk size": passes("/chunk-eof-in-size", "truncated_body", 200, size=3),
    "no last chunk": passes("/chunk-no-end", "truncated_body", 200, size=3),
    "ends before the line behind the last chunk": passes("/chunk-no-last-line", "truncated_body", 200, size=3),
    "chunk without its CRLF": fails("/chunk-no-crlf", "http_protocol", 200, size=3),
    "chunk longer than it says": fails("/chunk-longer-than-said", "http_protocol", 200, size=3),
    "more bytes behind the last chunk": succeeds("/chunk-surplus", reused=None),
    "framing fields in the trailer": succeeds("/trailer-framing"),
    "folded trailer": succeeds("/trailer-folded"),
    "trailer begins with a space": fails("/trailer-blank-first", "http_protocol", 200, size=3),
    "trailer line of 8 KB": fails("/trailer-line-of-8k", "header_too_large", 200, size=3),
    "trailer without colon": fails("/trailer-no-colon", "http_protocol", 200, size=3),
}

CODINGS = {
    "gzip": succeeds("/gzip", size=TEXT_BYTES),
    "x-gzip": succeeds("/gzip-x", size=TEXT_BYTES),
    "GZip": succeeds("/gzip-capitals", size=TEXT_BYTES),
    "deflate": succeeds("/deflate", size=TEXT_BYTES),
    "deflate without zlib wrapper": succeeds("/deflate-raw", size=TEXT_BYTES),
    "brotli": succeeds("/br", size=TEXT_BYTES),
    "zstd": succeeds("/zstd", size=TEXT_BYTES),
    "zstd, two frames": succeeds("/zstd-frames", size=TEXT_BYTES),
    "gzip to the end of the connection": succeeds("/gzip-to-eof", size=TEXT_BYTES, reused=False),
    "gzip twice": succeeds("/gzip-twice", size=TEXT_BYTES),
    "gzip twice, in two fields": succeeds("/gzip-in-two-fields", size=TEXT_BYTES),
    "gzip, then brotli": succeeds("/gzip-and-br", size=TEXT_BYTES),
    "gzip four times": fails("/gzip-four-times", "content_encoding", 200),
    "gzip of two members": succeeds("/gzip-members", size=TEXT_BYTES),
    "gzip, the second member cut": fails("/gzip-second-member-cut", "content_encoding", 200, size=range(100), reused=True),
    "gzip, then garbage": succeeds("/gzip-then-garbage", size=TEXT_BYTES),
    "gzip, then zeros": succeeds("/gzip-then-zeros", size=TEXT_BYTES),
    "gzip, empty body": succeeds("/gzip-empty", size=0),
    "gzip cut short": fails("/gzip-truncated", "content_encoding", 200, size=range(46), reused=True),
    "gzip cut in its header": fails("/gzip-cut-in-header", "content_encoding", 200, reused=True),
    "gzip with a wrong checksum": fails("/gzip-corrupt", "content_encoding", 200, size=range(46)),
    "part of a gzip (206)": succeeds("/gzip-partial", 206, size=16),
    "deflate cut short": fails("/deflate-cut", "content_encoding", 200, size=range(46), reused=True),
    "deflate without wrapper cut short": fails("/deflate-raw-cut", "content_encoding", 200, size=range(46), reused=True),
    "brotli cut short": fails("/br-cut", "content_encoding", 200, size=range(46), reused=True),
    "brotli without its end": fails("/br-no-end", "content_encoding", 200, size=range(46), reused=True),
    "zstd cut short": fails("/zstd-cut", "content_encoding", 200, size=range(46), reused=True),
    "zstd that wants 2 GiB of memory": fails("/zstd-window", "content_encoding", 200),
    "says gzip, sends plain": fails("/says-gzip-sends-plain", "content_encoding", 200),
    "says brotli, sends gzip": fails("/says-br-sends-gzip", "content_encoding", 200, size=range(46)),
    "unknown content coding": succeeds("/coding-unknown", size=6),
    "unknown content coding, then gzip": succeeds("/coding-unknown-and-gzip", size=range(40, 80)),
    "content coding identity": succeeds("/coding-identity", size=TEXT_BYTES),
    "empty content coding": succeeds("/coding-empty", size=TEXT_BYTES),
}

WHERE = range(20, 100)  # the body of /ok names who was asked for what
REDIRECTS = {
    "302 without Location": succeeds("/redirect-none", 302),
    "302 with an empty Location": succeeds("/redirect-empty", 302),
    "300 with Location": succeeds("/redirect-300", 300),
    "304 with Location": succeeds("/redirect-304", 304, size=0),
    "305 with Location": succeeds("/redirect-305", 305),
    "306 with Location": succeeds("/redirect-306", 306),
    "201 with Location": succeeds("/redirect-201", 201),
    "308": succeeds("/redirect-permanently", size=WHERE),
    "Location with a space": succeeds("/redirect-space", size=WHERE),
    "Location in UTF-8": succeeds("/redirect-utf8", size=WHERE),
    "Location in latin-1": succeeds("/redirect-latin1", size=WHERE),
    "Location with a fragment": succeeds("/redirect-fragment", size=WHERE),
    "Location relative to the page": succeeds("/redirect-relative", size=WHERE),
    "Location with dots above the root": succeeds("/redirect-dots", size=WHERE),
    "Location between tabs": succeeds("/redirect-tabs-around", size=WHERE),
    "the same Location twice": succeeds("/redirect-twice-the-same", size=WHERE),
    "two Locations": fails("/redirect-two-places", "redirect_invalid", 302),
    "Location that is no URL": fails("/redirect-unparsable", "redirect_invalid", 302, size=HI, reused=True),
    "Location without a host": fails("/redirect-no-host", "redirect_invalid", 302, size=HI, reused=True),
    "Location with port 70000": fails("/redirect-port-70000", "redirect_invalid", 302, size=HI, reused=True),
    "Location with port 0": fails("/redirect-port-0", "redirect_invalid", 302, size=HI, reused=True),
    "Location with a password": fails("/redirect-userinfo", "redirect_invalid", 302, size=HI, reused=True),
    "Location with backslashes": fails("/redirect-backslash", "redirect_invalid", 302, size=HI, reused=True),
    "Location with a NUL in the host": fails("/redirect-nul-escaped-host", "redirect_invalid", 302, size=HI, reused=True),
    "Location with a space in the host": fails("/redirect-space-in-host", "redirect_invalid", 302, size=HI, reused=True),
    "Location of 90 KB": fails("/redirect-long", "redirect_invalid", 302, size=HI, reused=True),
    "redirects to itself": fails("/redirect-self", "too_many_redirects", 302, reused=True),
    "two hosts redirect to each other": fails("/redirect-to-and-fro", "too_many_redirects", 302, reused=None),
    "redirects to file:": fails("/redirect-file", "redirect_scheme", 302, size=HI, reused=True),
    "redirects to gopher:": fails("/redirect-gopher", "redirect_scheme", 302, size=HI, reused=True),
    "redirects to ftp:": fails("/redirect-ftp", "redirect_scheme", 302, size=HI, reused=True),
    "redirects to javascript:": fails("/redirect-javascript", "redirect_scheme", 302, size=HI, reused=True),
    "redirects to data:": fails("/redirect-data", "redirect_scheme", 302, size=HI, reused=True),
    "redirects to the metadata service": fails("/redirect-metadata", "blocked_address", reused=True),
    "redirects to a decimal address": fails("/redirect-decimal", "blocked_address", reused=True),
    "redirects to an octal address": fails("/redirect-octal", "blocked_address", reused=True),
    "redirects to an address in hex": fails("/redirect-hex", "blocked_address", reused=True),
    "redirects to a mapped address": fails("/redirect-mapped", "blocked_address", reused=True),
    "redirects to //169.254.169.254/": fails("/redirect-scheme-relative", "blocked_address", reused=True),
    "redirects to a name inside": fails("/redirect-private-name", "blocked_address", reused=True),
    "redirects to a mail server": fails("/redirect-mail-port", "blocked_port", reused=True),
    "redirect with half a body": succeeds("/redirect-body-cut", size=WHERE, reused=None),
    "redirect with a broken body": succeeds("/redirect-body-broken", size=WHERE, reused=None),
    "redirect with a chunk size 0x3": succeeds("/redirect-chunk-junk", size=WHERE, reused=None),
    "redirect with a huge body": succeeds("/redirect-body-huge", size=WHERE, reused=None),
    "redirect with an endless body": succeeds("/redirect-endless-body", size=WHERE, reused=None),
    "redirect whose body never comes": succeeds("/redirect-then-nothing", size=WHERE, reused=None, options=STALLS),
    "redirect cut in its headers": passes("/redirect-head-cut", "truncated_body"),
    "redirect with two lengths": fails("/redirect-two-lengths", "http_protocol"),
}

TLS = {
    "TLS, self-signed": fails("/ok", "tls_verify", port="tls_self_signed"),
    "TLS, unverified on request": succeeds("/fixed-ok", port="tls_self_signed", options={"verify_tls": False}),
    "TLS, expired": fails("/ok", "tls_verify", port="tls_expired"),
    "TLS, wrong host": fails("/ok", "tls_verify", port="tls_wrong_host"),
    "TLS asked of a plain server": passes("/ok", "tls_handshake", port="tls_plain"),
    "TLS handshake stalls": passes("/ok", "connect_timeout", port="tls_stall", options={"connect_timeout_ms": 3000}),
    "TLS handshake cut": passes("/ok", "tls_handshake", port="tls_close"),
    "TLS handshake cut in a record": passes("/ok", "tls_handshake", port="tls_half"),
    "TLS handshake of garbage": passes("/ok", "tls_handshake", port="tls_garbage"),
    "TLS handshake refused by an alert": passes("/ok", "tls_handshake", port="tls_alert"),
    "TLS handshake dribbled": succeeds("/fixed-ok", port="tls_dribbled"),
    "TLS 1.1 only": passes("/ok", "tls_handshake", port="tls_1_1"),
    "TLS for the name asked for": succeeds("/fixed-ok", port="tls_named", host="localhost"),
    "TLS for another name only": passes("/ok", "tls_handshake", port="tls_named"),
    "TLS asks for a client's certificate": passes("/ok", "tls_handshake", port="tls_client_cert"),
    "TLS ends without close_notify, length known": succeeds("/close?abrupt=1", size=13, reused=False, port="tls"),
    "TLS ends without close_notify, length unknown": succeeds("/abrupt-body?abrupt=1", size=13, reused=False, port="tls"),
    "TLS ends with close_notify, length unknown": succeeds("/abrupt-body", size=13, reused=False, port="tls"),
}


# What ends a whole connection is told no better by libcurl, over however many attempts.
LOST = ("empty_reply", "connection_reset", "truncated_body")


def h2(name, row=succeeds, *args, **more):
    return row(name, *args, port="tls_h2", **more)


HTTP2 = {
    "HTTP/2": h2("fine"),
    "HTTP/2, odd but legal": h2("padded-and-odd"),
    "HTTP/2, trailers": h2("trailers"),
    "HTTP/2, 103 then 200": h2("early-hints"),
    "HTTP/2, headers in three frames": h2("cut-in-continuations"),
    "HTTP/2, gzip": h2("gzipped"),
    "HTTP/2, a stream refused once": h2("refused-once"),
    "HTTP/2, streams refused always": h2("refused-always", passes, "empty_reply"),
    "HTTP/2, a stream reset at once": h2("reset-at-once", passes, "connection_reset"),
    "HTTP/2, a stream reset in its body": h2("reset-in-body", passes, "truncated_body", statuses=(None, 200), size=range(4),
                                              codes=("truncated_body", "connection_reset")),
    "HTTP/2, a stream reset in an endless body": h2("reset-in-endless-body", passes, "truncated_body", statuses=(None, 200),
                                                    size=range(4), codes=("truncated_body", "connection_reset")),
    "HTTP/2, a stream reset for calm": h2("reset-to-calm", passes, "connection_reset"),
    "HTTP/2, asks for HTTP/1.1": h2("reset-for-http-1-1", fails, "http_protocol"),
    "HTTP/2, a stream reset after the answer": h2("reset-after-answer"),
    "HTTP/2, a connection winds down once": h2("goaway-once"),
    "HTTP/2, connections wind down always": h2("goaway-always", passes, "connection_reset"),
    "HTTP/2, a connection winds down with the answer": h2("goaway-with-answer", reused=False),
    "HTTP/2, a connection winds down in a body": h2("goaway-in-body", passes, "truncated_body", 200, size=3),
    "HTTP/2, a connection winds down, the answer goes on": h2("goaway-then-all", reused=False),
    "HTTP/2, a connection winds down in an endless body": h2("goaway-in-endless-body", passes, "truncated_body",
                                                             statuses=(None, 200), size=range(4), codes=LOST),
    "HTTP/2, a connection will wind down": h2("goaway-for-a-stream-to-come", reused=False),
    "HTTP/2, hangs up": h2("hangs-up", passes, "empty_reply"),
    "HTTP/2, hangs up in headers": h2("hangs-up-in-headers", passes, "empty_reply"),
    "HTTP/2, hangs up in a body": h2("hangs-up-in-body", passes, "truncated_body", 200, size=3),
    "HTTP/2, hangs up in a frame": h2("hangs-up-in-frame", passes, "truncated_body", 200, size=range(90)),
    "HTTP/2, hangs up as a connection is used again": h2("hangs-up-on-reuse", reused=False),
    "HTTP/2, never replies": h2("never", passes, "timeout_first_byte", options=SHORT),
    "HTTP/2, pings for ever": h2("pings-for-ever", passes, "timeout_first_byte", options=SHORT),
    "HTTP/2, stalls in the body": h2("stalls-in-body", passes, "timeout_stall", 200, size=3, options=STALLS),
    "HTTP/2, endless body": h2("endless-body", fails, "body_too_large", 200, size=LARGE, options=SMALL),
    "HTTP/2, endless 103": h2("endless-hints", fails, "header_too_large"),
    "HTTP/2, endless headers": h2("endless-continuations", passes, "empty_reply", codes=LOST),
    "HTTP/2, endless empty header frames": h2("endless-empty-continuations", passes, "empty_reply", codes=LOST),
    "HTTP/2, 400 KB of headers": h2("many-headers", passes, "empty_reply", codes=LOST),
    "HTTP/2, header bomb": h2("hpack-bomb", passes, "empty_reply", codes=LOST),
    "HTTP/2, endless empty pieces": h2("endless-empty-data", passes, "timeout_stall", 200, options=STALLS,
                                       statuses=(None, 200), codes=("timeout_stall", *LOST)),
    "HTTP/2, endless priorities": h2("endless-priorities", passes, "timeout_first_byte", options=SHORT,
                                     codes=("timeout_first_byte", *LOST)),
    "HTTP/2, endless settings": h2("endless-settings", passes, "timeout_first_byte", options=SHORT,
                                   codes=("timeout_first_byte", *LOST)),
    "HTTP/2, endless padding": h2("endless-padding", fails, "body_too_large", 200, size=LARGE, options={"max_body_bytes": 20_000}),
    "HTTP/2, 500 settings first": h2("five-hundred-settings"),
    "HTTP/2, 500 pings first": h2("five-hundred-pings"),
    "HTTP/2, answers in HTTP/1.1": h2("answers-http-1", passes, "empty_reply", codes=LOST),
    "HTTP/2, garbage": h2("garbage", passes, "empty_reply", codes=LOST),
    "HTTP/2, ends before its length": h2("length-too-long", fails, "http_protocol", statuses=(None, 200), size=range(4)),
    "HTTP/2, more bytes than its length": h2("length-too-short", fails, "http_protocol", statuses=(None, 200), size=range(4)),
    "HTTP/2, two lengths": h2("two-lengths", fails, "http_protocol"),
    "HTTP/2, no status": h2("no-status", fails, "http_protocol"),
    "HTTP/2, two statuses": h2("two-statuses", fails, "http_protocol"),
    "HTTP/2, status abc": h2("status-letters", fails, "http_protocol"),
    "HTTP/2, 101": h2("status-101", fails, "http_protocol"),
    "HTTP/2, capitals in a header name": h2("capital-field", fails, "http_protocol"),
    "HTTP/2, Connection": h2("connection-field", fails, "http_protocol"),
    "HTTP/2, Transfer-Encoding": h2("transfer-encoding", fails, "http_protocol"),
    "HTTP/2, line end in a value": h2("line-end-in-value", fails, "http_protocol"),
    "HTTP/2, headers that cannot be decoded": h2("bad-hpack", passes, "empty_reply", codes=LOST),
    "HTTP/2, a frame too large, with a length": h2("frame-too-large-of-a-length", passes, "truncated_body", 200,
                                                   statuses=(None, 200), codes=LOST),
    "HTTP/2, trailers that do not end": h2("trailers-without-end", fails, "http_protocol", statuses=(None, 200), size=range(4)),
    "HTTP/2, ends with headers that name a length": h2("ends-with-headers-of-a-length", fails, "http_protocol"),
    "HTTP/2, 204 with a body": h2("no-content-with-body", fails, "http_protocol", statuses=(None, 204), size=range(4)),
    "HTTP/2, body before headers": h2("data-before-headers", passes, "empty_reply", codes=LOST),
    "HTTP/2, body after its end": h2("data-after-end"),
    "HTTP/2, headers for no request": h2("headers-on-idle-stream", passes, "empty_reply", codes=LOST),
    "HTTP/2, pushes unasked": h2("pushes", passes, "empty_reply", codes=LOST),
    "HTTP/2, a window that overflows": h2("window-overflow", passes, "empty_reply", codes=LOST),
    "HTTP/2, settings of five bytes": h2("bad-settings", passes, "empty_reply", codes=LOST),
}

SECTIONS = {"Honest servers": HONEST, "Connections": CONNECTIONS, "Time": TIME, "Too much": TOO_MUCH,
            "Status line and interim answers": STATUS_LINE, "Answers without a body": NO_BODY,
            "Header fields": FIELDS, "Length": LENGTHS, "Transfer coding": CHUNKS, "Content coding": CODINGS,
            "Redirects": REDIRECTS, "TLS": TLS, "HTTP/2": HTTP2}
BEHAVIOURS = {name: row for section in SECTIONS.values() for name, row in section.items()}


def line_of(name, row):
    """What a row ends as, where it depends on cuts all that it may end as."""
    size = "" if isinstance(row.size, range) else f"{row.size} B"
    kept = f"x{row.attempts}" if row.attempts > 1 else "kept" if row.reused else ""
    what = " or ".join(code or row.state for code in row.allowed_codes)
    statuses = " or ".join(str(status or "-") for status in row.allowed_statuses)
    return f"  {name:<52} {' '.join(part for part in (what, statuses, size, kept) if part)}"


def table_of_behaviours():
    lines = []
    for title, rows in SECTIONS.items():
        lines += [title, *(line_of(name, row) for name, row in rows.items()), ""]
    return lines[:-1]
