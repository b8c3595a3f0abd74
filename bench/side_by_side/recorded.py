"""instructions.tsv: the recorded counts of instructions, and a comparison with them.

`make bench BENCH=check` counts quorate's again and fails if one of them has grown.
"""
HEAD = "case\tpeer\tinstructions\tsyscalls\ttarget"
ALLOWED_GROWTH = 1.03  # repeated counts of one program agree within 1 %


def write(path, counts):
    with open(path, "w", encoding="utf-8") as file:
        file.write(HEAD + "\n")
        for name, count in counts.items():
            for peer in ("nutcracker", "quorate"):
                syscalls = count["syscalls"].get(peer)
                file.write(f"{name}\t{peer}\t{count[peer]:.0f}\t"
                           f"{f'{syscalls:.3f}' if syscalls else ''}\t{count['target'] or ''}\n")


def read_quorate(path):
    """case -> instructions."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    if lines[0] != HEAD:
        raise SystemExit(f"{path} is not a record of instructions")
    fields = [line.split("\t") for line in lines[1:]]
    return {field[0]: float(field[2]) for field in fields if field[1] == "quorate"}


def check(path, count_now):
    """Compares each recorded case with count_now(case); True if none has grown."""
    good = True
    for name, before in read_quorate(path).items():
        now = count_now(name)
        grown = now > before * ALLOWED_GROWTH
        good = good and not grown
        print(f"{name}: {now:,.0f} instructions, recorded {before:,.0f}"
              f"{'  GROWN' if grown else ''}", flush=True)
    return good
