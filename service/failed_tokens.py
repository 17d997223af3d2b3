"""Who has shown too many wrong tokens waits, whatever they show next; counted by each worker for itself."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from math import ceil

WINDOW_S = 60.0
ADDRESSES = 1000


class FailedTokens:
    """Wrong tokens by client address within the last minute; of addresses, the last thousand that failed.

    Parameters
    ----------
    most : int
        So many a minute an address may show.
    clock : callable returning seconds
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, host: str) -> int:
        """Seconds until an address may show a token again; 0 for at once."""
        with self._lock:
            times = self._failed.get(_who(host))
            if times is None or len(times) < self._most:
                return 0
            return max(0, ceil(times[0] + WINDOW_S - self._clock()))

    def failed(self, host: str) -> None:
        """Remember a wrong token."""
        who = _who(host)
        with self._lock:
            # The oldest of the times that count is forgotten by itself.
            self._failed.setdefault(who, deque(maxlen=self._most)).append(self._clock())
            self._failed.move_to_end(who)
            if len(self._failed) > ADDRESSES:
                self._failed.popitem(last=False)


def _who(host: str) -> str:
    """An address; of version 6 its network, as one customer has all of it.

    >>> _who("192.0.2.7"), _who("2001:db8:1:2:3::4")
    ('192.0.2.7', '2001:db8:1:2::/64')
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:100]
    return host if address.version == 4 else str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
