#include "proxy/config/print.h"

#include <type_traits>
#include <variant>

#include "proxy/config/schema.h"
#include "proxy/config/text_of.h"

namespace quorate::config {
namespace {

constexpr std::string_view kRedacted = "\"${redacted}\"";

/// One value as TOML. `secret`: it came from outside; a password is secret unless it is empty.
template <class T>
std::string shown(const T& value, const KeyTraits& traits, bool secret) {
  if constexpr (std::is_same_v<T, std::string>) secret |= traits.secret && !value.empty();
  return secret ? std::string(kRedacted) : toml_of(value);
}

std::string shown(const std::vector<Address>& list, const KeyTraits&, bool secret) {
  if (secret) return std::string(kRedacted);
  if (list.size() == 1) return toml_of(list[0]);
  std::string text = "[";
  for (const Address& address : list) text += (text.size() > 1 ? ", " : "") + toml_of(address);
  return text + "]";
}

std::string shown(const std::vector<Founder>& list, const KeyTraits&, bool secret) {
  if (secret) return std::string(kRedacted);
  std::string text = "[";
  for (const Founder& one : list) text += (text.size() > 1 ? ", " : "") + literal(one.text());
  return text + "]";
}

bool is_plain(const BackendSettings& backend, Distribution distribution) {
  BackendSettings plain;
  plain.address = backend.address;
  plain.name = default_backend_name(backend.address, distribution);
  return backend == plain && backend.secrets.names.empty();
}

// The address alone, or an inline table of what differs from the defaults.
std::string shown(const BackendSettings& backend, Distribution distribution) {
  if (is_plain(backend, distribution)) return toml_of(backend.address);
  BackendSettings defaults;
  defaults.name = default_backend_name(backend.address, distribution);
  std::string text;
  for (const Key<BackendSettings>& key : keys_of<BackendSettings>()) {
    std::visit(
        [&](auto member) {
          const bool secret = backend.secrets.contains(key.name);
          if (!secret && backend.*member == defaults.*member) return;
          text += (text.empty() ? "" : ", ") + std::string(key.name) + " = " +
                  shown(backend.*member, key.traits, secret);
        },
        key.member);
  }
  return "{ " + text + " }";
}

template <class Owner, class T>
std::string shown_member(const Owner& owner, T Owner::*member, const Key<Owner>& key) {
  return shown(owner.*member, key.traits, owner.secrets.contains(key.name));
}

std::string shown_member(const PoolSettings& pool, std::vector<BackendSettings> PoolSettings::*list,
                         const Key<PoolSettings>&) {
  std::string text = "[\n";
  for (const BackendSettings& backend : pool.*list) {
    text += "  " + shown(backend, pool.distribution) + ",\n";
  }
  return text + "]";
}

bool applies(const auto& key, const auto&) { return !key.traits.only; }
bool applies(const Key<PoolSettings>& key, const PoolSettings& pool) {
  return !key.traits.only || *key.traits.only == pool.protocol;
}

template <class Owner>
std::string keys_as_toml(const Owner& owner) {
  std::string text;
  for (const Key<Owner>& key : keys_of<Owner>()) {
    if (!applies(key, owner)) continue;
    std::visit(
        [&](auto member) {
          text += std::string(key.name) + " = " + shown_member(owner, member, key) + "\n";
        },
        key.member);
  }
  return text;
}

}  // namespace

std::string to_toml(const Settings& settings) {
  std::string text = keys_as_toml(settings);
  text += "\n[log]\n" + keys_as_toml(settings.log);
  text += "\n[admin]\n" + keys_as_toml(settings.admin);
  text += "\n[cluster]\n" + keys_as_toml(settings.cluster);
  for (const PoolSettings& pool : settings.pools) {
    text += "\n[pool." + pool.name + "]\n" + keys_as_toml(pool);
  }
  return text;
}

}  // namespace quorate::config
