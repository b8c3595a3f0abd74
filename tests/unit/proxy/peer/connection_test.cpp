#include "proxy/peer/connection.h"

#include <doctest/doctest.h>

#include "pair.h"

using namespace quorate;
using namespace quorate::peer;
using namespace std::chrono_literals;

namespace {

/// Why each side says it is over.
void check_refused(Pair& pair, std::string_view by_listener) {
  pair.settle();
  CHECK(pair.listener.over());
  CHECK(pair.listener.problem() == by_listener);
  CHECK(pair.dialer.over());
  CHECK(pair.dialer.problem() == "refused: " + std::string(by_listener));
}

}  // namespace

TEST_CASE("two members of one cluster with one secret find each other, however bytes are cut") {
  for (const size_t piece : {1, 2, 3, 7, 100, 10000}) {
    Pair pair(member(1), member(2));
    pair.settle(piece);
    REQUIRE(pair.dialer.established());
    REQUIRE(pair.listener.established());
    CHECK(pair.dialer.remote().name == "m2");
    CHECK(raft::number(pair.listener.remote().member) == 1);
    CHECK(pair.listener.remote().address == "127.0.0.1:7000");
    CHECK(pair.dialer.send(FrameKind::kMember, "hello", pair.now) == SendResult::kQueued);
    CHECK(pair.dialer.send(FrameKind::kRequest, "", pair.now) == SendResult::kQueued);
    pair.settle(piece);
    CHECK(pair.at_listener ==
          std::vector<Received>{{FrameKind::kMember, "hello"}, {FrameKind::kRequest, ""}});
  }
}

TEST_CASE("members without a secret find each other") {
  Pair pair(member(1, ""), member(2, ""));
  pair.settle();
  CHECK(pair.dialer.established());
  CHECK(pair.listener.established());
}

TEST_CASE("a dialer with another secret, or none, is refused before it gets a proof") {
  for (const std::string secret : {"another secret", ""}) {
    Pair pair(member(1, secret), member(2));
    check_refused(pair, "the cluster secret is another one, or one side has none");
  }
}

TEST_CASE("a listener without a secret does not serve a dialer that has one") {
  Pair pair(member(1), member(2, ""));
  check_refused(pair, "the cluster secret is another one, or one side has none");
}

TEST_CASE("a listener that does not know the secret is found out by the dialer") {
  // It answers the proof with the dialer's own.
  Local local = member(1);
  Connection dialer(Side::kDialer, local, nonce(1), {}, {});
  FrameDecoder heard;
  heard.add(Pair::take(dialer, 10000));
  REQUIRE(heard.next()->kind == FrameKind::kHello);
  Hello impostor = member(2).hello;
  impostor.nonce = nonce(9);
  dialer.on_bytes(encode_frame(FrameKind::kHello, encode(impostor)), {});
  heard.add(Pair::take(dialer, 10000));
  const auto proof = heard.next();
  REQUIRE(proof->kind == FrameKind::kProof);
  const std::string reflected(proof->payload);
  CHECK(reflected.size() == kProofBytes);
  dialer.on_bytes(encode_frame(FrameKind::kProof, reflected), {});
  CHECK(dialer.over());
}

TEST_CASE("a proof fits one connection only: another nonce makes another") {
  const std::string hello = "hello";
  const std::string first = prove("secret", Side::kDialer, hello, "one");
  CHECK(first != prove("secret", Side::kDialer, hello, "two"));
  CHECK(first != prove("secret", Side::kListener, hello, "one"));
  CHECK(first != prove("other", Side::kDialer, hello, "one"));
  // Bytes cannot move from one hello into the other.
  CHECK(prove("s", Side::kDialer, "ab", "c") != prove("s", Side::kDialer, "a", "bc"));
  CHECK(same_proof(first, prove("secret", Side::kDialer, hello, "one")));
}

TEST_CASE("members of clusters with different names or ids refuse each other") {
  Local stranger = member(1);
  stranger.hello.cluster = "bakery";
  Pair names(stranger, member(2));
  check_refused(names, "belongs to cluster \"bakery\", this one to \"shop\"");

  Local first = member(1);
  Local second = member(2);
  first.hello.cluster_id.fill(1);
  second.hello.cluster_id.fill(2);
  Pair ids(first, second);
  check_refused(ids, "another cluster of the same name: its id differs");

  // One that does not know the id yet is let in.
  Pair founding(member(1), second);
  founding.settle();
  CHECK(founding.dialer.established());
}

TEST_CASE("a member with this member's own id is refused; two without any are not") {
  Pair same(member(3), member(3));
  check_refused(same, "has the id of this member: itself, or a copy of its data directory");
  Pair unknown(member(0), member(0));
  unknown.settle();
  CHECK(unknown.dialer.established());
}

TEST_CASE("a version that is not spoken here is refused with both versions named") {
  Local future = member(1);
  future.hello.least_version = 7;
  future.hello.version = 9;
  Pair pair(future, member(2));
  check_refused(pair, "speaks versions 7 to 9 of the peer protocol, this one 1 to 1");
  // A newer one that still speaks this version is welcome.
  Local newer = member(1);
  newer.hello.version = 9;
  Pair both(newer, member(2));
  both.settle();
  CHECK(both.dialer.established());
}

TEST_CASE("whoever speaks another protocol is cut off, and is owed no memory") {
  Local local = member(1);
  Connection listener(Side::kListener, local, nonce(1), {}, {});
  listener.on_bytes("GET / HTTP/1.1\r\n\r\n", {});
  CHECK(listener.over());

  Connection eager(Side::kListener, local, nonce(1), {}, {});
  eager.on_bytes(encode_frame(FrameKind::kMember, "x"), {});
  CHECK(eager.problem() == "something else than the handshake came first");

  Connection large(Side::kListener, local, nonce(1), {}, {});
  large.on_bytes(encode_frame(FrameKind::kHello, std::string(kMaxHandshakeBytes + 1, 'x')), {});
  CHECK(large.over());
}

TEST_CASE("a handshake that does not end is ended") {
  Local local = member(1);
  Connection listener(Side::kListener, local, nonce(1), {}, {});
  CHECK(listener.next_deadline() == base::Instant{} + 2s);
  listener.on_time(base::Instant{} + 1999ms);
  CHECK(!listener.over());
  listener.on_time(listener.next_deadline());
  CHECK(listener.problem() == "the handshake took too long");
  CHECK(listener.next_deadline() == base::kNever);
}

TEST_CASE("a connection with nothing to say pings; one that hears nothing ends") {
  Pair pair(member(1), member(2));
  pair.settle();
  for (int turn = 0; turn < 20; ++turn) {
    pair.now = std::min(pair.dialer.next_deadline(), pair.listener.next_deadline());
    pair.dialer.on_time(pair.now);
    pair.listener.on_time(pair.now);
    pair.settle();
  }
  CHECK(pair.now >= base::Instant{} + 4s);
  CHECK(pair.dialer.established());
  CHECK(pair.at_listener.empty());

  // Now the listener's bytes no longer arrive.
  const base::Instant last = pair.now;
  while (!pair.dialer.over()) {
    pair.now = pair.dialer.next_deadline();
    pair.dialer.on_time(pair.now);
    Pair::take(pair.dialer, 100);
  }
  CHECK(pair.dialer.problem() == "silent for too long");
  CHECK(pair.now == last + 2s);
}

TEST_CASE("beyond the queue's bound Raft's messages are dropped, and a stream is closed") {
  Pair pair(member(1), member(2), {.queue_bytes = 1000});
  pair.settle();
  const std::string message(400, 'm');
  CHECK(pair.dialer.send(FrameKind::kMember, message, pair.now) == SendResult::kQueued);
  CHECK(pair.dialer.send(FrameKind::kMember, message, pair.now) == SendResult::kQueued);
  CHECK(pair.dialer.send(FrameKind::kMember, message, pair.now) == SendResult::kDropped);
  CHECK(!pair.dialer.over());
  CHECK(!pair.dialer.has_room(400));
  CHECK(pair.dialer.queued_bytes() <= 1000);
  CHECK(pair.dialer.send(FrameKind::kFollow, message, pair.now) == SendResult::kClosed);
  CHECK(pair.dialer.problem() == "does not read fast enough");
  CHECK(pair.dialer.send(FrameKind::kMember, "x", pair.now) == SendResult::kClosed);
}

TEST_CASE("a frame larger than the bound ends an established connection") {
  Pair pair(member(1), member(2));
  pair.settle();
  std::string header("\xff\xff\xff\x7f\x10", 5);
  pair.listener.on_bytes(header, pair.now);
  CHECK(!pair.listener.next_frame());
  CHECK(pair.listener.problem() == "sent a frame that is too long");
}

TEST_CASE("a hello with control characters in a name is refused") {
  Local odd = member(1);
  odd.hello.name = "m\n1";
  Pair pair(odd, member(2));
  check_refused(pair, "sent a hello that cannot be");
}
