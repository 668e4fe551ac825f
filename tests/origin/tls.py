# SPDX-License-Identifier: MIT
"""TLS over one accepted connection, spoken by hand between two memory buffers.

asyncio's own TLS drops what is written while a connection winds down, without a word, so that an endless play would
never notice that its client has left. Here the socket is a plain stream, whose end every write notices; and what goes
out can be cut within a record, or end without close_notify.
"""
import asyncio
import ssl

from exchange import HEAD_LIMIT

GONE = (ConnectionError, asyncio.IncompleteReadError, TimeoutError, ssl.SSLError)


class TlsStream:
    """Plays the part of both asyncio streams for an Exchange: `reader` for what the client says, itself as the
    writer. `server_name` is what the client asked for, "" if it named nobody."""

    def __init__(self, context, reader, writer):
        self.reader = asyncio.StreamReader(limit=HEAD_LIMIT)
        self.server_name = ""
        self._from_wire, self._to_wire = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._from_wire, self._to_wire, server_side=True)
        self._tls.owner = self  # for the callback that learns the name
        self._wire_reader, self.wire = reader, writer
        self._pump = None

    # -- handshake ------------------------------------------------------------------------------
    async def handshake(self, bytes_at_once=None):
        """Raises one of GONE if there is no agreement."""
        done = False
        while not done:
            try:
                self._tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            finally:  # also the alert that says why not
                await self._put_on_wire(self._to_wire.read(), bytes_at_once)
            if not done:
                await self._take_from_wire()
        self._pump = asyncio.create_task(self._read_all())

    async def _put_on_wire(self, data, bytes_at_once):
        step = bytes_at_once or len(data) or 1
        for at in range(0, len(data), step):
            self.wire.write(data[at:at + step])
            await self.wire.drain()
            if bytes_at_once:
                await asyncio.sleep(0.001)

    async def _take_from_wire(self):
        data = await self._wire_reader.read(65536)
        if not data:
            raise ConnectionResetError
        self._from_wire.write(data)

    async def _read_all(self):
        try:
            while True:
                try:
                    data = self._tls.read(65536)
                    if not data:
                        break
                    self.reader.feed_data(data)
                except ssl.SSLWantReadError:
                    self.wire.write(self._to_wire.read())
                    await self._take_from_wire()
        except GONE:
            pass
        self.reader.feed_eof()

    @property
    def protocol(self):
        return self._tls.selected_alpn_protocol()

    # -- the writer -----------------------------------------------------------------------------
    def seal(self, data):
        """`data` as the bytes to put on the wire."""
        self._tls.write(data)
        return self._to_wire.read()

    def write(self, data):
        self.wire.write(self.seal(data))

    async def drain(self):
        await self.wire.drain()

    @property
    def transport(self):
        return self.wire.transport

    def get_extra_info(self, name):
        return self.wire.get_extra_info(name)

    def close(self, politely=True):
        """With close_notify, unless it is to look like a connection that was cut."""
        if self.wire.is_closing():
            return
        if self._pump:
            self._pump.cancel()
        try:
            if politely:
                self._tls.unwrap()
        except ssl.SSLError:
            pass  # the client's own close_notify has not come yet, and is not waited for
        self.wire.write(self._to_wire.read())
        self.wire.close()


def learn_names(context, known=None):
    """Keeps the name a client asks for (SNI); refuses all but `known`, if that is given."""
    def learn(tls, name, _):
        tls.owner.server_name = name or ""
        if known is not None and name not in known:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        return None
    context.sni_callback = learn
