"""Changes that clients ask of random members, all the time; and at the end, whether each of them became
what its client was told: done and there, refused and not there, unknown and either."""

import random
import threading

KEPT = 160  # names that stay in the map, which has a bound; the oldest of more are removed again


class Client(threading.Thread):
    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load = load
        self.number = number
        self.chance = random.Random(number)
        self.ids = {}          # acknowledged: name -> id
        self.refused = set()
        self.removed = set()   # acknowledged
        self.in_doubt = set()  # it may be there, or not
        self.kept = []

    def run(self):
        count = 0
        while not self.load.stopping.is_set():
            if len(self.kept) < KEPT // len(self.load.clients):
                count += 1
                self.add(f"n{self.number}-{count}")
            else:
                self.remove(self.kept[0])
            self.load.stopping.wait(self.load.pause)

    def ask(self, **body):
        running = [one for one in self.load.members if one.runs()]
        return self.chance.choice(running).change(timeout=2, **body)

    def add(self, name):
        status, answer = self.ask(**{"do": "member add", "name": name, "address": "127.0.0.1:1"})
        if status == 200:
            self.ids[name] = answer["id"]
            self.kept.append(name)
            self.load.acknowledged += 1
        elif status in (None, 409, 503):
            self.refused.add(name)
        else:
            self.in_doubt.add(name)

    def remove(self, name):
        status, _ = self.ask(**{"do": "member remove", "name": name})
        if status == 200:
            self.removed.add(name)
            self.load.acknowledged += 1
        elif status in (None, 409, 503):
            return  # asked again; whoever was asked may not know the name yet
        else:
            self.in_doubt.add(name)
        self.kept.remove(name)


class Load:
    def __init__(self, members, clients=2, pause=0.02):
        self.members = members
        self.pause = pause
        self.acknowledged = 0  # a hint: counted without a lock
        self.stopping = threading.Event()
        self.clients = [Client(self, number) for number in range(clients)]  # all, before any runs
        for one in self.clients:
            one.start()

    def end(self):
        self.stopping.set()
        for one in self.clients:
            one.join()

    def goes_on(self, count=10):
        """A condition: so many more changes have been acknowledged."""
        wanted = self.acknowledged + count
        return lambda: self.acknowledged >= wanted

    @property
    def unknown(self):
        return sum(len(one.in_doubt) for one in self.clients)

    def check(self, test, rows):
        """`rows`: the members as the cluster has them at the end, by name."""
        numbers = []
        for one in self.clients:
            for name, number in one.ids.items():
                numbers.append(number)
                if name in one.removed:
                    test.assertNotIn(name, rows, "its removal was acknowledged")
                elif name not in one.in_doubt:
                    test.assertIn(name, rows, "it was acknowledged")
                    test.assertEqual(rows[name]["id"], number)
            for name in one.refused:
                test.assertNotIn(name, rows, "it was refused")
        test.assertEqual(len(set(numbers)), len(numbers), "a number was given twice")
