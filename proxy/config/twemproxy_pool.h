// A pool of twemproxy's as twemproxy understands it: its keys read and checked as it reads and
// checks them (nc_conf.c of 0.5.0, and "reuseport", which came after), its defaults not filled in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/result.h"
#include "consensus/cluster/placement.h"
#include "proxy/config/twemproxy_yaml.h"

namespace quorate::config {

struct TwemproxyServer {
  std::string address;  ///< as quorate writes it: "host:port", "[v6]:port" or "unix:/path"
  std::string name;     ///< what twemproxy's ring hashes, given or derived
  uint32_t weight = 1;
};

struct TwemproxyPool {
  std::string name;
  std::string listen;                   ///< as quorate writes it
  std::optional<uint32_t> listen_mode;  ///< permissions of a unix socket
  std::optional<cluster::HashKind> hash;
  std::optional<cluster::Distribution> distribution;
  std::string hash_tag;             ///< empty: none
  std::optional<uint32_t> timeout;  ///< milliseconds
  std::optional<uint32_t> backlog;
  std::optional<uint32_t> client_connections;
  std::optional<bool> tcpkeepalive;
  std::optional<bool> reuseport;
  std::optional<bool> redis;
  std::string redis_auth;
  std::optional<uint32_t> redis_db;
  std::optional<bool> preconnect;
  std::optional<bool> auto_eject_hosts;
  std::optional<uint32_t> server_connections;
  std::optional<uint32_t> server_retry_timeout;  ///< milliseconds
  std::optional<uint32_t> server_failure_limit;
  std::vector<TwemproxyServer> servers;

  cluster::PlacementRules rules() const;
  /// In the order of `servers`, all on the ring.
  std::vector<cluster::PlacementMember> members() const;
};

/// Every error of the file at once, in the file's order.
base::Result<std::vector<TwemproxyPool>, std::vector<ImportError>> read_twemproxy(
    std::string_view yaml_text);

}  // namespace quorate::config
