# SPDX-License-Identifier: MIT
"""TLS contexts for the origin server, with certificates made afresh by the openssl program.

A private authority signs them. Who trusts it (fetch.ca_file) finds each kind wrong in its own way only.
"""
import ssl
import subprocess

AUTHORITY = "authority.crt"
HERE = "DNS:localhost,DNS:*.play.test,IP:127.0.0.1"

# kind: (names, days, signed by the authority)
KINDS = {"tls": (HERE, 30, True), "tls_wrong_host": ("DNS:elsewhere.example", 30, True),
         "tls_expired": (HERE, -1, True), "tls_self_signed": (HERE, 30, False)}


def _openssl(folder, *args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=folder)


def _new_key(folder, kind):
    _openssl(folder, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", f"/CN={kind}", "-keyout", f"{kind}.key", "-out", f"{kind}.csr")


def make_authority(folder):
    (folder / "authority.ext").write_text("basicConstraints=critical,CA:TRUE\n")
    _new_key(folder, "authority")
    _openssl(folder, "x509", "-req", "-in", "authority.csr", "-signkey", "authority.key", "-days", "30",
             "-extfile", "authority.ext", "-out", AUTHORITY)


def make_certificate(folder, kind):
    """Writes KIND.crt and KIND.key under `folder`."""
    names, days, by_authority = KINDS[kind]
    (folder / f"{kind}.ext").write_text(f"subjectAltName={names}\n")
    _new_key(folder, kind)
    signer = ["-CA", AUTHORITY, "-CAkey", "authority.key", "-CAcreateserial"] if by_authority \
        else ["-signkey", f"{kind}.key"]
    _openssl(folder, "x509", "-req", "-in", f"{kind}.csr", *signer, "-days", str(days),
             "-extfile", f"{kind}.ext", "-out", f"{kind}.crt")


def server_context(folder, kind, only_tls_1_1=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if only_tls_1_1:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.load_cert_chain(folder / f"{kind}.crt", folder / f"{kind}.key")
    return context
