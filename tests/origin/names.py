# SPDX-License-Identifier: MIT
"""A scripted name server, on UDP and TCP: what a name resolves to is written in the name's first label.

    ok.test             127.0.0.1                      both.test       10.0.0.1 and 127.0.0.1
    private.test        10.0.0.1                       many.test       500 addresses, the first is 127.0.0.1
    nxdomain.test       no such name                   cname.test      an alias of ok.test
    nodata.test         no address                     loop.test       an alias of itself
    servfail.test       SERVFAIL                       rebind.test     127.0.0.1 once, then 10.0.0.1
    refused.test        REFUSED                        mapped.test     only AAAA ::ffff:10.0.0.1
    silent.test         never answered                 garbage.test    an answer that is no DNS message
    dual.test           ::1 and 127.0.0.1              late.test       127.0.0.1, after 0.6 s (UDP)

A first label such as "ok-7" plays "ok". TTLs are a second. Only A questions have addresses, but for `mapped` and `dual`.
What does not fit into a datagram is cut (TC), and asked for again over TCP.
"""
import asyncio
import ipaddress
import struct

A, CNAME, AAAA = 1, 5, 28
DATAGRAM_MAX = 1232
TRUNCATED = 0x0200
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
CODES = {"nxdomain": NXDOMAIN, "servfail": SERVFAIL, "refused": REFUSED}
LATE_S = 0.6
ADDRESSES = {"ok": ["127.0.0.1"], "late": ["127.0.0.1"], "private": ["10.0.0.1"], "both": ["10.0.0.1", "127.0.0.1"],
             "mapped": ["::ffff:10.0.0.1"], "dual": ["::1", "127.0.0.1"],
             "many": ["127.0.0.1"] + [f"127.{i // 200 + 1}.0.{i % 200 + 1}" for i in range(499)]}


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def read_question(data):
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += data[at] + 1
    kind, = struct.unpack_from("!H", data, at + 1)
    return ".".join(labels).lower(), kind, data[12:at + 5]


def record(name, kind, data):
    return encode_name(name) + struct.pack("!HHIH", kind, 1, 1, len(data)) + data


class NameServer:
    def __init__(self):
        self.asked = {}

    def reply(self, data, most):
        """The answer to the message `data` in at most `most` bytes, or None for silence."""
        name, kind, question = read_question(data)
        if kind == A:
            self.asked[name] = self.asked.get(name, 0) + 1
        play = name.split(".")[0].split("-")[0]
        if play == "silent":
            return None
        if play == "garbage":
            return data[:2] + b"\xff" * 40
        answers = self._answers(name, play, kind)
        whole = self._message(data, question, 0x8180 | CODES.get(play, NOERROR), answers)
        return whole if len(whole) <= most else self._message(data, question, 0x8180 | TRUNCATED, [])

    @staticmethod
    def _message(data, question, flags, answers):
        return data[:2] + struct.pack("!HHHHH", flags, 1, len(answers), 0, 0) + question + b"".join(answers)

    def _answers(self, name, play, kind):
        if play == "loop":
            return [record(name, CNAME, encode_name(name))]
        if play == "cname":
            target = "ok.test"
            found = [record(target, A, ipaddress.ip_address("127.0.0.1").packed)] if kind == A else []
            return [record(name, CNAME, encode_name(target)), *found]
        texts = ADDRESSES.get(play, [])
        if play == "rebind":
            texts = ["127.0.0.1"] if self.asked.get(name, 0) <= 1 else ["10.0.0.1"]
        addresses = [ipaddress.ip_address(text) for text in texts]
        return [record(name, kind, a.packed) for a in addresses if (a.version == 4) == (kind == A)]

    async def serve_stream(self, reader, writer):
        """DNS over TCP (RFC 7766): each message behind its length."""
        try:
            while True:
                length, = struct.unpack("!H", await reader.readexactly(2))
                reply = self.reply(await reader.readexactly(length), 65535)
                if reply:
                    writer.write(struct.pack("!H", len(reply)) + reply)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server):
        self._server = server

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, address):
        reply = self._server.reply(data, DATAGRAM_MAX)
        late = read_question(data)[0].split(".")[0].split("-")[0] == "late"
        if reply:
            asyncio.get_running_loop().call_later(LATE_S if late else 0, self._transport.sendto, reply, address)
