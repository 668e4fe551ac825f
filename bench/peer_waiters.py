#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An aiohttp server on which clients wait until something is cancelled, and nothing more.

Prints its port on 127.0.0.1; runs until standard input ends.
"""
import asyncio
import sys

from aiohttp import web

BATCH = {"id": "1", "name": None, "state": "finished", "priority": 5, "created_at": "2000-01-01T00:00:00.000Z",
         "started_at": None, "finished_at": "2000-01-01T00:00:01.000Z", "deadline_at": None,
         "cancel_requested_at": "2000-01-01T00:00:01.000Z",
         "counts": {"total": 1, "queued": 0, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 1, "expired": 0},
         "bytes_received": 0, "metadata": {}, "links": {"self": "/v1/batches/1", "results": "/v1/batches/1/results"}}


async def main():
    finished = asyncio.Event()

    async def wait(_request):
        await finished.wait()
        return web.json_response(BATCH)

    async def cancel(_request):
        finished.set()
        return web.json_response(BATCH)

    app = web.Application()
    app.add_routes([web.get("/v1/batches/1", wait), web.post("/v1/batches/1/cancel", cancel)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
