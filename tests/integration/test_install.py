# SPDX-License-Identifier: MIT
"""cmake --install: everything has its place, and what is installed runs."""
import os
import re
import subprocess

import pytest

from harness import program


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("destdir")
    subprocess.run(["cmake", "--install", program("GATHERD_BIN").parent], check=True, capture_output=True,
                   env={**os.environ, "DESTDIR": str(folder)})
    return folder / "usr" / "local"


def test_installed_programs_run(installed):
    for path in ("sbin/gatherd", "bin/gather"):
        done = subprocess.run([installed / path, "--version"], capture_output=True, text=True, check=True)
        assert re.search(r"\d+\.\d+\.\d+", done.stdout)
    subprocess.run([installed / "sbin/gatherd", "--config", installed / "etc/gatherd/gatherd.conf", "--check-config"],
                   check=True)


def test_everything_has_its_place(installed):
    for path in ("lib/systemd/system/gatherd.socket", "lib/sysusers.d/gatherd.conf", "etc/gatherd/conf.d",
                 "share/doc/gatherd/examples/address-deny.conf", "share/bash-completion/completions/gather"):
        assert (installed / path).exists(), path
    unit = (installed / "lib/systemd/system/gatherd.service").read_text()
    assert "ExecStart=/usr/local/sbin/gatherd --config /usr/local/etc/gatherd/gatherd.conf\n" in unit


def test_an_installation_over_another_keeps_the_configuration(installed):
    conf = installed / "etc/gatherd/gatherd.conf"
    conf.write_text("# mine\n")
    subprocess.run(["cmake", "--install", program("GATHERD_BIN").parent], check=True, capture_output=True,
                   env={**os.environ, "DESTDIR": str(installed.parent.parent)})
    assert conf.read_text() == "# mine\n"
