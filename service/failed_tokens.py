"""Who has shown too many wrong tokens waits, whatever they show next; all workers of a service count together.

Each worker writes into a ring of its own in one file that all of them have mapped, and reads the others': nobody waits
for anybody, and the counts of one that died are there for the next one of its number.
"""

from __future__ import annotations

import ipaddress
import mmap
import struct
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from hashlib import blake2b
from math import ceil
from pathlib import Path

WINDOW_S = 60.0
ADDRESSES = 1000
# A ring: how many were ever written into it, and the last so many: who, and when.
RING = 4096
COUNT, ENTRY = struct.Struct("<Q"), struct.Struct("<16sd")
RING_BYTES = COUNT.size + RING * ENTRY.size


class FailedTokens:
    """Wrong tokens by client address within the last minute; of addresses, the last thousand that failed.

    Parameters
    ----------
    most : int
        So many a minute an address may show.
    file : Path, optional
        Of all workers; without it, this one counts for itself.
    worker, workers : int
        The number of this one, from 1 on, and how many there are.
    clock : callable returning seconds
        The same for all workers.
    """

    def __init__(
        self,
        most: int,
        file: Path | None = None,
        *,
        worker: int = 1,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._clock = clock
        self._rings = _mapped(file, workers * RING_BYTES)
        self._own = (worker - 1) * RING_BYTES
        self._read = [0] * workers
        self._failed: OrderedDict[bytes, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, host: str) -> int:
        """Seconds until an address may show a token again; 0 for at once."""
        with self._lock:
            self._catch_up()
            times = self._failed.get(_who(host)) if self._failed else None
            if times is None or len(times) < self._most:
                return 0
            return max(0, ceil(times[0] + WINDOW_S - self._clock()))

    def failed(self, host: str) -> None:
        """Remember a wrong token."""
        with self._lock:
            (count,) = COUNT.unpack_from(self._rings, self._own)
            at = self._own + COUNT.size + count % RING * ENTRY.size
            ENTRY.pack_into(self._rings, at, _who(host), self._clock())
            # Last: whoever reads it finds the entry.
            COUNT.pack_into(self._rings, self._own, count + 1)

    def _catch_up(self) -> None:
        for who, when in self._news():
            # The oldest of the times that count is forgotten by itself.
            self._failed.setdefault(who, deque(maxlen=self._most)).append(when)
            self._failed.move_to_end(who)
            if len(self._failed) > ADDRESSES:
                self._failed.popitem(last=False)

    def _news(self) -> list[tuple[bytes, float]]:
        """What was written by all since the last look, in the order of time."""
        found: list[tuple[bytes, float]] = []
        for i, read in enumerate(self._read):
            base = i * RING_BYTES
            (count,) = COUNT.unpack_from(self._rings, base)
            if count != read:
                first = max(read, count - RING)
                found += (
                    ENTRY.unpack_from(self._rings, base + COUNT.size + n % RING * ENTRY.size)
                    for n in range(first, count)
                )
                self._read[i] = count
        return sorted(found, key=lambda entry: entry[1])


def _mapped(file: Path | None, size: int) -> mmap.mmap:
    if file is None:
        return mmap.mmap(-1, size)
    with file.open("a+b") as opened:
        # What is there stays: another worker may have written it.
        opened.truncate(size)
        return mmap.mmap(opened.fileno(), size)


def _who(host: str) -> bytes:
    """What stands for an address."""
    return blake2b(_network(host).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _network(host: str) -> str:
    """An address; of version 6 its network, as one customer has all of it.

    >>> _network("192.0.2.7"), _network("2001:db8:1:2:3::4")
    ('192.0.2.7', '2001:db8:1:2::/64')
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
