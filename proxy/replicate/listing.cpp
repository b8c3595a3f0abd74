#include "proxy/replicate/listing.h"

#include <algorithm>

#include "backends/wire/glob.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/assert.h"
#include "consensus/base/limits.h"
#include "consensus/base/text.h"
#include "consensus/cluster/hash.h"

namespace quorate::replicate {

namespace acceptor = redis::acceptor;
using base::equal_ignoring_case;

namespace {

constexpr uint64_t kPlaces = uint64_t{1} << 29;
constexpr uint64_t kLayouts = uint64_t{1} << 10;
constexpr uint64_t kServers = uint64_t{1} << 7;
constexpr std::string_view kMoved = "TRYAGAIN keys have moved between backends: begin again";

constexpr uint32_t kPartOfAll = 1000;  // keys, of what is listed whole

std::optional<acceptor::Type> type_named(std::string_view name) {
  constexpr std::pair<std::string_view, acceptor::Type> kNames[] = {
      {"string", acceptor::Type::kString}, {"list", acceptor::Type::kList},
      {"set", acceptor::Type::kSet},       {"zset", acceptor::Type::kSortedSet},
      {"hash", acceptor::Type::kHash},     {"stream", acceptor::Type::kStream}};
  for (const auto& [text, type] : kNames) {
    if (equal_ignoring_case(name, text)) return type;
  }
  return std::nullopt;
}

/// A hash of who is a member of which slot, and which process of it.
uint64_t layout_of(const cluster::ReplicaTable& table) {
  std::vector<uint64_t> all;
  for (const cluster::ReplicaBackend& backend : table.backends()) {
    all.push_back(static_cast<uint64_t>(backend.serial));
    all.push_back(backend.incarnation.low);
  }
  for (uint16_t slot = 0; slot < cluster::kSlots; ++slot) {
    uint64_t members = 0;
    for (const auto& place : table.slot(slot).members.all()) {
      members = members * kServers + place.backend + 1;
    }
    all.push_back(members);
  }
  const auto bytes = std::as_bytes(std::span(all));
  return cluster::hash_of(cluster::HashKind::kXxh3,
                          {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

std::optional<std::string> Listing::parse(std::span<const std::string_view> arguments,
                                          Wanted& wanted) {
  if (equal_ignoring_case(arguments[0], "KEYS")) {
    wanted.kind = Kind::kKeys;
    wanted.pattern = arguments[1];
  } else if (equal_ignoring_case(arguments[0], "DBSIZE")) {
    wanted.kind = Kind::kSize;
  } else if (equal_ignoring_case(arguments[0], "RANDOMKEY")) {
    wanted.kind = Kind::kRandomKey;
  } else {
    const auto cursor = base::parse_integer<uint64_t>(arguments[1]);
    if (!cursor) return "ERR invalid cursor";
    wanted.cursor = *cursor;
    for (size_t i = 2; i < arguments.size(); i += 2) {
      if (i + 1 == arguments.size()) return "ERR syntax error";
      const std::string_view value = arguments[i + 1];
      if (equal_ignoring_case(arguments[i], "MATCH")) {
        wanted.pattern = value;
      } else if (equal_ignoring_case(arguments[i], "COUNT")) {
        const auto count = base::parse_integer<int64_t>(value);
        if (!count) return "ERR value is not an integer or out of range";
        if (*count < 1) return "ERR syntax error";
        wanted.count = static_cast<uint32_t>(std::min<int64_t>(*count, limits::kScanPart));
      } else if (equal_ignoring_case(arguments[i], "TYPE")) {
        // As redis-server has it, an unknown type is one that no key is of.
        wanted.type = type_named(value).value_or(acceptor::Type::kNone);
      } else {
        return "ERR syntax error";
      }
    }
  }
  if (wanted.pattern == "*") wanted.pattern.clear();
  return std::nullopt;
}

Listing::Listing(Wanted wanted, std::shared_ptr<const cluster::ReplicaTable> table,
                 const Answers& answers, int64_t now_ms, uint64_t seed)
    : wanted_(std::move(wanted)),
      table_(std::move(table)),
      layout_(layout_of(*table_)),
      now_ms_(now_ms),
      random_(seed) {
  begin(answers);
}

cluster::BackendIndex Listing::server_from(size_t index) const {
  const auto backends = table_->backends();
  for (; index < backends.size(); ++index) {
    if (backends[index].admitted() && index != passed_over_) {
      return static_cast<cluster::BackendIndex>(index);
    }
  }
  return kNone;
}

uint64_t Listing::cursor() const {
  if (server_ == kNone) return 0;
  const uint64_t over = passed_over_ == kNone ? 0 : uint64_t{passed_over_} + 1;
  const uint64_t place = base::parse_integer<uint64_t>(place_).value_or(0);
  const uint64_t who = (uint64_t{server_} + 1) * kServers + over;
  return (who * kLayouts + layout_ % kLayouts) * kPlaces + place;
}

void Listing::begin(const Answers& answers) {
  const auto backends = table_->backends();
  if (backends.size() + 1 >= kServers) return end("ERR too many servers to be scanned");
  if (wanted_.cursor == 0) {
    for (size_t i = 0; i < backends.size() && passed_over_ == kNone; ++i) {
      const bool is_silent = backends[i].admitted() && !answers(backends[i].serial);
      if (is_silent) passed_over_ = static_cast<cluster::BackendIndex>(i);
    }
    bool is_asked = false;
    for (uint16_t slot = 0; slot < cluster::kSlots; ++slot) {
      if (speaker_of(slot, kNone, is_asked) == kNone) {
        return end("CLUSTERDOWN no quorum for slot " + std::to_string(slot));
      }
    }
    server_ = server_from(0);
    if (wanted_.kind == Kind::kRandomKey && !backends.empty()) {
      const auto any = server_from(random_.below(backends.size()));
      if (any != kNone) server_ = any;
      place_ = std::to_string(random_.below(kPlaces));
    }
  } else {
    const uint64_t over = wanted_.cursor / kPlaces / kLayouts % kServers;
    const uint64_t server = wanted_.cursor / kPlaces / kLayouts / kServers;
    if (server == 0 || server > backends.size() || over > backends.size()) {
      return end("ERR invalid cursor");
    }
    if (wanted_.cursor / kPlaces % kLayouts != layout_ % kLayouts) return end(kMoved);
    if (over != 0) passed_over_ = static_cast<cluster::BackendIndex>(over - 1);
    server_ = server_from(server - 1);
    if (server_ == server - 1) place_ = std::to_string(wanted_.cursor % kPlaces);
  }
  if (server_ == kNone) {
    is_done_ = true;
    return;
  }
  ask_part();
}

cluster::BackendIndex Listing::speaker_of(uint16_t slot, cluster::BackendIndex asker,
                                          bool& is_asked) const {
  const cluster::Members& members = table_->slot(slot).members;
  size_t there = 0;
  size_t behind = 0;  // of these, those that are asked after `asker`
  bool is_member = false;
  cluster::BackendIndex last = kNone;
  for (const cluster::Members::Place& place : members.all()) {
    const bool is_there = place.backend != cluster::kNobody && place.backend != passed_over_ &&
                          table_->backends()[place.backend].admitted();
    if (!is_there) continue;
    ++there;
    behind += asker != kNone && place.backend > asker ? 1u : 0u;
    is_member |= place.backend == asker;
    last = last == kNone ? place.backend : std::max(last, place.backend);
  }
  const size_t needed = members.count - members.majority() + 1;
  is_asked = is_member && behind < needed;
  return there < needed ? kNone : last;
}

void Listing::ask_part() {
  const cluster::ReplicaBackend& backend = table_->backends()[server_];
  const uint32_t count = is_whole() ? kPartOfAll : wanted_.count;
  asked_.push_back({0,
                    backend.serial,
                    {{table_->pool(), 0, backend.incarnation, {}}, acceptor::Scan{place_, count}}});
}

void Listing::on_answer(uint32_t tag, const acceptor::Answer* answer) {
  if (is_done_) return;
  if (tag != 0) {
    const bool is_there =
        answer != nullptr && answer->kind == acceptor::AnswerKind::kOk && !answer->blank;
    if (!is_there) told_.push_back(checking_[tag - 1]);
    --checks_;
  } else if (answer == nullptr || answer->kind != acceptor::AnswerKind::kOk) {
    return end("TRYAGAIN backend " + table_->backends()[server_].name + " cannot be scanned now");
  } else {
    on_part(*answer);
  }
  if (checks_ == 0 && !is_done_) go_on();
}

bool Listing::wants(std::string_view key, const acceptor::Meta& meta) const {
  if (!meta.present() || (meta.expires_at_ms != 0 && meta.expires_at_ms <= now_ms_)) return false;
  if (wanted_.type && meta.type != *wanted_.type) return false;
  return wanted_.pattern.empty() || wire::matches_glob(wanted_.pattern, key);
}

void Listing::on_part(const acceptor::Answer& answer) {
  checking_.clear();
  acceptor::ScannedKeys keys(answer);
  std::string_view key;
  acceptor::Meta meta;
  while (keys.next(key, meta)) {
    if (!is_whole() && !wants(key, meta)) continue;
    const uint16_t slot = table_->slot_of(key);
    bool is_asked = false;
    const cluster::BackendIndex speaker = speaker_of(slot, server_, is_asked);
    if (speaker == kNone) {
      return end("CLUSTERDOWN no quorum for slot " + std::to_string(slot));
    }
    if (!is_asked) continue;
    if (is_whole()) {
      const auto [known, is_new] = known_.try_emplace(std::string(key));
      const bool is_newer = is_new || known->second.version < meta.version;
      if (is_newer) known->second = {meta.version, wants(key, meta)};
      continue;
    }
    if (speaker == server_) {
      told_.emplace_back(key);
      continue;
    }
    checking_.emplace_back(key);
    ++checks_;
    acceptor::Read read;
    read.configuration = table_->slot(slot).configuration;
    const cluster::ReplicaBackend& backend = table_->backends()[speaker];
    asked_.push_back({checks_,
                      backend.serial,
                      {{table_->pool(), slot, backend.incarnation, checking_.back()}, read}});
  }
  place_.assign(answer.cursor);
}

size_t Listing::count_wanted() const {
  return static_cast<size_t>(
      std::ranges::count_if(known_, [](const auto& one) { return one.second.wanted; }));
}

void Listing::go_on() {
  if (base::parse_integer<uint64_t>(place_).value_or(kPlaces) >= kPlaces) {
    return end("ERR the server has too many keys to be scanned");
  }
  if (known_.size() > limits::kListedKeys) return end("ERR too many keys to be listed: use SCAN");
  if (place_ == "0") server_ = server_from(size_t{server_} + 1);
  const bool is_enough =
      wanted_.kind == Kind::kScan || (wanted_.kind == Kind::kRandomKey && !told_.empty());
  if (!is_enough && server_ == kNone && wanted_.kind == Kind::kRandomKey && laps_++ == 0) {
    server_ = server_from(0);
  }
  if (is_enough || server_ == kNone) {
    is_done_ = true;
    return;
  }
  ask_part();
}

void Listing::end(std::string_view error) {
  error_ = error;
  is_done_ = true;
}

void Listing::append_reply(const cluster::ReplicaTable& now, std::string& out) const {
  ASSERT(is_done_);
  if (&now != table_.get() && layout_of(now) != layout_) return wire::append_error(out, kMoved);
  if (!error_.empty()) return wire::append_error(out, error_);
  switch (wanted_.kind) {
    case Kind::kScan:
      wire::append_array(out, 2);
      wire::append_bulk(out, std::to_string(cursor()));
      wire::append_array(out, told_.size());
      for (const std::string& key : told_) wire::append_bulk(out, key);
      return;
    case Kind::kKeys:
      wire::append_array(out, count_wanted());
      for (const auto& [key, known] : known_) {
        if (known.wanted) wire::append_bulk(out, key);
      }
      return;
    case Kind::kSize: return wire::append_integer(out, static_cast<int64_t>(count_wanted()));
    case Kind::kRandomKey:
      if (told_.empty()) return wire::append_null(out, true);
      return wire::append_bulk(out, told_[base::Random(random_).below(told_.size())]);
  }
}

}  // namespace quorate::replicate
