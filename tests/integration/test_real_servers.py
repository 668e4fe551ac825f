# SPDX-License-Identifier: MIT
"""Servers that others wrote: nginx with the documentation of this machine, and httpbin."""
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import pytest

from api import TEXT, assert_complete, connect
from harness import eventually

DOC = pathlib.Path("/usr/share/doc")
MAX_FILES = 1500

NGINX_CONF = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    types {{ text/plain txt; text/html html; }}
    default_type application/octet-stream;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    gzip on; gzip_types *; gzip_min_length 100;
    keepalive_requests 50;
    server {{ listen 127.0.0.1:{port}; root {doc}; }}
}}
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def accepts(port):
    try:
        connect(("tcp", "127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def stop(process):
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    """Port of an nginx that belongs to this module."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    assert program, "nginx is missing (scripts/install-deps --test)"
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    conf = folder / "nginx.conf"
    user = "user root;" if os.getuid() == 0 else ""
    conf.write_text(NGINX_CONF.format(folder=folder, port=port, doc=DOC, user=user))
    process = subprocess.Popen([program, "-p", folder, "-c", conf, "-e", folder / "error.log"],
                               stderr=subprocess.DEVNULL)
    eventually(lambda: accepts(port), what="nginx")
    yield port
    stop(process)


@pytest.fixture(scope="module")
def httpbin():
    port = free_port()
    code = f"from httpbin import app; app.run(host='127.0.0.1', port={port}, threaded=True)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: accepts(port) or process.poll() is not None, 30, what="httpbin")
    assert process.poll() is None, "httpbin did not start (scripts/install-deps --test)"
    yield f"http://127.0.0.1:{port}"
    stop(process)


def doc_files():
    from urllib.parse import quote
    files = [p for p in sorted(DOC.rglob("*")) if p.is_file() and p.stat().st_size < 1_000_000][:MAX_FILES]
    return [(p, quote(str(p.relative_to(DOC)))) for p in files]


def test_every_file_of_nginx_arrives_as_it_is(api, nginx):
    files = doc_files()
    text = "".join(f"http://127.0.0.1:{nginx}/{path}\n" for _, path in files)
    for compressed in (False, True):
        query = "?name=gzip" if compressed else ""
        if compressed:
            tasks = [{"url": f"http://127.0.0.1:{nginx}/{path}", "headers": {"Accept-Encoding": "gzip"}}
                     for _, path in files[:300]]
            batch = api.submit({"tasks": tasks})
        else:
            batch = api.submit(text, query, TEXT)
        api.wait(batch["id"], 60)
        results = assert_complete(api, batch["id"], batch["counts"]["total"])
        wrong = [r["url"] for r in results
                 if r["sha256"] != hashlib.sha256(files[r["index"]][0].read_bytes()).hexdigest()]
        assert wrong == [] and all(r["state"] == "succeeded" for r in results)


def test_the_bodies_of_nginx_read_back_equal(api, nginx):
    files = doc_files()[:20]
    batch = api.submit([f"http://127.0.0.1:{nginx}/{path}" for _, path in files])
    api.wait(batch["id"])
    for i, (file, _) in enumerate(files):
        assert api.body(batch["id"], i).body == file.read_bytes()


def test_what_nginx_says_of_what_is_not_there(api, nginx):
    result = api.run([f"http://127.0.0.1:{nginx}/no/such/file"])[0]
    assert (result["state"], result["status"]) == ("failed", 404)


def one(api, task):
    batch = api.submit({"tasks": [task]})
    api.wait(batch["id"], 30)
    result = api.results(batch["id"], include="headers,body")[0]
    return result


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_httpbin_echoes_methods(api, httpbin, method):
    task = {"url": f"{httpbin}/{method.lower()}?a=1", "method": method, "headers": {"X-Mine": "yes"}}
    if method != "GET":
        task |= {"body": "some data"}
        task["headers"]["Content-Type"] = "text/plain"
    result = one(api, task)
    assert result["state"] == "succeeded", result
    echo = json.loads(result["body"])
    assert echo["args"] == {"a": "1"} and echo["headers"]["X-Mine"] == "yes"
    assert echo.get("data", "some data") == "some data"


@pytest.mark.parametrize("path", ["/gzip", "/deflate", "/brotli"])
def test_httpbin_codings(api, httpbin, path):
    result = one(api, {"url": httpbin + path})
    assert result["state"] == "succeeded", result
    assert path[1:].startswith(("gzip", "deflate", "brotli")) and json.loads(result["body"])["headers"]


ANSWERS = {"/status/204": 204, "/status/418": 418, "/redirect/5": 200, "/absolute-redirect/3": 200,
           "/basic-auth/u/p": 401, "/stream-bytes/5000?seed=1": 200, "/drip?duration=1&numbytes=10&delay=0": 200,
           "/html": 200, "/encoding/utf8": 200, "/image/png": 200, "/stream/20": 200}


@pytest.mark.parametrize("path,status", ANSWERS.items())
def test_httpbin_answers(api, httpbin, path, status):
    result = one(api, {"url": httpbin + path, "retry": {"max_attempts": 1}})
    assert (result["state"], result["status"]) == ("succeeded" if status < 400 else "failed", status), result


def test_httpbin_accepts_credentials_given_as_a_header(api, httpbin):
    result = one(api, {"url": f"{httpbin}/basic-auth/u/p", "headers": {"Authorization": "Basic dTpw"}})
    assert (result["state"], result["status"]) == ("succeeded", 200)


def test_httpbin_is_told_who_asks(api, httpbin):
    result = one(api, {"url": f"{httpbin}/user-agent"})
    assert json.loads(result["body"])["user-agent"].startswith("gatherd/")
