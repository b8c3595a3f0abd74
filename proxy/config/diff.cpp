#include "proxy/config/diff.h"

#include <algorithm>
#include <type_traits>
#include <variant>

#include "proxy/config/text_of.h"

namespace quorate::config {
namespace {

constexpr std::string_view kSecret = "(secret)";

template <class T>
const T* find_named(const std::vector<T>& list, const std::string& name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const T& one) { return one.name == name; });
  return found == list.end() ? nullptr : &*found;
}

std::string name_of(const BackendSettings& backend) {
  return backend.secrets.contains("name") ? std::string(kSecret) : backend.name;
}

// "10.0.0.4:6379", and in brackets what is not its default.
std::string description(const BackendSettings& backend, Distribution distribution) {
  const bool hidden = backend.secrets.contains("address");
  std::string text = hidden ? std::string(kSecret) : backend.address.text();
  std::string details;
  const auto detail = [&](std::string_view key, const std::string& value) {
    details += details.empty() ? "" : ", ";
    details.append(key).append(" ").append(backend.secrets.contains(key) ? kSecret : value);
  };
  const BackendSettings defaults;
  if (!hidden && backend.name != default_backend_name(backend.address, distribution)) {
    detail("name", backend.name);
  }
  if (backend.weight != defaults.weight) detail("weight", text_of(backend.weight));
  if (!backend.zone.empty()) detail("zone", backend.zone);
  if (backend.spare) detail("spare", text_of(backend.spare));
  if (backend.db != defaults.db) detail("db", text_of(backend.db));
  if (!backend.user.empty()) detail("user", backend.user);
  return details.empty() ? text : text + " (" + details + ")";
}

class Comparison {
 public:
  std::vector<Change> run(const Settings& before, const Settings& after);

 private:
  /// What is common to every line about one key.
  struct Line {
    std::string path;
    const KeyTraits& traits;
    bool secret;
  };

  template <class Owner>
  void compare(const Owner& before, const Owner& after, const std::string& path);
  template <class Owner, class T>
  void compare_member(const Owner& before, const Owner& after, T Owner::*member, const Line& line);
  template <class Owner>
  void compare_member(const Owner& before, const Owner& after, std::vector<Address> Owner::*member,
                      const Line& line);
  void compare_member(const PoolSettings& before, const PoolSettings& after,
                      std::vector<BackendSettings> PoolSettings::*member, const Line& line);
  void compare_pools(const Settings& before, const Settings& after);

  void add(const std::string& path, std::string what, Reload reload, bool moves_keys = false) {
    changes_.push_back({path, std::move(what), reload, moves_keys});
  }

  std::vector<Change> changes_;
};

template <class Owner>
void Comparison::compare(const Owner& before, const Owner& after, const std::string& path) {
  for (const Key<Owner>& key : keys_of<Owner>()) {
    const bool secret =
        key.traits.secret || before.secrets.contains(key.name) || after.secrets.contains(key.name);
    const Line line{path + std::string(key.name), key.traits, secret};
    std::visit([&](auto member) { compare_member(before, after, member, line); }, key.member);
  }
}

template <class Owner, class T>
void Comparison::compare_member(const Owner& before, const Owner& after, T Owner::*member,
                                const Line& line) {
  if (before.*member == after.*member) return;
  std::string what = text_of(before.*member) + " -> " + text_of(after.*member);
  if (line.secret) {
    what = "changed (secret)";
    if constexpr (std::is_same_v<T, std::string>) {
      if ((before.*member).empty()) what = "set (secret)";
      if ((after.*member).empty()) what = "removed (secret)";
    }
  }
  add(line.path, std::move(what), line.traits.reload, line.traits.moves_keys);
}

template <class Owner>
void Comparison::compare_member(const Owner& before_owner, const Owner& after_owner,
                                std::vector<Address> Owner::*member, const Line& line) {
  const std::vector<Address>& before = before_owner.*member;
  const std::vector<Address>& after = after_owner.*member;
  const Reload reload = line.traits.reload;
  if (before == after) return;
  if (line.secret) return add(line.path, "changed (secret)", reload);
  if (before.size() == 1 && after.size() == 1) {
    return add(line.path, before[0].text() + " -> " + after[0].text(), reload);
  }
  const size_t changes = changes_.size();
  const auto missing = [](const std::vector<Address>& list, const Address& address) {
    return std::find(list.begin(), list.end(), address) == list.end();
  };
  for (const Address& address : before) {
    if (missing(after, address)) add(line.path, "- " + address.text(), reload);
  }
  for (const Address& address : after) {
    if (missing(before, address)) add(line.path, "+ " + address.text(), reload);
  }
  if (changes_.size() == changes) add(line.path, "order changed", Reload::kLive);
}

void Comparison::compare_member(const PoolSettings& before, const PoolSettings& after,
                                std::vector<BackendSettings> PoolSettings::*, const Line& line) {
  const std::string& path = line.path;
  std::vector<std::string> kept_before;
  std::vector<std::string> kept_after;
  for (const BackendSettings& old : before.backends) {
    if (find_named(after.backends, old.name) == nullptr) {
      add(path, "- " + description(old, before.distribution), Reload::kDrain, true);
    } else {
      kept_before.push_back(old.name);
    }
  }
  for (const BackendSettings& fresh : after.backends) {
    const BackendSettings* old = find_named(before.backends, fresh.name);
    if (old == nullptr) {
      add(path, "+ " + description(fresh, after.distribution), Reload::kLive, true);
      continue;
    }
    kept_after.push_back(fresh.name);
    const bool hidden = old->secrets.contains("name");
    compare(*old, fresh, path + "[" + (hidden ? std::string(kSecret) : name_of(fresh)) + "].");
  }
  if (kept_before != kept_after) add(path, "order changed", Reload::kLive);
}

void Comparison::compare_pools(const Settings& before, const Settings& after) {
  const auto summary = [](const PoolSettings& pool) {
    std::string listen = pool.secrets.contains("listen") ? std::string(kSecret) : "";
    if (listen.empty()) {
      for (const Address& address : pool.listen) {
        listen += (listen.empty() ? "" : ", ") + address.text();
      }
    }
    const size_t count = pool.backends.size();
    return text_of(pool.protocol) + " on " + listen + ", " + std::to_string(count) +
           (count == 1 ? " backend" : " backends");
  };
  std::vector<std::string> kept_before;
  std::vector<std::string> kept_after;
  for (const PoolSettings& old : before.pools) {
    if (find_named(after.pools, old.name) == nullptr) {
      add("pool." + old.name, "- " + summary(old), kPoolAddedOrRemoved);
    } else {
      kept_before.push_back(old.name);
    }
  }
  for (const PoolSettings& fresh : after.pools) {
    if (const PoolSettings* old = find_named(before.pools, fresh.name)) {
      kept_after.push_back(fresh.name);
      compare(*old, fresh, "pool." + fresh.name + ".");
    } else {
      add("pool." + fresh.name, "+ " + summary(fresh), kPoolAddedOrRemoved);
    }
  }
  if (kept_before != kept_after) add("pool", "order changed", Reload::kLive);
}

std::vector<Change> Comparison::run(const Settings& before, const Settings& after) {
  compare(before, after, "");
  compare(before.log, after.log, "log.");
  compare(before.admin, after.admin, "admin.");
  compare(before.cluster, after.cluster, "cluster.");
  compare_pools(before, after);
  return std::move(changes_);
}

}  // namespace

std::vector<Change> diff(const Settings& before, const Settings& after) {
  return Comparison().run(before, after);
}

std::string render(const Change& change) {
  std::string consequences;
  if (change.reload == Reload::kRestart) consequences = "needs a restart";
  if (change.reload == Reload::kDrain) consequences = "for new connections; old ones drain";
  if (change.moves_keys) consequences += consequences.empty() ? "moves keys" : "; moves keys";
  return consequences.empty() ? change.text() : change.text() + "  (" + consequences + ")";
}

}  // namespace quorate::config
