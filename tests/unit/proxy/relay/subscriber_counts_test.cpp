#include "proxy/relay/subscriber_counts.h"

#include <doctest/doctest.h>

using quorate::relay::SubscriberCounts;
using Kind = SubscriberCounts::Kind;

TEST_CASE("what a backend counts is missing the clients of a worker but the first") {
  SubscriberCounts counts;
  counts.add(0, Kind::kChannel, "news", true);  // one worker with two clients, another with one
  CHECK_FALSE(counts.any_unseen());
  counts.add(0, Kind::kChannel, "news", false);
  counts.add(0, Kind::kChannel, "news", true);
  CHECK(counts.any_unseen());
  CHECK(counts.unseen_receivers(0, "news", false) == 1);
  CHECK(counts.unseen_receivers(0, "other", false) == 0);
  CHECK(counts.unseen_receivers(1, "news", false) == 0);
  CHECK(counts.clients(0, Kind::kChannel, "news") == 3);

  counts.remove(0, Kind::kChannel, "news", false);
  CHECK_FALSE(counts.any_unseen());
  counts.remove(0, Kind::kChannel, "news", true);
  counts.remove(0, Kind::kChannel, "news", true);
  CHECK(counts.clients(0, Kind::kChannel, "news") == 0);
  CHECK(counts.topics(0, Kind::kChannel) == 0);
}

TEST_CASE("patterns add to what they match, and a client counts once for each of its patterns") {
  SubscriberCounts counts;
  for (const char* pattern : {"n*", "?ews", "x*"}) {
    counts.add(0, Kind::kPattern, pattern, true);
    counts.add(0, Kind::kPattern, pattern, false);
  }
  CHECK(counts.unseen_receivers(0, "news", false) == 2);
  CHECK(counts.topics(0, Kind::kPattern) == 3);
}

TEST_CASE("shard channels are channels of their own") {
  SubscriberCounts counts;
  counts.add(0, Kind::kShard, "a", true);
  counts.add(0, Kind::kShard, "a", false);
  counts.add(0, Kind::kPattern, "*", true);
  counts.add(0, Kind::kPattern, "*", false);
  CHECK(counts.unseen_receivers(0, "a", true) == 1);
  CHECK(counts.unseen_receivers(0, "a", false) == 1);
  CHECK(counts.names(0, Kind::kShard, nullptr) == std::vector<std::string>{"a"});
  const std::string_view pattern = "b*";
  CHECK(counts.names(0, Kind::kShard, &pattern).empty());
  CHECK(counts.names(7, Kind::kChannel, nullptr).empty());
}
