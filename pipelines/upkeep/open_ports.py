"""Which ports of this machine other machines can reach, from the kernel's tables of sockets."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

LISTENING = "0A"
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def open_beyond_loopback(port: int) -> bool:
    """Whether a process listens on this port for other machines."""
    return any(number == port and not is_loopback(host) for host, number in listeners())


def listeners() -> Iterator[tuple[IPv4Address | IPv6Address, int]]:
    """Address and port of every listening socket; none where the kernel has no such table."""
    for table in TABLES:
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            own, _, state = line.split()[1:4]
            if state == LISTENING:
                host, number = own.split(":")
                yield address(host), int(number, 16)


def address(text: str) -> IPv4Address | IPv6Address:
    """An address from hexadecimal words of 32 bits, each in the byte order of the machine."""
    raw = bytes.fromhex(text)
    return ip_address(b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4)))


def is_loopback(host: IPv4Address | IPv6Address) -> bool:
    """Whether an address is of the loopback; an IPv4 address may be mapped to IPv6."""
    mapped = host.ipv4_mapped if isinstance(host, IPv6Address) else None
    return (mapped or host).is_loopback
