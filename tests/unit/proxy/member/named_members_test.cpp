#include "proxy/member/named_members.h"

#include <doctest/doctest.h>

#include "consensus/cluster/cluster_change.h"
#include "consensus/cluster/cluster_codec.h"
#include "consensus/raft/raft.h"

namespace quorate::member {
namespace {

raft::EntryRef entry(raft::Index index, std::string bytes) {
  return std::make_shared<const raft::Entry>(
      raft::Entry{1, index, raft::Command{std::move(bytes)}});
}

}  // namespace

TEST_CASE("who has told a name is known from the snapshot and from every entry after it") {
  raft::Configuration configuration;
  configuration.voters = {raft::MemberId{1}, raft::MemberId{2}};
  configuration.addresses = {{raft::MemberId{1}, "h:1"}, {raft::MemberId{2}, "h:2"}};
  cluster::ClusterMap map;
  cluster::apply(map, 3, configuration);
  REQUIRE(cluster::apply(map, 4, cluster::DescribeMember{raft::MemberId{1}, "a", "h:1"}).ok());
  raft::Durable durable;
  durable.snapshot = raft::make_snapshot(4, 1, configuration, cluster::encode(map));
  using Named = std::map<raft::MemberId, std::string>;
  CHECK(named_in(durable) == Named{{raft::MemberId{1}, "a"}});

  const cluster::Change told = cluster::DescribeMember{raft::MemberId{3}, "c", "h:3"};
  durable.entries = {entry(5, "what a later program wrote"), entry(6, cluster::encode(told))};
  CHECK(named_in(durable) == Named{{raft::MemberId{1}, "a"}, {raft::MemberId{3}, "c"}});
}

}  // namespace quorate::member
