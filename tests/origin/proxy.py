# SPDX-License-Identifier: MIT
"""A small HTTP proxy: CONNECT and requests in absolute form. It leads every name to 127.0.0.1, as a proxy may that
knows names its clients do not, and keeps a log of what it was asked for."""
import asyncio
import threading

GONE = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError)


class Proxy:
    """Runs on a thread of its own until stop()."""

    def __init__(self, refuse=None, tls=None):
        self.asked = []  # request lines
        self.refuse = refuse  # a status to refuse everything with
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls))
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def stop(self):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self):
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line = head.split(b"\r\n")[0].decode("latin-1")
            self.asked.append(line)
            method, target, _ = line.split(" ", 2)
            if self.refuse:
                writer.write(f"HTTP/1.1 {self.refuse} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            elif method == "CONNECT":
                await self._tunnel(target, b"", b"HTTP/1.1 200 Connection established\r\n\r\n", reader, writer)
            else:
                authority, _, path = target.removeprefix("http://").partition("/")
                fields = [f for f in head.split(b"\r\n")[1:] if not f.lower().startswith(b"proxy-connection")]
                request = b"\r\n".join([f"{method} /{path} HTTP/1.1".encode(), *fields])
                await self._tunnel(authority, request, b"", reader, writer)
        except GONE:
            pass
        finally:
            writer.close()

    async def _tunnel(self, authority, first_up, first_down, reader, writer):
        port = int(authority.rpartition(":")[2])
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        up_writer.write(first_up)
        writer.write(first_down)
        await asyncio.gather(self._copy(reader, up_writer), self._copy(up_reader, writer))

    @staticmethod
    async def _copy(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except GONE:
            pass
        finally:
            writer.close()
