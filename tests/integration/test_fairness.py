# SPDX-License-Identifier: MIT
"""No batch starves another (promise 4), and memory is bounded whatever is queued (promise 6)."""
import statistics
import threading
import time

from api import TEXT
from harness import eventually

RSS_LIMIT_KIB = 300 * 1024


def latency(api, url):
    """Seconds from submission to the end of a one-URL batch."""
    began = time.monotonic()
    response = api.post("/v1/batches?wait=30", [url])
    seconds = time.monotonic() - began
    assert response.json()["counts"]["succeeded"] == 1, response
    return seconds


def median_latency(api, origin, host, n=15):
    return statistics.median(latency(api, origin.url(f"/ok?{i}", host)) for i in range(n))


def delete(api, batch_id):
    assert api.request("DELETE", f"/v1/batches/{batch_id}?force=1", timeout=120).status == 204


def test_a_long_queue_for_a_slow_host_delays_another_host_by_milliseconds(daemon, api, origin, hosts):
    slow, quick = hosts.take(2)
    alone = median_latency(api, origin, quick)
    text = "".join(origin.url(f"/never?{i}\n", slow) for i in range(100_000))
    queue = api.submit(text, media_type=TEXT)
    eventually(lambda: api.batch(queue["id"])["counts"]["running"] > 0)
    beside = median_latency(api, origin, quick)
    print(f"one URL alone {alone * 1000:.1f} ms, beside 100,000 queued ones {beside * 1000:.1f} ms")
    assert beside - alone < 0.05
    delete(api, queue["id"])


def test_a_long_queue_for_the_same_host_delays_by_its_fair_share(daemon, api, origin, host):
    text = "".join(origin.url(f"/delay/100?{i}\n", host) for i in range(100_000))
    queue = api.submit(text, media_type=TEXT)
    eventually(lambda: api.batch(queue["id"])["counts"]["succeeded"] > 10)
    # What is already taken for the host may go first (a few hundred claimed tasks at most); at 8 in flight
    # of 100 ms each, that is seconds; the whole queue would be twenty minutes.
    assert latency(api, origin.url("/ok?fair", host)) < 8
    delete(api, queue["id"])


def test_a_million_urls_while_another_batch_runs(daemon, api, origin, hosts):
    slow, quick = hosts.take(2)
    ends = []
    stop = threading.Event()

    def others():
        while not stop.is_set():
            ends.append(latency(daemon.api, origin.url("/ok", quick)))

    thread = threading.Thread(target=others)
    thread.start()
    base = origin.url("/never?", slow)
    text = "".join(f"{base}{i}\n" for i in range(1_000_000))
    began = time.monotonic()
    batch = api.submit(text, media_type=TEXT, timeout=200)
    seconds = time.monotonic() - began
    stop.set()
    thread.join()
    assert batch["counts"]["total"] == 1_000_000
    peak = daemon.rss_kib("VmHWM")
    print(f"1,000,000 URLs in {seconds:.1f} s, peak RSS {peak // 1024} MiB, {len(ends)} one-URL batches meanwhile, "
          f"slowest {max(ends) * 1000:.0f} ms")
    assert len(ends) >= 5 and max(ends) < 2
    assert peak < RSS_LIMIT_KIB
    # Reading back and cancelling must not cost more either.
    assert api.batch(batch["id"])["counts"]["running"] <= 8
    api.post(f"/v1/batches/{batch['id']}/cancel")
    seen, after = 0, ""
    done = eventually(lambda: (lambda b: b if b["state"] == "finished" else None)(api.batch(batch["id"])), 120)
    assert done["counts"]["cancelled"] == 1_000_000
    for _ in range(5):
        page = api.get_json(f"/v1/batches/{batch['id']}/results?limit=1000{after}")
        seen += len(page["results"])
        after = f"&after={page['next']}"
    assert seen == 5000
    assert daemon.rss_kib("VmHWM") < RSS_LIMIT_KIB


def test_slow_readers_and_uploaders_do_not_hold_up_the_api(daemon, api, origin, host):
    """Fifty uploads that stand still in the middle, and the API answers as before."""
    import wire
    from api import connect
    socks = []
    for _ in range(50):
        sock = connect(("unix", daemon.socket_path))
        sock.sendall(wire.head("POST", "/v1/batches", "Content-Type: text/plain", "Content-Length: 1000000"))
        sock.sendall(b"http://h.example/\n" * 100)
        socks.append(sock)
    times = []
    for _ in range(50):
        began = time.monotonic()
        assert api.get("/v1/stats").status == 200
        times.append(time.monotonic() - began)
    for sock in socks:
        sock.close()
    assert statistics.median(times) < 0.02
