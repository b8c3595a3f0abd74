"""Whether a recorded history of one key is linearizable: is there an order of its operations, each
somewhere between its call and its return, that one Redis would have answered just so?

After Wing and Gong, with Lowe's memory of configurations. An operation whose outcome is not known
stays open for ever: it may take effect at any time after its call, or never. One that certainly was
not applied is left out by whoever records. Values that are written must differ from each other, or
a wrong order looks like a right one.

Does not talk to anybody. Called by the tests that record histories (quorum_test.py).
"""

import time

UNKNOWN = object()
NEVER = float("inf")


class Operation:
    __slots__ = ("call", "end", "command", "result", "client")

    def __init__(self, call, end, command, result, client=None):
        self.call = call
        self.end = NEVER if result is UNKNOWN else end
        self.command = command
        self.result = result
        self.client = client

    def __repr__(self):
        result = "?" if self.result is UNKNOWN else repr(self.result)
        end = "   never" if self.end == NEVER else f"{self.end:.6f}"
        words = " ".join(str(word) for word in self.command)
        return f"[{self.call:.6f} {end}] client {self.client}: {words} -> {result}"


def number_of(state):
    try:
        return 0 if state is None else int(state)
    except (TypeError, ValueError):
        return None


def step(state, command):
    """(next state, reply) of one key; a state is None, bytes, or a frozenset of pairs (a hash)."""
    name, *words = command
    if name == "GET":
        return state, state
    if name == "SET":
        return words[0], b"OK"
    if name == "SETNX":
        return (words[0], 1) if state is None else (state, 0)
    if name == "DEL":
        return None, 0 if state is None else 1
    if name == "GETDEL":
        return None, state
    if name == "APPEND":
        longer = (state or b"") + words[0]
        return longer, len(longer)
    if name == "INCR":
        number = number_of(state) + 1
        return str(number).encode(), number
    if name == "HSET":
        fields = dict(state or ())
        added = 0 if words[0] in fields else 1
        fields[words[0]] = words[1]
        return frozenset(fields.items()), added
    if name == "HGETALL":
        return state, dict(state or ())
    raise ValueError(name)


class GaveUp(Exception):
    """The search took longer than it may: neither proven nor refuted."""


def explain(operations, initial=None, seconds=60):
    """None if they are linearizable; else the operations around the place where no order goes on."""
    deadline = time.monotonic() + seconds
    order = sorted(operations, key=lambda one: one.call)
    count = len(order)
    if count == 0:
        return None
    # Doubly linked list of calls and returns in the order of time; a return stands behind a call
    # of the same instant, so that the two count as overlapping.
    events = [(one.call, 0, i) for i, one in enumerate(order)]
    events += [(one.end, 1, i) for i, one in enumerate(order)]
    events.sort()
    size = len(events)
    following = list(range(1, size + 1)) + [0]  # entry `size` is the head
    before = [size] + list(range(size))
    place = [[0, 0] for _ in order]
    for at, (_, kind, i) in enumerate(events):
        place[i][kind] = at
    kinds = [kind for _, kind, _ in events]
    owners = [i for _, _, i in events]
    ends = [one.end for one in order]

    def lift(i):
        for at in place[i]:
            following[before[at]] = following[at]
            before[following[at]] = before[at]

    def unlift(i):
        for at in reversed(place[i]):
            following[before[at]] = at
            before[following[at]] = at

    before.append(size - 1)
    following[size] = 0
    following[size - 1] = size
    state = initial
    taken = 0
    seen = set()
    stack = []
    certain = sum(1 for end in ends if end != NEVER)
    done = 0
    best, stuck_at = -1, None
    at = following[size]
    turns = 0
    while done < certain:
        turns += 1
        if turns % 65536 == 0 and time.monotonic() > deadline:
            raise GaveUp
        if at != size and kinds[at] == 0:
            i = owners[at]
            one = order[i]
            try:
                after, reply = step(state, one.command)
                fits = one.result is UNKNOWN or reply == one.result
            except TypeError:
                fits = False
            if fits:
                configuration = (taken | 1 << i, after)
                if configuration not in seen:
                    seen.add(configuration)
                    stack.append((i, state))
                    taken |= 1 << i
                    state = after
                    done += 1 if ends[i] != NEVER else 0
                    lift(i)
                    at = following[size]
                    continue
            at = following[at]
            continue
        # A return: whatever was called before it has to be placed, and could not be.
        if done > best:
            best, stuck_at = done, owners[at] if at != size else None
        if not stack:
            middle = order[stuck_at].call if stuck_at is not None else order[-1].call
            near = sorted(order, key=lambda one: abs(one.call - middle))[:24]
            return sorted(near, key=lambda one: one.call)
        i, state = stack.pop()
        taken &= ~(1 << i)
        done -= 1 if ends[i] != NEVER else 0
        unlift(i)
        at = following[place[i][0]]
    return None
