# SPDX-License-Identifier: MIT
"""What each behaviour of an origin server must end as: the table the tests run down.

A row is Behaviour(path, state, code, status, retryable). `options` are task options it needs to show itself
quickly; `port` names another port of the origin server than the plain one.
"""
from dataclasses import dataclass, field

SHORT = {"timeout_ms": 2500}
# Long enough for the daemon's stall_timeout, which the test sets to STALL_MS, to come first.
STALL_MS = 1500
STALLS = {"timeout_ms": 6000}


@dataclass(frozen=True)
class Behaviour:
    path: str
    state: str
    code: str | None = None
    status: int | None = None
    retryable: bool | None = False  # None: the contract does not say
    options: dict = field(default_factory=dict)
    port: str = "http"
    codes: tuple = ()  # where the contract allows more than one code

    @property
    def allowed_codes(self):
        return self.codes or (self.code,)


def succeeds(path, status=200, **more):
    return Behaviour(path, "succeeded", None, status, **more)


def fails(path, code, retryable=False, **more):
    return Behaviour(path, "failed", code, None, retryable, **more)


BEHAVIOURS = {
    # -- honest servers
    "normal": succeeds("/ok"),
    "empty body": succeeds("/size/0"),
    "no content": succeeds("/status/204", 204),
    "not modified, unasked": succeeds("/status/304", 304),
    "chunked with extensions and trailer": succeeds("/chunked/5000"),
    "slow but legal": succeeds("/delay/3000"),
    "closes after the answer": succeeds("/close"),
    "three redirects": succeeds("/redirect/3"),
    "not found": Behaviour("/status/404", "failed", "http_status", 404),
    "server error": Behaviour("/status/500", "failed", "http_status", 500, True),
    "too many requests": Behaviour("/status/429", "failed", "http_status", 429, True),
    "gzip": succeeds("/gzip"),
    "deflate": succeeds("/deflate"),
    "brotli": succeeds("/br"),
    "zstd": succeeds("/zstd"),
    # -- connections
    "accepts and closes": fails("/empty", "empty_reply", True),
    "resets before the reply": fails("/reset", "connection_reset", True),
    "resets inside the body": fails("/reset-in-body", "connection_reset", True),
    "refuses connections": fails("/", "connect_refused", True, port="closed"),
    "drops connection attempts": fails("/", "connect_timeout", True, port="blackhole",
                                       options={"connect_timeout_ms": 1000}),
    # -- time
    "never replies": fails("/never", "timeout_first_byte", True, options=SHORT),
    "stalls inside the status line": fails("/stall-status", "timeout_stall", True, options=STALLS),
    "stalls inside headers": fails("/stall-headers", "timeout_stall", True, options=STALLS),
    "stalls inside the body": fails("/stall-body", "timeout_stall", True, options=STALLS),
    "drips headers": fails("/drip-header", "timeout_stall", True, options=STALLS),
    "drips the body": fails("/drip-body", "timeout_stall", True, options=STALLS),
    # -- too much
    "endless body": fails("/endless-body", "body_too_large"),
    "endless chunks": fails("/endless-chunks", "body_too_large"),
    "endless headers": fails("/endless-headers", "header_too_large"),
    "endless status line": fails("/endless-status", "header_too_large"),
    "endless 103": fails("/endless-hints", "header_too_large"),
    "endless trailers": fails("/endless-trailers", "header_too_large"),
    "one header line of 2 MB": fails("/huge-header", "header_too_large"),
    "400 KB of headers": fails("/many-headers", "header_too_large"),
    "3,000 cookies": fails("/many-cookies", "header_too_large"),
    "trailer of 200 KB": fails("/huge-trailer", "header_too_large"),
    "announces more than allowed": fails("/cl-over/20000000", "body_too_large"),
    "announces more than 64 bits": fails("/cl-huge", "body_too_large"),
    "gzip bomb": fails("/gzip-bomb", "body_too_large"),
    # -- status line
    "100 then 200": succeeds("/continue-then-ok"),
    "103 then 200": succeeds("/early-hints-then-ok"),
    "status 000": fails("/status-000", "http_protocol"),
    "status 999": succeeds("/status-999", 999, options={"accept_status": "200-999"}),
    "status -20": fails("/status-negative", "http_protocol"),
    "status abc": fails("/status-letters", "http_protocol"),
    "status of four digits": fails("/status-four-digits", "http_protocol"),
    "HTTP/0.9": fails("/http09", "http_protocol"),
    "binary garbage": fails("/garbage", "http_protocol"),
    "SSH banner": fails("/says-ssh", "http_protocol"),
    "SSH server": fails("/", "http_protocol", port="ssh"),
    "SMTP banner": fails("/says-smtp", "http_protocol"),
    "SMTP server": fails("/", "http_protocol", port="smtp"),
    "HTTP/2 frames unasked": fails("/http2-frames", "http_protocol"),
    "HTTP/1.0 to the end of file": succeeds("/http10"),
    "HTTP/1.9": fails("/http19", "http_protocol"),
    # -- framing
    "bare LF": succeeds("/bare-lf"),
    "ends before its length": fails("/cl-short", "truncated_body", True),
    "more bytes than its length": succeeds("/cl-surplus"),
    "equal lengths twice": succeeds("/cl-twice"),
    "two lengths": fails("/cl-differ", "http_protocol"),
    "negative length": fails("/cl-negative", "http_protocol"),
    "length abc": fails("/cl-letters", "http_protocol"),
    "length and chunked": succeeds("/cl-and-te"),
    "unknown transfer coding": fails("/te-unknown", "http_protocol"),
    "chunk size zz": fails("/chunk-size-letters", "http_protocol"),
    "chunk size beyond 64 bits": fails("/chunk-size-overflow", "http_protocol"),
    "ends inside a chunk": fails("/chunk-eof", "truncated_body", True),
    "no last chunk": fails("/chunk-no-end", "truncated_body", True),
    "chunk without its CRLF": fails("/chunk-no-crlf", "http_protocol"),
    "ends inside the status line": fails("/eof-in-status", "truncated_body", True),
    "ends inside headers": fails("/eof-in-headers", "truncated_body", True),
    # -- header fields
    "header without colon": fails("/header-no-colon", "http_protocol"),
    "empty header name": succeeds("/header-empty-name"),
    "NUL in a header": fails("/header-nul", "http_protocol"),
    "header not in UTF-8": succeeds("/header-latin1"),
    "asks for Negotiate": succeeds("/basic-auth", 401, options={"accept_status": "200-499"}),
    # -- content coding
    "gzip cut short": fails("/gzip-truncated", "content_encoding"),
    "gzip with a wrong checksum": fails("/gzip-corrupt", "content_encoding"),
    "says gzip, sends plain": fails("/says-gzip-sends-plain", "content_encoding"),
    "unknown content coding": succeeds("/coding-unknown"),
    # -- redirects
    "redirects to itself": fails("/redirect-self", "too_many_redirects"),
    "redirects to file:": fails("/redirect-file", "redirect_scheme"),
    "redirects to gopher:": fails("/redirect-gopher", "redirect_scheme"),
    "redirects to the metadata service": fails("/redirect-metadata", "blocked_address"),
    "redirects to a decimal address": fails("/redirect-decimal", "blocked_address"),
    "302 without Location": succeeds("/redirect-none", 302),
    "Location that is no URL": fails("/redirect-unparsable", "redirect_invalid"),
    "Location of 90 KB": fails("/redirect-long", "redirect_invalid"),
    # -- TLS
    "TLS": succeeds("/ok", port="tls"),
    "TLS, self-signed": fails("/ok", "tls_verify", port="tls_self_signed"),
    "TLS, unverified on request": succeeds("/ok", port="tls_self_signed", options={"verify_tls": False}),
    "TLS, expired": fails("/ok", "tls_verify", port="tls_expired"),
    "TLS, wrong host": fails("/ok", "tls_verify", port="tls_wrong_host"),
    "TLS asked of a plain server": fails("/ok", "tls_handshake", None, port="tls_plain"),
    "TLS handshake stalls": fails("/ok", "connect_timeout", None, port="tls_stall",
                                  options={"connect_timeout_ms": 1000},
                                  codes=("connect_timeout", "tls_handshake")),
    "TLS handshake cut": fails("/ok", "tls_handshake", None, port="tls_close"),
    "TLS 1.1 only": fails("/ok", "tls_handshake", None, port="tls_1_1"),
}
