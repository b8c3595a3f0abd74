"""Generated Redis commands, type by type, for tests that ask two servers the same.

A template line says what a command may look like:
    <key>        a placeholder: see Workload            [a b]   perhaps
    {a|b c|}     one of these                           (a b)+  once to four times
The same seed gives the same commands. What two servers could answer differently without either being
wrong (a clock, a random choice) is not asked for, or compared loosely: see same().
"""

import random
import re

STRINGS = """
SET <key> <value>
SET <key> <value> [{NX|XX}] [GET] [{EX 1000|PX 5000000|EXAT 4000000000|PXAT 4000000000000|KEEPTTL}]
GET <key>
GET <key>
GETSET <key> <value>
GETDEL <key>
GETEX <key> [{EX 1000|PXAT 4000000000000|PERSIST|EX 0}]
GETRANGE <key> <index> <index>
SUBSTR <key> <index> <index>
SETRANGE <key> <offset> <value>
APPEND <key> <value>
STRLEN <key>
INCR <key>
DECR <key>
INCRBY <key> <number>
DECRBY <key> <number>
INCRBYFLOAT <key> <float>
SETNX <key> <value>
SETEX <key> <ttl> <value>
PSETEX <key> <ttl> <value>
MGET (<key>)+
MSET (<key> <value>)+
MSETNX (<key> <value>)+
LCS <key> <key> [{LEN|IDX|IDX WITHMATCHLEN|IDX MINMATCHLEN 2}]
DEL (<key>)+
DUMP <key>
RESTORE <key> {0|100000|-1} <dump> [REPLACE] [ABSTTL] [{IDLETIME 5|FREQ 3}]
OBJECT ENCODING <key>
"""

BITMAPS = """
SETBIT <key> <offset> <bit>
SETBIT <key> <offset> <bit>
GETBIT <key> <offset>
BITCOUNT <key> [<index> <index> [{BYTE|BIT}]]
BITPOS <key> <bit> [<index> [<index> [{BYTE|BIT}]]]
BITOP {AND|OR|XOR} <key> (<key>)+
BITOP NOT <key> <key>
BITFIELD <key> (<bitfield>)+
BITFIELD_RO <key> (GET <bittype> <offset>)+
SET <key> <value>
GET <key>
DEL <key>
"""

HASHES = """
HSET <key> (<field> <value>)+
HSET <key> (<field> <number>)+
HMSET <key> (<field> <value>)+
HSETNX <key> <field> <value>
HGET <key> <field>
HMGET <key> (<field>)+
HGETALL <key>
HKEYS <key>
HVALS <key>
HLEN <key>
HSTRLEN <key> <field>
HEXISTS <key> <field>
HDEL <key> (<field>)+
HINCRBY <key> <field> <number>
HINCRBYFLOAT <key> <field> <float>
HRANDFIELD <key> [<index> [WITHVALUES]]
HSCAN <key> 0 [MATCH <pattern>] COUNT 10000
OBJECT ENCODING <key>
DEL (<key>)+
"""

LISTS = """
LPUSH <key> (<value>)+
RPUSH <key> (<value>)+
LPUSHX <key> (<value>)+
RPUSHX <key> (<value>)+
LPOP <key> [<count>]
RPOP <key> [<count>]
LRANGE <key> <index> <index>
LRANGE <key> 0 -1
LINDEX <key> <index>
LSET <key> <index> <value>
LINSERT <key> {BEFORE|AFTER} <value> <value>
LREM <key> <index> <value>
LTRIM <key> <index> <index>
LLEN <key>
LPOS <key> <value> [RANK <index>] [COUNT <count>] [MAXLEN <count>]
LMOVE <key> <key> {LEFT|RIGHT} {LEFT|RIGHT}
RPOPLPUSH <key> <key>
LMPOP 2 <key> <key> {LEFT|RIGHT} [COUNT <count>]
SORT <key> [LIMIT <index> <count>] [{ASC|DESC}] ALPHA [STORE <key>]
OBJECT ENCODING <key>
DUMP <key>
DEL (<key>)+
"""

SETS = """
SADD <key> (<member>)+
SADD <key> (<number>)+
SREM <key> (<member>)+
SCARD <key>
SISMEMBER <key> <member>
SMISMEMBER <key> (<member>)+
SMEMBERS <key>
SMOVE <key> <key> <member>
SPOP <key> 1000000
SRANDMEMBER <key> [<index>]
SINTER (<key>)+
SUNION (<key>)+
SDIFF (<key>)+
SINTERSTORE <key> (<key>)+
SUNIONSTORE <key> (<key>)+
SDIFFSTORE <key> (<key>)+
SINTERCARD 2 <key> <key> [LIMIT <count>]
SSCAN <key> 0 [MATCH <pattern>] COUNT 10000
SORT <key> ALPHA [{ASC|DESC}]
OBJECT ENCODING <key>
DEL (<key>)+
"""

ZSETS = """
ZADD <key> [{NX|XX}] [{GT|LT}] [CH] (<score> <member>)+
ZADD <key> (<score> <member>)+
ZADD <key> INCR <score> <member>
ZREM <key> (<member>)+
ZCARD <key>
ZSCORE <key> <member>
ZMSCORE <key> (<member>)+
ZINCRBY <key> <float> <member>
ZRANK <key> <member>
ZREVRANK <key> <member>
ZCOUNT <key> <minimum> <maximum>
ZLEXCOUNT <key> <lexical> <lexical>
ZRANGE <key> <index> <index> [REV] [WITHSCORES]
ZRANGE <key> <minimum> <maximum> BYSCORE [REV] [LIMIT <index> <count>] [WITHSCORES]
ZRANGE <key> <lexical> <lexical> BYLEX [LIMIT <index> <count>]
ZREVRANGE <key> <index> <index> [WITHSCORES]
ZRANGEBYSCORE <key> <minimum> <maximum> [WITHSCORES] [LIMIT <index> <count>]
ZREVRANGEBYSCORE <key> <maximum> <minimum> [WITHSCORES] [LIMIT <index> <count>]
ZRANGEBYLEX <key> <lexical> <lexical> [LIMIT <index> <count>]
ZREVRANGEBYLEX <key> <lexical> <lexical> [LIMIT <index> <count>]
ZRANGESTORE <key> <key> <index> <index> [REV]
ZRANGESTORE <key> <key> <minimum> <maximum> BYSCORE [LIMIT <index> <count>]
ZREMRANGEBYSCORE <key> <minimum> <maximum>
ZREMRANGEBYRANK <key> <index> <index>
ZREMRANGEBYLEX <key> <lexical> <lexical>
ZPOPMIN <key> [<count>]
ZPOPMAX <key> [<count>]
ZMPOP 2 <key> <key> {MIN|MAX} [COUNT <count>]
ZRANDMEMBER <key> [<index> [WITHSCORES]]
ZUNION 2 <key> <key> [WEIGHTS <score> <score>] [AGGREGATE {SUM|MIN|MAX}] [WITHSCORES]
ZINTER 2 <key> <key> [WEIGHTS <score> <score>] [AGGREGATE {SUM|MIN|MAX}] [WITHSCORES]
ZDIFF 2 <key> <key> [WITHSCORES]
ZUNIONSTORE <key> 2 <key> <key> [WEIGHTS <score> <score>] [AGGREGATE {SUM|MIN|MAX}]
ZINTERSTORE <key> 2 <key> <key> [WEIGHTS <score> <score>]
ZDIFFSTORE <key> 2 <key> <key>
ZINTERCARD 2 <key> <key> [LIMIT <count>]
ZSCAN <key> 0 [MATCH <pattern>] COUNT 10000
OBJECT ENCODING <key>
DEL (<key>)+
"""

STREAMS = """
XADD <key> [NOMKSTREAM] [{MAXLEN|MAXLEN =|MINID} <count>] <next-id> (<field> <value>)+
XADD <key> <next-id> (<field> <value>)+
XADD <key> <next-id> (<field> <value>)+
XADD <key> <id> <field> <value>
XLEN <key>
XRANGE <key> {-|<id>|(<id>} {+|<id>} [COUNT <count>]
XREVRANGE <key> {+|<id>} {-|<id>} [COUNT <count>]
XDEL <key> (<id>)+
XTRIM <key> {MAXLEN|MINID} [=] <count>
XREAD [COUNT <count>] STREAMS <key> {0|<id>}
XREAD [COUNT <count>] STREAMS <key> <key> 0 <id>
XGROUP CREATE <key> <group> {0|$|<id>} [MKSTREAM] [ENTRIESREAD <count>]
XGROUP SETID <key> <group> <id>
XGROUP CREATECONSUMER <key> <group> <consumer>
XGROUP DELCONSUMER <key> <group> <consumer>
XGROUP DESTROY <key> <group>
XREADGROUP GROUP <group> <consumer> [COUNT <count>] [NOACK] STREAMS <key> {>|0|<id>}
XREADGROUP GROUP <group> <consumer> STREAMS <key> <key> > >
XACK <key> <group> (<id>)+
XPENDING <key> <group>
XPENDING <key> <group> - + <count> [<consumer>]
XCLAIM <key> <group> <consumer> 0 (<id>)+ [FORCE] [JUSTID] [RETRYCOUNT <count>]
XAUTOCLAIM <key> <group> <consumer> 0 {0|<id>} [COUNT <count>] [JUSTID]
XINFO STREAM <key> [FULL [COUNT <count>]]
XINFO GROUPS <key>
XINFO CONSUMERS <key> <group>
XSETID <key> <id>
DEL <key>
"""

HYPERLOGLOG = """
PFADD <key> (<member>)+
PFADD <key>
PFCOUNT (<key>)+
PFMERGE <key> (<key>)+
GET <key>
PFDEBUG ENCODING <key>
SET <key> <value>
DEL <key>
"""

GEO = """
GEOADD <key> [{NX|XX}] [CH] (<longitude> <latitude> <member>)+
GEOADD <key> (<longitude> <latitude> <member>)+
GEODIST <key> <member> <member> [{m|km|mi|ft|parsec}]
GEOPOS <key> (<member>)+
GEOHASH <key> (<member>)+
GEOSEARCH <key> FROMLONLAT <longitude> <latitude> BYRADIUS 5000 km {ASC|DESC} [COUNT <count>] [WITHCOORD] [WITHDIST] [WITHHASH]
GEOSEARCH <key> FROMMEMBER <member> BYBOX 9000 9000 km {ASC|DESC} [COUNT <count>] [WITHDIST]
GEOSEARCHSTORE <key> <key> FROMLONLAT <longitude> <latitude> BYRADIUS 5000 km ASC [COUNT <count>] [STOREDIST]
GEORADIUS <key> <longitude> <latitude> 5000 km [WITHDIST] [COUNT <count>] ASC
GEORADIUS <key> <longitude> <latitude> 5000 km ASC {STORE|STOREDIST} <key>
GEORADIUS_RO <key> <longitude> <latitude> 5000 km [WITHCOORD] [WITHHASH] DESC
GEORADIUSBYMEMBER <key> <member> 5000 km ASC [{STORE|STOREDIST} <key>]
GEORADIUSBYMEMBER_RO <key> <member> 5000 km ASC
ZRANGE <key> 0 -1 WITHSCORES
DEL <key>
"""

EXPIRY = """
SET <key> <value>
SET <key> <value> EX <ttl>
EXPIRE <key> <ttl> [{NX|XX}]
EXPIRE <key> {0|-1|-1000}
PEXPIRE <key> 5000000 [{NX|XX}]
EXPIREAT <key> {4000000000|5000000000|1} [{NX|XX|GT|LT}]
PEXPIREAT <key> {4000000000000|5000000000000|1} [{NX|XX|GT|LT}]
TTL <key>
PTTL <key>
EXPIRETIME <key>
PEXPIRETIME <key>
PERSIST <key>
GET <key>
EXISTS (<key>)+
GETEX <key> {EX <ttl>|PERSIST|EXAT 4000000000}
EXPIRE <key> <bad-ttl>
SET <key> <value> {EX|PX|EXAT} <bad-ttl>
"""

GENERIC = """
SET <key> <value>
RPUSH <key> (<value>)+
SADD <key> (<member>)+
HSET <key> (<field> <value>)+
ZADD <key> (<score> <member>)+
TYPE <key>
EXISTS (<key>)+
DEL (<key>)+
UNLINK (<key>)+
TOUCH (<key>)+
RENAME <key> <key>
RENAMENX <key> <key>
COPY <key> <key> [DB 0] [REPLACE]
OBJECT ENCODING <key>
OBJECT REFCOUNT <key>
OBJECT IDLETIME <key>
OBJECT FREQ <key>
OBJECT HELP
OBJECT {NOSUCH|ENCODING}
MEMORY USAGE <key>
SORT <key> [BY w_*] ALPHA
SORT <key> [LIMIT <index> <count>] [{ASC|DESC}] ALPHA
SORT_RO <key> ALPHA [LIMIT <index> <count>]
SORT <key> ALPHA STORE <key>
MOVE <key> 1
PERSIST <key>
DBSIZE
KEYS {*|s*|*1*|nothing}
MSET (<key> <value>)+
MGET (<key>)+
MSETNX (<key> <value>)+
ECHO <value>
PING [<value>]
SELECT 0
TIME
LOLWUT VERSION 4
PUBLISH <field> <value>
"""

SCRIPTING = """
EVAL <script> 1 <key> (<value>)+
EVAL <script> 2 <key> <key> (<value>)+
EVAL <script> 0
EVAL_RO <script> 1 <key> <value>
EVALSHA <sha> 1 <key> <value>
EVALSHA_RO <sha> 1 <key> <value>
SCRIPT LOAD <script>
SCRIPT EXISTS (<sha>)+
SCRIPT FLUSH [{SYNC|ASYNC}]
EVAL <script> {-1|3|x} <key>
SET <key> <number>
GET <key>
FUNCTION LOAD [REPLACE] <library>
FUNCTION DELETE <library-name>
FUNCTION LIST [LIBRARYNAME <library-name>] [WITHCODE]
FUNCTION FLUSH
FUNCTION STATS
FCALL <function> 1 <key> <value>
FCALL_RO <function> 1 <key> <value>
FCALL <function> 0
DEL <key>
"""

TRANSACTIONS = """
MULTI
EXEC
EXEC
DISCARD
WATCH (<key>)+
UNWATCH
SET <key> <value>
GET <key>
INCR <key>
RPUSH <key> <value>
LRANGE <key> 0 -1
HSET <key> <field> <value>
HGET <key> <field>
PING [<value>]
ECHO <value>
MGET (<key>)+
MSET (<key> <value>)+
DEL (<key>)+
NOSUCHCOMMAND
GET
ZADD <key> (<score> <member>)+
ZRANGE <key> 0 -1 WITHSCORES
CLIENT GETNAME
CLIENT SETNAME <field>
CLIENT {UNBLOCK 999999|KILL 1.2.3.4:5|NO-EVICT off|GETREDIR}
ROLE
ACL WHOAMI
PUBSUB {NUMPAT|NUMSUB <field>}
CLUSTER INFO
"""

TYPES = {
    "strings": STRINGS, "bitmaps": BITMAPS, "hashes": HASHES, "lists": LISTS, "sets": SETS,
    "sorted sets": ZSETS, "streams": STREAMS, "hyperloglog": HYPERLOGLOG, "geo": GEO,
    "expiry": EXPIRY, "generic": GENERIC, "scripting": SCRIPTING, "transactions": TRANSACTIONS,
}

SCRIPTS = [
    "return {KEYS[1],ARGV[1]}",
    "return redis.call('INCR',KEYS[1])",
    "return redis.call('GET',KEYS[1])",
    "return redis.pcall('LPUSH',KEYS[1],'x')",
    "return {1,'two',{3,false},{err='MYERR four'},{ok='fine'}}",
    "return redis.error_reply('MINE that is all')",
    "return nosuchfunction()",
    "this is not lua",
    "redis.setresp(3); return {map={a=1},double=3.5}",
    "redis.setresp(3); return {double=3.25}",
    "redis.setresp(3); return {set={x=true}}",
    "return true",
    "return false",
    "return redis.sha1hex(ARGV[1] or '')",
    "redis.call('SET',KEYS[1],ARGV[1]); return redis.status_reply('STORED')",
    "#!lua flags=no-writes\nreturn redis.call('SET',KEYS[1],'x')",
    "return #ARGV",
]

LIBRARIES = {
    "first": "#!lua name=first\nredis.register_function('f1', function(keys, args) return args[1] end)"
             "\nredis.register_function('f2', function(keys) return redis.call('INCR', keys[1]) end)",
    "second": "#!lua name=second\nredis.register_function{function_name='g1', callback=function(keys)"
              " return redis.call('GET', keys[1]) end, flags={'no-writes'}}",
    "broken": "#!lua name=broken\nnonsense",
}

# Replies in an order that depends on a server's random hash seed.
UNORDERED = {"SMEMBERS", "SUNION", "SINTER", "SDIFF", "HGETALL", "HKEYS", "HVALS", "KEYS", "HSCAN",
             "SSCAN", "ZSCAN", "SPOP", "FUNCTION", "SORT", "SORT_RO"}
# Replies that depend on the clock: numbers may differ by two seconds.
TIMED = {"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "XINFO", "XPENDING", "TIME", "OBJECT"}
# Chosen at random: only the number of elements is told.
RANDOM = {"SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "LOLWUT"}


def parse_template(text):
    """Nested lists: ("word", w) | ("choice", [sequence …]) | ("maybe", s) | ("repeat", s)."""
    tokens = re.findall(r"\)\+|[\[\]{}()|]|<[^>]+>|[^\s\[\]{}()|<]+|<", text)
    position = 0

    def sequence(*ends):
        nonlocal position
        items = []
        while position < len(tokens) and tokens[position] not in ends:
            token = tokens[position]
            position += 1
            if token == "[":
                items.append(("maybe", sequence("]")))
                position += 1
            elif token == "{":
                choices = [sequence("|", "}")]
                while tokens[position] == "|":
                    position += 1
                    choices.append(sequence("|", "}"))
                position += 1
                items.append(("choice", choices))
            elif token == "(" and ")+" in tokens[position:]:
                items.append(("repeat", sequence(")+")))
                position += 1
            else:
                items.append(("word", token))
        return items

    return sequence()


class Workload:
    """Commands of one type as lists of bytes. `shas`, `dump`: what a server told before."""

    def __init__(self, kind, seed, shas, dump, tagged_only=False, may_spoil=True):
        self.random = random.Random(f"{kind} {seed}")
        self.templates = [parse_template(line) for line in TYPES[kind].strip().splitlines()]
        self.shas = shas
        self.dumps = dump
        self.tagged_only = tagged_only
        self.may_spoil = may_spoil
        self.last_id = 1

    def command(self):
        pick = self.random.choice
        self.tag = "{a}" if self.tagged_only else pick(["", "{a}", "{b}"])
        words = []
        self.expand(pick(self.templates), words)
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        if self.may_spoil and words[0] not in (b"LOLWUT", b"SPOP") and self.random.random() < 0.08:
            words = self.spoil(words)
        if self.random.random() < 0.1:
            words[0] = bytes(pick([c, c ^ 0x20]) if 65 <= c <= 90 else c for c in words[0])
        return words

    def expand(self, sequence, words):
        for kind, what in sequence:
            if kind == "maybe":
                if self.random.random() < 0.4:
                    self.expand(what, words)
            elif kind == "choice":
                self.expand(self.random.choice(what), words)
            elif kind == "repeat":
                for _ in range(self.random.choice([1, 1, 2, 3, 4])):
                    self.expand(what, words)
            elif what.startswith("<") and what.endswith(">"):
                made = getattr(self, what[1:-1].replace("-", "_"))()
                words.extend(made if isinstance(made, list) else [made])
            elif what == "(" and kind == "word":
                words.append("(")
            else:
                words.append(what)
        # "(" before an id is one word with it
        for i in range(len(words) - 1, 0, -1):
            if words[i - 1] == "(" and isinstance(words[i], str):
                words[i - 1:i + 1] = ["(" + words[i]]

    def spoil(self, words):
        """Something is wrong with it: an argument missing, one too many, one of the wrong kind."""
        words = list(words)
        place = self.random.randrange(len(words))
        how = self.random.randrange(4)
        if how == 0 and place > 0:
            del words[place]
        elif how == 1:
            words.insert(max(1, place), self.soup())
        elif how == 2 and place > 0:
            words[place] = self.soup()
        else:
            del words[max(1, place):]
        return words

    def soup(self):
        return self.random.choice([b"", b"0", b"-1", b"abc", b"1.5", b"NX", b"LIMIT", b"WITHSCORES",
                                   b"99999999999999999999", b"-9223372036854775808", b"\xff\x00\r\n",
                                   b"(1", b"[a", b"+inf", b"nan", b"{a}k1", b"COUNT", b"GET"])

    # -- placeholders ----------------------------------------------------------------------------

    def key(self):
        return f"{self.tag}k{self.random.randrange(7)}"

    def value(self):
        r = self.random.random()
        if r < 0.5:
            return self.random.choice(["a", "b", "c", "one", "two", "", "hello world"])
        if r < 0.75:
            return self.random.randrange(-20, 20)
        if r < 0.97:
            return bytes(self.random.randrange(256) for _ in range(self.random.randrange(20)))
        return b"x" * self.random.choice([44, 45, 64, 65, 300, 5000, 70000])

    def member(self):
        return f"m{self.random.randrange(12)}"

    def field(self):
        return f"f{self.random.randrange(12)}"

    def number(self):
        return self.random.choice([0, 1, -1, 2, 10, -7, 100, 2**31, 2**63 - 1, -2**63, 2**63])

    def float(self):
        return self.random.choice(["0", "1.5", "-2.25", "3e2", "1e-3", "inf", "10", "x"])

    def score(self):
        return self.random.choice(["0", "1", "2", "2.5", "-3.75", "1e6", "inf", "-inf", "0.1"])

    def index(self):
        return self.random.choice([0, 1, 2, 3, -1, -2, -100, 100])

    def offset(self):
        return self.random.choice([0, 1, 3, 7, 8, 31, 100, 1000, -1])

    def count(self):
        return self.random.choice([0, 1, 2, 3, 10, 100])

    def ttl(self):
        return self.random.choice([1000, 2000, 100000])

    def bad_ttl(self):
        return self.random.choice([0, -1, -1000, 2**63 - 1, -2**63, 2**63, "x", ""])

    def bit(self):
        return self.random.choice([0, 1, 1, 0, 2])

    def bittype(self):
        return self.random.choice(["u8", "i8", "u1", "i64", "u63", "i16", "u64"])

    def bitfield(self):
        kind, offset = self.bittype(), self.random.choice([0, 8, "#1", "#2", 100])
        return self.random.choice([["GET", kind, offset], ["SET", kind, offset, self.number()],
                                   ["INCRBY", kind, offset, self.number()],
                                   ["OVERFLOW", self.random.choice(["SAT", "WRAP", "FAIL"])]])

    def pattern(self):
        return self.random.choice(["*", "*1*", "f?", "[mf]1*", "none"])

    def minimum(self):
        return self.random.choice(["-inf", "0", "(0", "1", "(1", "-3.75", "x"])

    def maximum(self):
        return self.random.choice(["+inf", "2", "(2", "2.5", "1e6", "inf"])

    def lexical(self):
        return self.random.choice(["-", "+", "[m1", "(m1", "[m5", "(m9", "m1"])

    def next_id(self):
        self.last_id += self.random.choice([0, 1, 1, 1, 2])
        return self.random.choice([f"{self.last_id}-{self.random.randrange(1, 4)}",
                                   f"{self.last_id}-*", f"{self.last_id}"])

    def id(self):
        return f"{self.random.randrange(0, self.last_id + 2)}-{self.random.randrange(3)}"

    def group(self):
        return self.random.choice(["g1", "g2"])

    def consumer(self):
        return self.random.choice(["c1", "c2"])

    def longitude(self):
        return self.random.choice(["13.361389", "15.087269", "-122.41", "2.35", "179.9", "200"])

    def latitude(self):
        return self.random.choice(["38.115556", "37.502669", "37.77", "48.85", "-33.9"])

    def dump(self):
        return self.random.choice(self.dumps + [b"garbage"])

    def script(self):
        return self.random.choice(SCRIPTS)

    def sha(self):
        return self.random.choice(self.shas + ["f" * 40, self.shas[0].upper(), "abc"])

    def library(self):
        return self.random.choice(list(LIBRARIES.values()))

    def library_name(self):
        return self.random.choice(list(LIBRARIES))

    def function(self):
        return self.random.choice(["f1", "f2", "g1", "nosuch"])


# -- comparing -----------------------------------------------------------------------------------

class _Reader:
    """A raw reply as a tree: (type and first line, [children])."""

    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def tree(self):
        end = self.raw.index(b"\r\n", self.at)
        line = self.raw[self.at:end]
        self.at = end + 2
        kind, rest = line[:1], line[1:]
        if kind in b"$=!" and rest != b"-1":
            text = self.raw[self.at:self.at + int(rest)]
            self.at += int(rest) + 2
            return (line, text)
        if kind in b"*~>%" and rest != b"-1":
            return (line, [self.tree() for _ in range(int(rest) * (2 if kind == b"%" else 1))])
        return (line, None)


def _sorted(tree, pairs):
    line, inside = tree
    if not isinstance(inside, list):
        return tree
    inside = [_sorted(one, pairs) for one in inside]
    if pairs and len(inside) % 2 == 0:
        both = sorted(((inside[i], inside[i + 1]) for i in range(0, len(inside), 2)), key=repr)
        return (line, [one for pair in both for one in pair])
    return (line, sorted(inside, key=repr))


def _close(one, other):
    if isinstance(one[1], list) and isinstance(other[1], list):
        return (one[0] == other[0] and all(_close(a, b) for a, b in zip(one[1], other[1])))
    if one == other:
        return True
    if one[0][:1] == b":" and other[0][:1] == b":":
        a, b = int(one[0][1:]), int(other[0][1:])
        return abs(a - b) <= 4000
    if isinstance(one[1], bytes) and isinstance(other[1], bytes) and one[1].isdigit():
        return True  # TIME
    return False


def same(words, one, other):
    """Whether two raw replies to the command mean the same, given what it may vary in."""
    if one == other:
        return True
    name = words[0].decode("latin-1").upper()
    first, second = _Reader(one).tree(), _Reader(other).tree()
    if name in RANDOM:
        return one[:1] == other[:1] and (one[:1] != b"*" or first[0] == second[0])
    if name in UNORDERED:
        pairs = name in {"HGETALL", "HSCAN", "ZSCAN"} or first[0][:1] == b"%"
        return _sorted(first, pairs) == _sorted(second, pairs)
    if name in TIMED or name == "MEMORY":
        return _close(first, second)
    return False
