# SPDX-License-Identifier: MIT
"""HTTP/2 spoken frame by frame (RFC 9113), well or badly: the name a client asks for in TLS says what is played.

The label ok-17-cut-h2-NAME plays NAME, its output cut as `cut` says. A play gets one request; header blocks of
requests are not decoded, so a play cannot know what was asked for, only that it was, and for the how-manieth time.
"""
import asyncio
import gzip
import random
import struct

from exchange import IDLE_LIMIT_S, put, send_paced

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM, HTTP_1_1_REQUIRED = 0, 2, 7, 8, 11, 13
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE_BYTES = 24

PLAYS = {}


def play(function):
    PLAYS[function.__name__.replace("_", "-")] = function
    return function


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def field(name, value):
    """One field, literal and not indexed (RFC 7541 §6.2.2); names and values below 127 bytes."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def block(status, *fields):
    return field(b":status", b"%d" % status) + b"".join(field(*f) for f in fields)


class Http2:
    """One connection."""

    def __init__(self, origin, reader, stream, number):
        self._origin, self._reader, self._stream, self._number = origin, reader, stream, number
        self._label = stream.server_name.split(".")[0]
        parts = self._label.split("-", 4)
        self._pace = parts[2] if len(parts) == 5 else "whole"
        self._play = PLAYS.get(parts[-1], fine)
        self._random = random.Random(self._label)
        self._tasks = []

    async def send(self, *frames):
        await send_paced(self._stream, b"".join(frames), self._pace, self._random)

    async def flood(self, frames, pause_s=0):
        while True:
            await put(self._stream, frames)
            await asyncio.sleep(pause_s)  # others have their turn, too

    async def serve(self):
        await self._reader.readexactly(PREFACE_BYTES)
        await self.send(frame(SETTINGS, 0, 0))
        while True:
            head = await self._reader.readexactly(9)
            payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind == SETTINGS and not flags & ACK:
                await self.send(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                await self.send(frame(PING, ACK, 0, payload))
            elif kind == HEADERS:
                self._tasks.append(asyncio.create_task(self._answer(stream)))

    async def _answer(self, stream):
        log = self._origin.log
        entry = {"t": asyncio.get_running_loop().time(), "host": self._stream.server_name, "connection": self._number,
                 "method": "", "target": f"/h2/{self._label}", "tag": "", "headers": []}
        log.begin(entry)
        try:
            await self._play(Answer(self, stream, self._origin.count("h2/" + self._label)))
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            log.end(entry)

    def end(self, politely=True):
        for task in self._tasks:
            task.cancel()
        self._stream.close(politely)


class Answer:
    """What one stream says; `nth` counts the requests for this name."""

    def __init__(self, connection, stream, nth):
        self.connection, self.stream, self.nth = connection, stream, nth
        self.send, self.flood = connection.send, connection.flood

    def headers(self, status=200, *fields, end=False):
        return frame(HEADERS, END_HEADERS | end, self.stream, block(status, *fields))

    def data(self, data, end=True):
        return frame(DATA, int(end), self.stream, data)

    def reset(self, code):
        return frame(RST_STREAM, 0, self.stream, struct.pack("!I", code))

    def goaway(self, last, code):
        return frame(GOAWAY, 0, 0, struct.pack("!II", last, code))

    def whole(self, body=b"hi\n"):
        return self.headers(200, (b"content-length", b"%d" % len(body))) + self.data(body)

    def hang_up(self):
        self.connection.end()


@play
async def fine(a):
    await a.send(a.whole())


@play
async def padded_and_odd(a):
    """Padding, a priority, a ping, an unknown frame and an unknown setting: all of it legal."""
    odd = frame(SETTINGS, 0, 0, struct.pack("!HI", 0xff, 7)) + frame(0xee, 0xff, a.stream, b"what?")
    padded = frame(HEADERS, END_HEADERS | 8 | 0x20, a.stream, b"\x05" + b"\0\0\0\0\x10" + block(200) + bytes(5))
    await a.send(odd, frame(PING, 0, 0, bytes(8)), padded, frame(DATA, 8, a.stream, b"\x04hi\n" + bytes(4)),
                 frame(DATA, END_STREAM, a.stream))


@play
async def trailers(a):
    await a.send(a.headers(), a.data(b"hi\n", end=False),
                 frame(HEADERS, END_HEADERS | END_STREAM, a.stream, field(b"x-last", b"yes")))


@play
async def early_hints(a):
    await a.send(a.headers(103, (b"link", b"</a>")), a.whole())


@play
async def cut_in_continuations(a):
    whole = block(200, (b"x-long", b"l" * 100))
    await a.send(frame(HEADERS, 0, a.stream, whole[:10]), frame(CONTINUATION, 0, a.stream, whole[10:60]),
                 frame(CONTINUATION, END_HEADERS, a.stream, whole[60:]), a.data(b"hi\n"))


@play
async def gzipped(a):
    await a.send(a.headers(200, (b"content-encoding", b"gzip")), a.data(gzip.compress(b"hi\n")))


# -- streams refused and reset ------------------------------------------------------------------
@play
async def refused_once(a):
    await a.send(a.reset(REFUSED_STREAM) if a.nth == 1 else a.whole())


@play
async def refused_always(a):
    await a.send(a.reset(REFUSED_STREAM))


@play
async def reset_at_once(a):
    await a.send(a.reset(INTERNAL_ERROR))


@play
async def reset_in_body(a):
    await a.send(a.headers(200, (b"content-length", b"100")), a.data(b"abc", end=False), a.reset(CANCEL))


@play
async def reset_for_http_1_1(a):
    await a.send(a.reset(HTTP_1_1_REQUIRED))


@play
async def reset_after_answer(a):
    await a.send(a.whole(), a.reset(NO_ERROR))


@play
async def reset_in_endless_body(a):
    await a.send(a.headers(), a.data(b"abc", end=False), a.reset(CANCEL))


@play
async def reset_to_calm(a):
    await a.send(a.reset(ENHANCE_YOUR_CALM))


# -- connections that wind down -----------------------------------------------------------------
@play
async def goaway_once(a):
    """A graceful shutdown that meets a request on its way: it was not looked at, another connection takes it."""
    if a.nth > 1:
        await a.send(a.whole())
        return
    await a.send(a.goaway(0, NO_ERROR))
    await asyncio.sleep(0.05)
    a.hang_up()


@play
async def goaway_always(a):
    await a.send(a.goaway(0, ENHANCE_YOUR_CALM))
    a.hang_up()


@play
async def goaway_with_answer(a):
    await a.send(a.goaway(a.stream, NO_ERROR), a.whole())


@play
async def goaway_in_body(a):
    await a.send(a.headers(200, (b"content-length", b"100")), a.data(b"abc", end=False),
                 a.goaway(a.stream, INTERNAL_ERROR))
    a.hang_up()


@play
async def goaway_then_all(a):
    """No new requests, but this one is answered to its end."""
    await a.send(a.headers(), a.data(b"h", end=False), a.goaway(a.stream, NO_ERROR))
    await asyncio.sleep(0.05)
    await a.send(a.data(b"i\n"))


@play
async def goaway_in_endless_body(a):
    await a.send(a.headers(), a.data(b"abc", end=False), a.goaway(a.stream, INTERNAL_ERROR))
    a.hang_up()


@play
async def goaway_for_a_stream_to_come(a):
    """Announced long before, as graceful shutdowns are."""
    await a.send(a.goaway(0x7fffffff, NO_ERROR), a.whole())


@play
async def hangs_up(a):
    a.hang_up()


@play
async def hangs_up_in_headers(a):
    await a.send(frame(HEADERS, 0, a.stream, block(200)))
    a.hang_up()


@play
async def hangs_up_in_body(a):
    await a.send(a.headers(200), a.data(b"abc", end=False))
    a.hang_up()


@play
async def hangs_up_in_frame(a):
    await a.send(a.headers(200), a.data(b"abc" * 30)[:-20])
    a.hang_up()


@play
async def hangs_up_on_reuse(a):
    """The second request on a connection finds it ending."""
    if a.nth == 2:
        a.hang_up()
    else:
        await a.send(a.whole())


@play
async def answers_and_goes_mad(a):
    """A kept connection on which headers without end begin, some time after the answer."""
    await a.send(a.whole())
    await asyncio.sleep(0.1)
    await a.send(frame(HEADERS, 0, a.stream, block(200)), frame(CONTINUATION, 0, a.stream) * 20)


# -- time ---------------------------------------------------------------------------------------
@play
async def never(a):
    await asyncio.sleep(IDLE_LIMIT_S)


@play
async def stalls_in_body(a):
    await a.send(a.headers(200, (b"content-length", b"100")), a.data(b"abc", end=False))
    await asyncio.sleep(IDLE_LIMIT_S)


@play
async def pings_for_ever(a):
    """Alive, says the connection, and never answers."""
    while True:
        await a.send(frame(PING, 0, 0, bytes(8)))
        await asyncio.sleep(0.1)


# -- too much -----------------------------------------------------------------------------------
@play
async def endless_body(a):
    await a.send(a.headers(200))
    await a.flood(a.data(b"e" * 16384, end=False))


@play
async def endless_hints(a):
    await a.flood(a.headers(103, (b"link", b"</a>")) * 100)


@play
async def endless_continuations(a):
    await a.send(frame(HEADERS, 0, a.stream, block(200)))
    await a.flood(frame(CONTINUATION, 0, a.stream, field(b"x-more", b"m" * 100) * 100))


@play
async def endless_empty_continuations(a):
    await a.send(frame(HEADERS, 0, a.stream, block(200)))
    await a.flood(frame(CONTINUATION, 0, a.stream) * 1000)


@play
async def many_headers(a):
    fields = field(b"x-more", b"m" * 100) * 100
    await a.send(frame(HEADERS, 0, a.stream, block(200)))
    await a.send(frame(CONTINUATION, 0, a.stream, fields) * 39,
                 frame(CONTINUATION, END_HEADERS, a.stream, fields), a.data(b"hi\n"))


@play
async def hpack_bomb(a):
    """One entry of 4,000 bytes in the table, then named 16,000 times."""
    value = b"v" * 3900
    stored = b"\x40\x06x-bomb\x7f" + bytes([(len(value) - 127) % 128 | 128, (len(value) - 127) // 128]) + value
    await a.send(frame(HEADERS, END_HEADERS, a.stream, block(200) + stored + b"\xbe" * 12000), a.data(b"hi\n"))


@play
async def endless_empty_data(a):
    await a.send(a.headers())
    await a.flood(a.data(b"", end=False) * 100, pause_s=0.05)


@play
async def endless_priorities(a):
    await a.flood(frame(PRIORITY, 0, a.stream + 2, bytes(4) + b"\x10") * 100, pause_s=0.05)


@play
async def endless_settings(a):
    await a.flood(frame(SETTINGS, 0, 0) * 100, pause_s=0.05)


@play
async def endless_padding(a):
    """255 bytes of padding around each byte."""
    await a.send(a.headers())
    await a.flood(frame(DATA, 8, a.stream, b"\xffe" + bytes(255)) * 60)


@play
async def five_hundred_settings(a):
    await a.send(frame(SETTINGS, 0, 0) * 500, a.whole())


@play
async def five_hundred_pings(a):
    await a.send(frame(PING, 0, 0, bytes(8)) * 500, a.whole())


# -- what is no HTTP/2 --------------------------------------------------------------------------
@play
async def answers_http_1(a):
    await a.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n")


@play
async def garbage(a):
    await a.send(bytes(range(256)) * 4)


@play
async def length_too_long(a):
    await a.send(a.headers(200, (b"content-length", b"100")), a.data(b"hi\n"))


@play
async def length_too_short(a):
    await a.send(a.headers(200, (b"content-length", b"1")), a.data(b"hi\n"))


@play
async def two_lengths(a):
    await a.send(a.headers(200, (b"content-length", b"3"), (b"content-length", b"2")), a.data(b"hi\n"))


@play
async def no_status(a):
    await a.send(frame(HEADERS, END_HEADERS, a.stream, field(b"x-a", b"b")), a.data(b"hi\n"))


@play
async def two_statuses(a):
    await a.send(frame(HEADERS, END_HEADERS, a.stream, block(200) + block(404)), a.data(b"hi\n"))


@play
async def status_letters(a):
    await a.send(frame(HEADERS, END_HEADERS, a.stream, field(b":status", b"abc")), a.data(b"hi\n"))


@play
async def status_101(a):
    await a.send(a.headers(101), a.whole())


@play
async def capital_field(a):
    await a.send(a.headers(200, (b"X-Capital", b"a")), a.data(b"hi\n"))


@play
async def connection_field(a):
    await a.send(a.headers(200, (b"connection", b"close")), a.data(b"hi\n"))


@play
async def transfer_encoding(a):
    await a.send(a.headers(200, (b"transfer-encoding", b"chunked")), a.data(b"3\r\nhi\n\r\n0\r\n\r\n"))


@play
async def line_end_in_value(a):
    await a.send(a.headers(200, (b"x-a", b"b\r\nx-injected: c")), a.data(b"hi\n"))


@play
async def bad_hpack(a):
    await a.send(frame(HEADERS, END_HEADERS, a.stream, b"\xff\xff\xff\xff\xff\xff"), a.data(b"hi\n"))


@play
async def data_before_headers(a):
    await a.send(a.data(b"hi\n"))


@play
async def data_after_end(a):
    await a.send(a.whole(), a.data(b"poison\n"))


@play
async def headers_on_idle_stream(a):
    await a.send(frame(HEADERS, END_HEADERS | END_STREAM, a.stream + 10, block(200)))


@play
async def frame_too_large_of_a_length(a):
    await a.send(a.headers(200, (b"content-length", b"20000")), a.data(b"x" * 20000))


@play
async def trailers_without_end(a):
    await a.send(a.headers(), a.data(b"hi\n", end=False),
                 frame(HEADERS, END_HEADERS, a.stream, field(b"x-last", b"yes")), a.data(b"more"))


@play
async def ends_with_headers_of_a_length(a):
    await a.send(a.headers(200, (b"content-length", b"3"), end=True))


@play
async def no_content_with_body(a):
    await a.send(a.headers(204), a.data(b"hi\n"))


@play
async def pushes(a):
    """A promise although pushes are switched off."""
    await a.send(frame(PUSH_PROMISE, END_HEADERS, a.stream, struct.pack("!I", 2) + field(b":path", b"/")), a.whole())


@play
async def window_overflow(a):
    await a.send(frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 0x7fffffff)), a.whole())


@play
async def bad_settings(a):
    await a.send(frame(SETTINGS, 0, 0, b"12345"), a.whole())
