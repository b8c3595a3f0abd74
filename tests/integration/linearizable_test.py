"""The checker itself: what one Redis could have answered passes, what it could not does not."""

import random
import unittest

import harness
from linearizable import NEVER, UNKNOWN, Operation, explain, step


def history(*rows):
    return [Operation(call, end, command, result) for call, end, command, result in rows]


class Verdicts(unittest.TestCase):
    def fits(self, *rows):
        self.assertIsNone(explain(history(*rows)))

    def refused(self, *rows):
        self.assertIsNotNone(explain(history(*rows)))

    def test_what_happens_one_after_the_other_is_answered_in_order(self):
        self.fits((0, 1, ("SET", b"a"), b"OK"), (2, 3, ("GET",), b"a"))
        self.refused((0, 1, ("SET", b"a"), b"OK"), (2, 3, ("GET",), None))

    def test_a_read_beside_a_write_may_see_either(self):
        for seen in (None, b"a"):
            self.fits((0, 3, ("SET", b"a"), b"OK"), (1, 2, ("GET",), seen))

    def test_new_then_old_is_refused(self):
        self.refused((0, 9, ("SET", b"a"), b"OK"), (1, 2, ("GET",), b"a"), (3, 4, ("GET",), None))

    def test_an_unknown_write_may_show_late_or_never_but_not_come_and_go(self):
        open_write = (0, NEVER, ("SET", b"a"), UNKNOWN)
        self.fits(open_write, (5, 6, ("GET",), None), (7, 8, ("GET",), b"a"))
        self.fits(open_write, (5, 6, ("GET",), None))
        self.refused(open_write, (5, 6, ("GET",), b"a"), (7, 8, ("GET",), None))

    def test_an_acknowledged_increment_counts_once(self):
        self.fits((0, 1, ("INCR",), 1), (2, 3, ("INCR",), 2), (4, 5, ("GET",), b"2"))
        self.refused((0, 1, ("INCR",), 1), (2, 3, ("INCR",), 3))
        self.fits((0, 1, ("INCR",), 1), (1, NEVER, ("INCR",), UNKNOWN), (2, 3, ("INCR",), 3))
        self.refused((0, 1, ("INCR",), 1), (2, 3, ("INCR",), 1))

    def test_a_hash_keeps_its_fields(self):
        self.fits((0, 1, ("HSET", b"f", b"1"), 1), (2, 3, ("HSET", b"g", b"2"), 1),
                  (4, 5, ("HGETALL",), {b"f": b"1", b"g": b"2"}))
        self.refused((0, 1, ("HSET", b"f", b"1"), 1), (2, 3, ("HSET", b"f", b"2"), 1))

    def test_random_histories_of_one_register_pass_and_lose_one_write_and_fail(self):
        for seed in range(harness.effort(60)):
            draw = random.Random(seed)
            operations, state = self.run_register(draw)
            self.assertIsNone(explain(operations), seed)
            acknowledged = [one for one in operations
                            if one.command[0] == "APPEND" and one.result is not UNKNOWN]
            if not acknowledged or state is None:
                continue
            # An append that was acknowledged and is in no later value.
            lost = draw.choice(acknowledged).command[1]
            operations.append(Operation(1e9, 1e9 + 1, ("GET",), state.replace(lost, b"")))
            self.assertIsNotNone(explain(operations), seed)

    @staticmethod
    def run_register(draw):
        """Takes effect at an instant between call and end."""
        plan = []
        clock = {client: 0.0 for client in range(5)}
        for number in range(60):
            client = draw.randrange(5)
            call = clock[client] + draw.random()
            effect = call + draw.random()
            end = effect + draw.random()
            clock[client] = end
            command = draw.choice([("GET",), ("APPEND", b"<%d>" % number),
                                   ("APPEND", b"<%d>" % number)])
            plan.append((effect, call, end, command))
        state = None
        operations = []
        for _, call, end, command in sorted(plan):
            kind = draw.random()
            if command[0] != "GET" and kind < 0.1:
                if kind < 0.05:
                    state, _ = step(state, command)
                operations.append(Operation(call, NEVER, command, UNKNOWN))
                continue
            state, reply = step(state, command)
            operations.append(Operation(call, end, command, reply))
        return operations, state


if __name__ == "__main__":
    harness.main()
