#include "proxy/control/discovery.h"

#include <algorithm>

#include "backends/wire/resp_tree.h"
#include "consensus/base/limits.h"
#include "consensus/base/text.h"

namespace quorate::control {

namespace {

using wire::RespTree;

/// Hints make rounds follow each other no faster than this.
constexpr std::chrono::milliseconds kShortest{50};
/// So many rounds have to know of nothing but a lower epoch before it counts.
constexpr uint32_t kOlderRounds = 5;
constexpr int64_t kSlots = 16384;

DiscoveryAnswer failed(std::string problem) {
  DiscoveryAnswer answer;
  answer.problem = std::move(problem);
  return answer;
}

std::string error_text(std::string_view reply) {
  return std::string(reply.substr(1, reply.find("\r\n") - 1));
}

/// The value behind "name:" in the lines of CLUSTER INFO.
std::string_view field(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const size_t end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
      return line.substr(name.size() + 1);
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 2);
  }
  return {};
}

/// The value behind `name` in a flat list of names and values.
std::string_view value_of(const RespTree& list, std::string_view name) {
  for (size_t i = 0; i + 1 < list.elements.size(); i += 2) {
    if (list.elements[i].text == name) return list.elements[i + 1].text;
  }
  return {};
}

/// [host, port, id, …] of CLUSTER SLOTS; nothing if it does not say where it is.
std::optional<ServerAddress> node_of(const RespTree& node, const ServerAddress& asked) {
  if (node.kind != RespTree::Kind::kArray || node.elements.size() < 2) return std::nullopt;
  const RespTree& host = node.elements[0];
  const int64_t port = node.elements[1].integer;
  if (port < 1 || port > UINT16_MAX || host.text == "?") return std::nullopt;
  // No address: the one it was asked at.
  const bool same = host.kind == RespTree::Kind::kNil || host.text.empty();
  return ServerAddress{.host = same ? asked.host : std::string(host.text),
                       .port = static_cast<uint16_t>(port)};
}

std::optional<ServerAddress> address_of(const RespTree& list) {
  const std::string_view host = value_of(list, "ip");
  const auto port = base::parse_integer<uint16_t>(value_of(list, "port"));
  if (host.empty() || !port || *port == 0) return std::nullopt;
  return ServerAddress{.host = std::string(host), .port = *port};
}

bool has_flag(std::string_view flags, std::string_view flag) {
  return ("," + std::string(flags) + ",").find("," + std::string(flag) + ",") != std::string::npos;
}

}  // namespace

DiscoveryAnswer read_cluster(const ServerAddress& asked, std::string_view info,
                             std::string_view slots) {
  for (const std::string_view reply : {info, slots}) {
    if (reply.starts_with('-')) return failed(error_text(reply));
  }
  const auto text = wire::parse_resp_tree(info);
  const auto tree = wire::parse_resp_tree(slots);
  if (!text.ok() || !tree.ok() || tree.value().kind != RespTree::Kind::kArray) {
    return failed("an answer that is none to CLUSTER SLOTS");
  }
  DiscoveryAnswer answer;
  answer.certain = field(text.value().text, "cluster_state") == "ok";
  answer.epoch =
      base::parse_integer<uint64_t>(field(text.value().text, "cluster_current_epoch")).value_or(0);
  std::map<ServerAddress, FoundPrimary> primaries;
  for (const RespTree& range : tree.value().elements) {
    if (range.kind != RespTree::Kind::kArray || range.elements.size() < 3) continue;
    const int64_t first = range.elements[0].integer;
    const int64_t last = range.elements[1].integer;
    const auto address = node_of(range.elements[2], asked);
    if (first < 0 || last < first || last >= kSlots || !address) continue;
    FoundPrimary& primary = primaries[*address];
    primary.address = *address;
    primary.slots.push_back({static_cast<uint16_t>(first), static_cast<uint16_t>(last)});
    for (size_t i = 3; i < range.elements.size(); ++i) {
      const auto replica = node_of(range.elements[i], asked);
      if (replica) primary.replicas.push_back(*replica);
    }
  }
  if (primaries.empty()) return failed("a node that knows of no slots");
  for (auto& [address, primary] : primaries) {
    std::ranges::sort(primary.slots);
    std::ranges::sort(primary.replicas);
    primary.replicas.erase(std::unique(primary.replicas.begin(), primary.replicas.end()),
                           primary.replicas.end());
    answer.found.primaries.push_back(std::move(primary));
  }
  return answer;
}

DiscoveryAnswer read_sentinel(std::string_view primary, std::string_view replicas) {
  for (const std::string_view reply : {primary, replicas}) {
    if (reply.starts_with('-')) return failed(error_text(reply));
  }
  const auto about = wire::parse_resp_tree(primary);
  const auto list = wire::parse_resp_tree(replicas);
  if (!about.ok() || !list.ok()) return failed("an answer that is none of a sentinel");
  const auto address = address_of(about.value());
  if (!address) return failed("an answer that names no primary");
  DiscoveryAnswer answer;
  answer.certain = true;
  answer.epoch = base::parse_integer<uint64_t>(value_of(about.value(), "config-epoch")).value_or(0);
  FoundPrimary& found = answer.found.primaries.emplace_back();
  found.address = *address;
  for (const RespTree& one : list.value().elements) {
    const std::string_view flags = value_of(one, "flags");
    const bool is_away = has_flag(flags, "s_down") || has_flag(flags, "o_down") ||
                         has_flag(flags, "disconnected") ||
                         value_of(one, "master-link-status") != "ok";
    const auto replica = address_of(one);
    if (replica && !is_away && *replica != *address) found.replicas.push_back(*replica);
  }
  std::ranges::sort(found.replicas);
  return answer;
}

std::vector<ServerAddress> Discovery::begin_round(base::Instant now) {
  std::vector<ServerAddress> whom = rules_.seeds;
  if (rules_.asks_found && found_) {
    for (const FoundPrimary& primary : found_->primaries) {
      whom.push_back(primary.address);
      whom.insert(whom.end(), primary.replicas.begin(), primary.replicas.end());
    }
  }
  began_ = now;
  next_round_ = now + rules_.interval;
  std::vector<ServerAddress> asked;
  for (ServerAddress& one : whom) {
    if (asked_.size() >= limits::kAskedServers) break;
    if (asked_.try_emplace(one).second) asked.push_back(std::move(one));
  }
  return asked;
}

void Discovery::hint(base::Instant now) {
  // A round that is under way may have been asked before: then it is another one's turn.
  next_round_ = std::min(next_round_, std::max(now, began_ + kShortest));
}

bool Discovery::adopt(const DiscoveryAnswer& answer) {
  epoch_ = answer.epoch;
  certain_ = answer.certain;
  older_rounds_ = 0;
  if (found_ == answer.found) return false;
  found_ = answer.found;
  return true;
}

bool Discovery::on_answer(const ServerAddress& asked, DiscoveryAnswer answer) {
  const auto found = asked_.find(asked);
  if (found == asked_.end() || found->second) return false;
  // What is newer than all that is known need not wait for the others.
  const bool news =
      answer.problem.empty() && answer.certain && (answer.epoch > epoch_ || !certain_ || !found_);
  const bool changed = news && adopt(answer);
  found->second = std::move(answer);
  const bool all =
      std::ranges::all_of(asked_, [](const auto& one) { return one.second.has_value(); });
  return (all && end_round()) || changed;
}

bool Discovery::end_round() {
  const DiscoveryAnswer* best = nullptr;
  size_t best_votes = 0;
  std::string problem;
  for (const auto& [address, answer] : asked_) {
    if (!answer->problem.empty()) {
      if (problem.empty()) problem = address.text() + ": " + answer->problem;
      continue;
    }
    size_t votes = 0;
    for (const auto& [other, theirs] : asked_) {
      votes += theirs->problem.empty() && theirs->found == answer->found ? 1 : 0;
    }
    const bool better =
        best == nullptr || (answer->certain && !best->certain) ||
        (answer->certain == best->certain &&
         (answer->epoch > best->epoch || (answer->epoch == best->epoch && votes > best_votes)));
    if (!better) continue;
    best = &*answer;
    best_votes = votes;
  }
  bool changed = false;
  if (best == nullptr) {
    problem_ = std::move(problem);
  } else {
    problem_.clear();
    const bool worse = found_ && ((certain_ && !best->certain) || best->epoch < epoch_);
    if (!worse || ++older_rounds_ >= kOlderRounds) changed = adopt(*best);
  }
  asked_.clear();
  return changed;
}

}  // namespace quorate::control
