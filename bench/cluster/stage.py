"""The integration tests' harness, used without a test."""
import contextlib

from cluster import ClusterTest


class Stage(ClusterTest):
    def runTest(self):
        """Nothing: a stage is only set up and cleared."""


@contextlib.contextmanager
def stage():
    it = Stage()
    it.setUp()
    try:
        yield it
    finally:
        it.doCleanups()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
