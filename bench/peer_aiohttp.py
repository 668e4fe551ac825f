#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What gatherd replaces: asyncio.gather over aiohttp, as its users write it.

    peer_aiohttp.py [--connections N] [--ca-file FILE] [--database FILE] LIST

Fetches every URL of LIST, hashes each body, and with --database keeps status, headers and body in SQLite with
the daemon's durability. Prints the seconds from reading the list to the last commit as JSON.
"""
import argparse
import asyncio
import hashlib
import json
import sqlite3
import ssl
import time

import aiohttp

GROUP = 500


class Database:
    """Groups results into commits, each made on a thread so that the loop goes on."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.executescript("""
            PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
            CREATE TABLE result (id INTEGER PRIMARY KEY, url TEXT, status INTEGER, size INTEGER, sha256 BLOB,
                                 headers TEXT, finished_at REAL);
            CREATE TABLE body (id INTEGER PRIMARY KEY, data BLOB);""")
        self.queue = asyncio.Queue()

    def commit(self, rows):
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?)", [row[:7] for row in rows])
        self.db.executemany("INSERT INTO body VALUES (?, ?)", [(row[0], row[7]) for row in rows])
        self.db.execute("COMMIT")

    async def run(self):
        rows, more = [], True
        while more:
            rows = [await self.queue.get()]
            while len(rows) < GROUP and not self.queue.empty():
                rows.append(self.queue.get_nowait())
            if rows[-1] is None:
                rows.pop()
                more = False
            if rows:
                await asyncio.to_thread(self.commit, rows)


async def fetch(session, index, url, database):
    async with session.get(url) as answer:
        body = await answer.read()
        digest = hashlib.sha256(body).digest()
        if database:
            headers = json.dumps(list(answer.headers.items()))
            database.queue.put_nowait((index, url, answer.status, len(body), digest, headers, time.time(), body))
        return answer.status, len(body), digest


async def fetch_all(options, urls):
    tls = ssl.create_default_context(cafile=options.ca_file) if options.ca_file else None
    database = Database(options.database) if options.database else None
    writer = asyncio.create_task(database.run()) if database else None
    connector = aiohttp.TCPConnector(limit=options.connections, ssl=tls)
    async with aiohttp.ClientSession(connector=connector) as session:
        results = await asyncio.gather(*(fetch(session, i, url, database) for i, url in enumerate(urls)),
                                       return_exceptions=True)
    if database:
        database.queue.put_nowait(None)
        await writer
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("list")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--ca-file")
    parser.add_argument("--database")
    options = parser.parse_args()
    start = time.perf_counter()
    with open(options.list, encoding="utf-8") as lines:
        urls = lines.read().split()
    results = asyncio.run(fetch_all(options, urls))
    seconds = time.perf_counter() - start
    failed = [r for r in results if isinstance(r, BaseException) or r[0] != 200]
    if failed:
        raise SystemExit(f"{len(failed)} URLs failed, the first with {failed[0]!r}")
    print(json.dumps({"urls": len(urls), "seconds": seconds}))


if __name__ == "__main__":
    main()
