"""What is asked of the proxies: the workloads of the table, with the targets of their CPU ratios.

A target is quorate's CPU time per request over nutcracker's, at most, with one and three backends.
"""
from dataclasses import dataclass

KEYS = 10000
SMALL = 100
LARGE = 1024 * 1024
LARGE_KEYS = 48
MGET_KEYS = 100


@dataclass(frozen=True)
class Workload:
    name: str
    protocol: str
    operation: str  # GET, SET, MGET
    connections: int = 50
    pipeline: int = 1
    transport: str = "tcp"  # of the client; backends are always reached over TCP
    value_size: int = SMALL
    target_one: float = 1.0
    target_three: float = 1.0

    @property
    def keys(self):
        return LARGE_KEYS if self.value_size == LARGE else KEYS

    def target(self, backends):
        return self.target_one if backends == 1 else self.target_three

    @property
    def is_direct_too(self):
        """Whether the client is also put straight in front of a server: unix sockets are the proxies'."""
        return self.transport == "tcp"


def _both(name, protocol, target_one, target_three, **shape):
    return [Workload(f"{operation} {name}".strip(), protocol, operation, target_one=target_one,
                     target_three=target_three, **shape) for operation in ("GET", "SET")]


# The large values come last: they take the place of the small ones.
ALL = [
    *_both("50 conns", "redis", 0.92, 1.0),
    *_both("50 conns unix", "redis", 0.85, 0.95, transport="unix"),
    *_both("pipeline 16", "redis", 0.65, 0.70, pipeline=16),
    *_both("pipeline 64", "redis", 0.30, 0.40, pipeline=64),
    *_both("1000 conns", "redis", 0.90, 0.95, connections=1000),
    Workload("MGET 100 keys", "redis", "MGET", target_one=0.70, target_three=0.65),
    *_both("memcached", "memcached", 0.95, 1.0),
    *_both("1 MiB", "redis", 1.0, 1.0, connections=8, value_size=LARGE),
]
