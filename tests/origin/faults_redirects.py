# SPDX-License-Identifier: MIT
"""Redirects that lead astray: where a Location points, and what comes with it."""
from faults import CLOSE, KEEP, fixed_plays, with_body
from plays import play

FOUND = b"HTTP/1.1 302 Found"


def to(*locations, status=FOUND):
    return with_body(*[b"Location: " + where for where in locations], status=status)


fixed_plays({
    # no redirect after all
    "redirect-none": (with_body(status=FOUND), KEEP),
    "redirect-empty": (to(b""), KEEP),
    "redirect-300": (to(b"/ok", status=b"HTTP/1.1 300 Multiple Choices"), KEEP),
    "redirect-304": (b"HTTP/1.1 304 Not Modified\r\nLocation: /ok\r\n\r\n", KEEP),
    "redirect-305": (to(b"/ok", status=b"HTTP/1.1 305 Use Proxy"), KEEP),
    "redirect-306": (to(b"/ok", status=b"HTTP/1.1 306 Switch Proxy"), KEEP),
    "redirect-201": (to(b"/status/404", status=b"HTTP/1.1 201 Created"), KEEP),
    # odd, but clear
    "redirect-space": (to(b"/ok?a b"), KEEP),
    "redirect-utf8": (to("/ok?café".encode()), KEEP),
    "redirect-latin1": (to(b"/ok?caf\xe9"), KEEP),
    "redirect-fragment": (to(b"/ok#there"), KEEP),
    "redirect-relative": (to(b"a/./b/../../ok"), KEEP),
    "redirect-dots": (to(b"/../../../ok"), KEEP),
    "redirect-tabs-around": (to(b"\t/ok\t"), KEEP),
    "redirect-twice-the-same": (to(b"/ok", b"/ok"), KEEP),
    "redirect-permanently": (to(b"/ok", status=b"HTTP/1.1 308 Permanent Redirect"), KEEP),
    # nowhere
    "redirect-two-places": (to(b"/ok", b"/status/404"), KEEP),
    "redirect-unparsable": (to(b"http://[::zz/"), KEEP),
    "redirect-no-host": (to(b"http:///ok"), KEEP),
    "redirect-port-70000": (to(b"http://127.0.0.1:70000/"), KEEP),
    "redirect-port-0": (to(b"http://127.0.0.1:0/"), KEEP),
    "redirect-userinfo": (to(b"http://user:secret@127.0.0.1/"), KEEP),
    "redirect-backslash": (to(b"\\\\127.0.0.1\\ok"), KEEP),
    "redirect-nul-escaped-host": (to(b"http://exam%00ple.com/"), KEEP),
    "redirect-space-in-host": (to(b"http://exam ple.com/"), KEEP),
    "redirect-long": (to(b"/" + b"l" * 90_000), KEEP),
    # where nobody may go
    "redirect-file": (to(b"file:///etc/passwd"), KEEP),
    "redirect-gopher": (to(b"gopher://127.0.0.1/"), KEEP),
    "redirect-ftp": (to(b"ftp://127.0.0.1/"), KEEP),
    "redirect-javascript": (to(b"javascript:alert(1)"), KEEP),
    "redirect-data": (to(b"data:text/html,hello"), KEEP),
    "redirect-metadata": (to(b"http://169.254.169.254/latest/meta-data/"), KEEP),
    "redirect-decimal": (to(b"http://2852039166/"), KEEP),
    "redirect-octal": (to(b"http://0251.0376.0251.0376/"), KEEP),
    "redirect-hex": (to(b"http://0xa9fea9fe/"), KEEP),
    "redirect-mapped": (to(b"http://[::ffff:169.254.169.254]/"), KEEP),
    "redirect-scheme-relative": (to(b"//169.254.169.254/"), KEEP),
    "redirect-private-name": (to(b"http://private.test/"), KEEP),
    "redirect-mail-port": (to(b"http://127.0.0.1:25/"), KEEP),
    # the answer that redirects is broken, the way is clear
    "redirect-body-cut": (with_body(b"Location: /ok", b"Content-Length: 100", length=False, status=FOUND), CLOSE),
    "redirect-body-broken": (with_body(b"Location: /ok", b"Transfer-Encoding: chunked", length=False, body=b"zz\r\n",
                                       status=FOUND), KEEP),
    "redirect-body-huge": (with_body(b"Location: /ok", b"Content-Length: 99999999999", length=False, status=FOUND), KEEP),
    # the head that redirects is broken, and so is the way
    "redirect-head-cut": (FOUND + b"\r\nLocation: /o", CLOSE),
    "redirect-two-lengths": (with_body(b"Location: /ok", b"Content-Length: 3", b"Content-Length: 2", length=False,
                                       status=FOUND), KEEP),
})


@play("redirect-self")
async def redirect_self(x):
    await x.reply(302, headers=[("Location", x.request.target)])


@play("redirect-to-and-fro")
async def redirect_to_and_fro(x):
    """Two hosts of this server send each other the visitor."""
    host = x.request.header("host")
    name, _, port = host.partition(":")
    other = name.removeprefix("ok-other-") if name.startswith("ok-other-") else "ok-other-" + name
    await x.reply(302, headers=[("Location", f"//{other}:{port}{x.request.target}")])


@play("redirect-endless-body")
async def redirect_endless_body(x):
    await x.raw(FOUND + b"\r\nLocation: /ok\r\n\r\n")
    await x.endless(b"r" * 65536)


@play("redirect-then-nothing")
async def redirect_then_nothing(x):
    """The head is whole; its body never comes."""
    await x.raw(FOUND + b"\r\nLocation: /ok\r\nContent-Length: 10\r\n\r\n")
    await x.until_client_leaves()
