# SPDX-License-Identifier: MIT
"""TLS contexts for the origin server, with certificates made afresh by the openssl program.

No authority here is trusted by anyone, so every certificate fails to verify; the kinds differ in what
else is wrong with them.
"""
import ssl
import subprocess

KINDS = {"tls": ("localhost", 30), "tls_wrong_host": ("elsewhere.example", 30),
         "tls_expired": ("localhost", -1)}


def _openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def make_certificate(folder, kind):
    """Writes KIND.crt and KIND.key under `folder`."""
    name, days = KINDS[kind]
    key, request, crt = (str(folder / f"{kind}.{end}") for end in ("key", "csr", "crt"))
    _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", f"/CN={name}", "-keyout", key, "-out", request)
    _openssl("x509", "-req", "-in", request, "-signkey", key, "-days", str(days), "-out", crt)


def server_context(folder, kind, only_tls_1_1=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if only_tls_1_1:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    crt, key = folder / f"{kind}.crt", folder / f"{kind}.key"
    context.load_cert_chain(crt, key)
    return context
