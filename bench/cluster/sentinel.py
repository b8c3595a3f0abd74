"""Redis Sentinel as Debian has it: a master, two replicas, three sentinels, all for one run; and clients
that do what its guide for clients says: ask a sentinel for the master, use it, ask again on any error."""
from harness import HOST, free_port, wait_until
from resp import Error, Resp

NAME = "mymaster"


class Sentinel:
    """Replicated, ready, all three sentinels knowing each other and both replicas."""

    def __init__(self, on, down_after_ms, failover_timeout_ms):
        self.on = on
        self.master = self._server()
        self.servers = [self.master] + [
            self._server("--replicaof", HOST, self.master.port) for _ in range(2)]
        self.sentinels = [self._sentinel(down_after_ms, failover_timeout_ms) for _ in range(3)]
        # A sentinel asks servers whom they know every ten seconds.
        wait_until(self._complete, "the sentinels to know each other and the replicas", 60)

    def _server(self, *options):
        return self.on.redis("--replica-announce-ip", HOST, *(str(one) for one in options))

    def _sentinel(self, down_after_ms, failover_timeout_ms):
        port = free_port()
        config = self.on.write(f"sentinel-{port}.conf", "\n".join([
            f"bind {HOST}", f"port {port}", f"dir {self.on.folder}", f"sentinel announce-ip {HOST}",
            f"sentinel monitor {NAME} {HOST} {self.master.port} 2",
            f"sentinel down-after-milliseconds {NAME} {down_after_ms}",
            f"sentinel failover-timeout {NAME} {failover_timeout_ms}", ""]))
        child = self.on.spawn(["redis-server", config, "--sentinel"],
                              self.on.path(f"sentinel-{port}.log"))
        child.address = f"{HOST}:{port}"
        return child

    def _complete(self):
        for one in self.sentinels:
            try:
                with Resp(one.address) as asked:
                    fields = asked.ask("SENTINEL", "MASTER", NAME)
                    master = dict(zip(fields[::2], fields[1::2]))
                    replicas = [dict(zip(row[::2], row[1::2]))
                                for row in asked.ask("SENTINEL", "REPLICAS", NAME)]
            except (OSError, EOFError):
                return False
            whole = (master[b"flags"] == b"master" and master[b"num-other-sentinels"] == b"2"
                     and len(replicas) == 2
                     and all(row[b"master-link-status"] == b"ok" and row[b"flags"] == b"slave"
                             for row in replicas))
            if not whole:
                return False
        return True

    def clients(self, count):
        return [Client([one.address for one in self.sentinels], at) for at in range(count)]

    def end(self):
        for one in [*self.sentinels, *(server.child for server in self.servers)]:
            one.kill()


class Client:
    def __init__(self, sentinels, first):
        self.sentinels = sentinels
        self.first = first % len(sentinels)  # each begins with one of them
        self.connection = None

    def writes(self, key):
        """Whether a write succeeded now."""
        try:
            if self.connection is None:
                with Resp(self.sentinels[self.first]) as asked:
                    host, port = asked.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
                self.connection = Resp(f"{host.decode()}:{port.decode()}", timeout=1)
            if not isinstance(self.connection.ask("SET", key, "v"), Error):
                return True
        except (OSError, EOFError):
            pass
        self.close()
        return False

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None
