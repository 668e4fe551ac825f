# SPDX-License-Identifier: MIT
"""The address policy: gatherd's verdicts against ipaddress.is_global of the Python that runs this, over the edges of
every range that either knows and over random addresses. Where they differ on purpose stands in DELIBERATE."""
from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
import os
import random
import subprocess

ALLOWED, REFUSED, INNER = True, False, None  # INNER: as the IPv4 address inside

# Pythons differ as well: older ones lack what newer ones know. So a row says what gatherd says, and why.
DELIBERATE = [
    ("168.63.129.16/32", REFUSED, "a cloud platform's service address, on every machine there"),
    ("192.0.0.9/32", ALLOWED, "port control protocol anycast (RFC 7723)"),
    ("192.0.0.10/32", ALLOWED, "TURN anycast (RFC 8155)"),
    ("192.88.99.0/24", REFUSED, "6to4 relay anycast, deprecated (RFC 7526)"),
    ("224.0.0.0/4", REFUSED, "multicast: no HTTP server is there"),
    ("::/96", REFUSED, "IPv4-compatible, deprecated (RFC 4291)"),
    ("::ffff:0:0/96", INNER, "IPv4-mapped"),
    ("::ffff:0:0:0/96", REFUSED, "IPv4-translated (RFC 2765)"),
    ("64:ff9b::/96", INNER, "NAT64 (RFC 6052)"),
    ("64:ff9b:1::/48", REFUSED, "local-use NAT64 (RFC 8215)"),
    ("100:0:0:1::/64", REFUSED, "dummy prefix (RFC 9780)"),
    ("2001:1::1/128", ALLOWED, "port control protocol anycast (RFC 7723)"),
    ("2001:1::2/128", ALLOWED, "TURN anycast (RFC 8155)"),
    ("2001:1::3/128", ALLOWED, "DNS-SD registration anycast (RFC 9665)"),
    ("2001:3::/32", ALLOWED, "AMT (RFC 7450)"),
    ("2001:4:112::/48", ALLOWED, "AS112 (RFC 7535)"),
    ("2001:20::/28", ALLOWED, "ORCHIDv2 (RFC 7343)"),
    ("2001:30::/28", ALLOWED, "drone remote identification (RFC 9374)"),
    ("2002::/16", INNER, "6to4 (RFC 3056)"),
    ("3fff::/20", REFUSED, "documentation (RFC 9637)"),
    ("5f00::/16", REFUSED, "segment routing identifiers (RFC 9602)"),
    ("fec0::/10", REFUSED, "site local, deprecated (RFC 3879)"),
    ("ff00::/8", REFUSED, "multicast"),
]
# Ranges that both know; their edges are tried too.
COMMON = """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 255.255.255.255/32 192.31.196.0/24
192.52.193.0/24 192.175.48.0/24 ::1/128 ::/128 100::/64 2001::/23 2001::/32 2001:2::/48 2001:10::/28 2001:db8::/32
2620:4f:8000::/48 fc00::/7 fe80::/10 2000::/3""".split()
NETWORKS = [(ip_network(text), verdict, why) for text, verdict, why in DELIBERATE]
ISATAP = (0x00005efe, 0x02005efe)


def inner(address):
    """The IPv4 address that `address` carries, or None."""
    number = int(address)
    if address in ip_network("2002::/16"):
        return IPv4Address(number >> 80 & 0xffffffff)
    if address in ip_network("64:ff9b::/96") or address in ip_network("::ffff:0:0/96") \
            or number >> 32 & 0xffffffff in ISATAP:
        return IPv4Address(number & 0xffffffff)
    return None


def expected(address):
    """(verdict, why it is not Python's; None if it is)."""
    best = max((row for row in NETWORKS if address.version == row[0].version and address in row[0]),
               key=lambda row: row[0].prefixlen, default=None)
    verdict, why = (best[1], best[2]) if best else (address.is_global, None)
    if best and verdict is INNER:
        return expected(inner(address))[0], why
    carried = inner(address) if address.version == 6 else None
    if verdict and carried is not None and not expected(carried)[0]:
        return False, "ISATAP (RFC 5214), judged by the IPv4 address inside"
    return verdict, why


def candidates():
    rng = random.Random(6890)
    for network in [row[0] for row in NETWORKS] + [ip_network(text) for text in COMMON]:
        kind = IPv4Address if network.version == 4 else IPv6Address
        first, last = int(network.network_address), int(network.broadcast_address)
        for number in (first - 1, first, first + 1, last - 1, last, last + 1, rng.randint(first, last)):
            if 0 <= number <= int(kind("255.255.255.255" if network.version == 4 else "ffff:" * 7 + "ffff")):
                yield kind(number)
    special = [IPv4Address(t) for t in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "8.8.8.8", "0.0.0.0", "224.0.0.1",
                                        "192.88.99.1", "168.63.129.16", "100.64.0.1", "255.255.255.255", "1.1.1.1")]
    for ipv4 in special + [IPv4Address(rng.getrandbits(32)) for _ in range(2000)]:
        number = int(ipv4)
        yield ipv4
        for text, shift in (("::ffff:0:0", 0), ("64:ff9b::", 0), ("2002::", 80), ("::", 0), ("::ffff:0:0:0", 0),
                            ("64:ff9b:1::", 0), ("2001::", 0)):
            yield IPv6Address(int(IPv6Address(text)) | number << shift)
        for mark in ISATAP:
            yield IPv6Address(0x2a00_1450 << 96 | mark << 32 | number)
    for _ in range(10_000):
        yield IPv6Address(rng.choice([0x20, 0x24, 0x26, 0x2a, rng.randrange(256)]) << 120 | rng.getrandbits(120))


def test_verdicts_are_those_of_is_global():
    addresses = list(candidates())
    ran = subprocess.run([os.environ["ADDRESS_VERDICT"]], input="".join(f"{a}\n" for a in addresses), text=True,
                         capture_output=True, check=True)
    verdicts = [line == "1" for line in ran.stdout.split()]
    assert len(verdicts) == len(addresses)
    wrong, reasons = [], Counter()
    for address, verdict in zip(addresses, verdicts):
        want, why = expected(ip_address(str(address)))
        if verdict != want:
            wrong.append(f"{address}: {verdict}, expected {want} ({why or 'is_global'})")
        elif verdict != address.is_global:
            reasons[why] += 1
    print(f"{len(addresses)} addresses, {sum(verdicts)} of them allowed; differences by reason:")
    print("\n".join(f"{n:7} {why}" for why, n in reasons.most_common()))
    assert wrong == [], f"{len(wrong)} of {len(addresses)}: {wrong[:10]}"
    assert None not in reasons
