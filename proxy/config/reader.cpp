#include "proxy/config/reader.h"

#include <algorithm>
#include <array>
#include <optional>
#include <type_traits>
#include <utility>

#include "consensus/base/text.h"
#include "proxy/config/address.h"
#include "proxy/config/choices.h"
#include "proxy/config/nearest.h"
#include "proxy/config/schema.h"
#include "proxy/config/text_of.h"
#include "proxy/config/units.h"

namespace quorate::config {
namespace {

constexpr size_t kLongestPoolName = 64;

/// The key whose value is being read.
struct Slot {
  std::string_view key;
  const KeyTraits& traits;
  std::string path;          // in Places
  std::string default_text;  // an example of the right form
};

/// A string of the file with its substitutions made.
struct Text {
  std::string value;
  std::string written;  // what messages may show
  bool secret = false;

  /// A detail that may quote the value, or for a secret what the value should have been.
  std::string explain(const std::string& detail, std::string_view wanted) const {
    return secret ? toml_string(written) + " does not hold " + std::string(wanted) : detail;
  }
};

template <class Owner>
constexpr bool kIsTop = std::is_same_v<Owner, Settings>;

constexpr std::array<std::string_view, 4> kTables{"log", "admin", "cluster", "pool"};

bool is_pool_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestPoolName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

class Reader {
 public:
  Reader(const Environment& environment, Findings& findings, Places& places)
      : environment_(environment), findings_(findings), places_(places) {}

  Settings read_document(const Table& document);

 private:
  template <class Owner>
  void read_keys(const Table& table, Owner& owner, const std::string& path,
                 const std::string& where);
  template <class Owner>
  void read_entry(const Entry& entry, const Key<Owner>& key, Owner& owner, const std::string& path);
  template <class Owner>
  void report_unknown(const Entry& entry, const std::string& path, const std::string& where);
  template <class Owner>
  void report_missing(const Table& table, const Place& place, const std::string& path,
                      const std::string& where);
  template <class Owner>
  void read_table(const Entry& entry, Owner& owner);

  void read_pools(const Entry& entry, Settings& settings);
  PoolSettings read_pool(const Entry& entry);
  void fill_dependent_defaults(PoolSettings& pool, const std::string& path);
  void refuse_other_protocol(const PoolSettings& pool, const std::string& path);
  template <class Owner>
  void refuse_keys_of_other_protocol(Protocol protocol, const std::string& path);

  void read(const Value& value, const Slot& slot, SecretKeys& secrets, bool& target);
  void read(const Value& value, const Slot& slot, SecretKeys& secrets, uint32_t& target);
  void read(const Value& value, const Slot& slot, SecretKeys& secrets, uint64_t& target);
  void read(const Value& value, const Slot& slot, SecretKeys& secrets, Duration& target);
  void read(const Value& value, const Slot& slot, SecretKeys& secrets, FileMode& target);
  void read(const Value& value, const Slot& slot, SecretKeys& secrets, std::string& target);
  void read(const Value& value, const Slot& slot, SecretKeys& secrets, Address& target);
  void read(const Value& value, const Slot& slot, SecretKeys& secrets,
            std::optional<Address>& target);
  void read(const Value& value, const Slot& slot, SecretKeys& secrets,
            std::vector<Address>& target);
  void read(const Value& value, const Slot& slot, SecretKeys& secrets,
            std::vector<BackendSettings>& target);
  void read(const Value& value, const Slot& slot, SecretKeys& secrets,
            std::vector<Founder>& target);
  template <class Enumeration>
  requires std::is_enum_v<Enumeration>
  void read(const Value& value, const Slot& slot, SecretKeys& secrets, Enumeration& target);

  std::optional<Text> read_text(const Value& value, const Slot& slot, SecretKeys& secrets,
                                std::string_view wanted);
  std::optional<Address> read_address(const Value& value, const Slot& slot, SecretKeys& secrets);
  BackendSettings read_backend(const Value& value, const Slot& slot);

  void fail(const Value& value, const Slot& slot, const std::string& message);
  void refuse_type(const Value& value, const Slot& slot, std::string_view wanted);
  /// `number` was read from `shown`; `text_of_number` says the ends of the range.
  bool in_range(const Value& value, const Slot& slot, uint64_t number, const std::string& shown,
                std::string (*text_of_number)(uint64_t));

  const Environment& environment_;
  Findings& findings_;
  Places& places_;
};

std::string number_text(uint64_t number) { return std::to_string(number); }
std::string nanoseconds_text(uint64_t count) {
  return duration_text(Duration(static_cast<int64_t>(count)));
}
std::string mode_text(uint64_t bits) { return octal_text({static_cast<uint32_t>(bits)}); }

// ---- tables and keys

template <class Owner>
void Reader::read_keys(const Table& table, Owner& owner, const std::string& path,
                       const std::string& where) {
  const auto keys = keys_of<Owner>();
  for (const Entry& entry : table.entries) {
    const auto key = std::find_if(keys.begin(), keys.end(),
                                  [&](const Key<Owner>& known) { return known.name == entry.key; });
    if (key != keys.end()) {
      read_entry(entry, *key, owner, path);
    } else if (!kIsTop<Owner> ||
               std::find(kTables.begin(), kTables.end(), entry.key) == kTables.end()) {
      report_unknown<Owner>(entry, path, where);
    }
  }
}

template <class Owner>
void Reader::read_entry(const Entry& entry, const Key<Owner>& key, Owner& owner,
                        const std::string& path) {
  const std::string full = path.empty() ? entry.key : path + "." + entry.key;
  places_.set(full, entry.value.place);
  std::visit(
      [&](auto member) {
        auto& target = owner.*member;
        using T = std::remove_reference_t<decltype(target)>;
        std::string example;
        if constexpr (!std::is_same_v<T, std::vector<Address>> &&
                      !std::is_same_v<T, std::vector<Founder>> &&
                      !std::is_same_v<T, std::vector<BackendSettings>>) {
          example = toml_of(Owner{}.*member);
        }
        read(entry.value, Slot{key.name, key.traits, full, example}, owner.secrets, target);
      },
      key.member);
}

template <class Owner>
void Reader::report_unknown(const Entry& entry, const std::string& path, const std::string& where) {
  const bool table = entry.value.table() != nullptr;
  std::vector<std::string_view> known = names_of_keys<Owner>();
  if (kIsTop<Owner>) known.insert(known.end(), kTables.begin(), kTables.end());

  std::string message;
  if (table) {
    message = "unknown table [" + (path.empty() ? "" : path + ".") + entry.key + "]";
  } else {
    message = "unknown key " + toml_string(entry.key) + (where.empty() ? "" : " in " + where);
  }
  const std::string_view same = foreign_key(entry.key);
  const std::string home = home_of_key(entry.key);
  const std::string_view near = nearest(entry.key, known);
  if (std::find(known.begin(), known.end(), same) != known.end()) {
    message += "; here it is \"" + std::string(same) + "\"";
  } else if (!table && !home.empty()) {
    message += "; it belongs to " + home;
  } else if (std::find(kTables.begin(), kTables.end(), near) != kTables.end() && kIsTop<Owner>) {
    message += "; did you mean [" + std::string(near) + (near == "pool" ? ".NAME]?" : "]?");
  } else if (!near.empty()) {
    message += "; did you mean \"" + std::string(near) + "\"?";
  }
  findings_.error(entry.key_place, message);
}

template <class Owner>
void Reader::report_missing(const Table& table, const Place& place, const std::string& path,
                            const std::string& where) {
  for (const Key<Owner>& key : keys_of<Owner>()) {
    if (!key.traits.required || table.find(key.name) != nullptr) continue;
    findings_.error(place, where + " has no \"" + std::string(key.name) + "\"");
    places_.mark_unsound(path + "." + std::string(key.name));
  }
}

template <class Owner>
void Reader::read_table(const Entry& entry, Owner& owner) {
  places_.set(entry.key, entry.key_place);
  if (const Table* table = entry.value.table()) {
    read_keys(*table, owner, entry.key, "[" + entry.key + "]");
  } else {
    findings_.error(entry.key_place,
                    toml_string(entry.key) + " is a table: write [" + entry.key + "]");
  }
}

Settings Reader::read_document(const Table& document) {
  Settings settings;
  read_keys(document, settings, "", "");
  for (const Entry& entry : document.entries) {
    if (entry.key == "log") read_table(entry, settings.log);
    if (entry.key == "admin") read_table(entry, settings.admin);
    if (entry.key == "cluster") read_table(entry, settings.cluster);
    if (entry.key == "pool") read_pools(entry, settings);
  }
  if (settings.pools.empty() && !findings_.has_errors()) {
    findings_.error({}, "there is no pool: nothing to serve; add a [pool.NAME]");
  }
  return settings;
}

void Reader::read_pools(const Entry& entry, Settings& settings) {
  const Table* pools = entry.value.table();
  if (pools == nullptr) {
    findings_.error(entry.key_place, "a pool has a name: write [pool.NAME]");
    return;
  }
  for (const Entry& pool : pools->entries) {
    if (pool.value.table() != nullptr) {
      settings.pools.push_back(read_pool(pool));
      continue;
    }
    const auto names = names_of_keys<PoolSettings>();
    const bool key = std::find(names.begin(), names.end(), pool.key) != names.end();
    findings_.error(pool.key_place,
                    key ? toml_string(pool.key) + " stands in no pool: write [pool.NAME]"
                        : "a pool is a table: write [pool." + pool.key + "]");
  }
}

PoolSettings Reader::read_pool(const Entry& entry) {
  PoolSettings pool;
  pool.name = entry.key;
  const std::string path = "pool." + entry.key;
  const std::string where = "[" + path + "]";
  places_.set(path, entry.key_place);
  if (!is_pool_name(entry.key)) {
    findings_.error(entry.key_place, "a pool's name is 1 to " + std::to_string(kLongestPoolName) +
                                         " of A-Z a-z 0-9 \"_\" \"-\"");
  }
  const Table& table = *entry.value.table();
  read_keys(table, pool, path, where);
  report_missing<PoolSettings>(table, entry.key_place, path, where);
  fill_dependent_defaults(pool, path);
  if (places_.is_sound(path + ".protocol")) refuse_other_protocol(pool, path);
  return pool;
}

void Reader::fill_dependent_defaults(PoolSettings& pool, const std::string& path) {
  const PoolSettings defaults = default_pool(pool.protocol, pool.distribution);
  if (!places_.is_set(path + ".hash")) pool.hash = defaults.hash;
  if (!places_.is_set(path + ".hash_tag")) pool.hash_tag = defaults.hash_tag;
  if (!places_.is_set(path + ".replicas") && pool.replicated()) pool.replicas = 3;
  for (size_t i = 0; i < pool.backends.size(); ++i) {
    BackendSettings& backend = pool.backends[i];
    if (places_.is_set(path + ".backends." + std::to_string(i) + ".name")) continue;
    backend.name = default_backend_name(backend.address, pool.distribution);
    if (backend.secrets.contains("address")) backend.secrets.names.insert("name");
  }
}

void Reader::refuse_other_protocol(const PoolSettings& pool, const std::string& path) {
  refuse_keys_of_other_protocol<PoolSettings>(pool.protocol, path);
  for (size_t i = 0; i < pool.backends.size(); ++i) {
    refuse_keys_of_other_protocol<BackendSettings>(pool.protocol,
                                                   path + ".backends." + std::to_string(i));
  }
}

template <class Owner>
void Reader::refuse_keys_of_other_protocol(Protocol protocol, const std::string& path) {
  for (const Key<Owner>& key : keys_of<Owner>()) {
    const std::string full = path + "." + std::string(key.name);
    if (!key.traits.only || *key.traits.only == protocol || !places_.is_set(full)) continue;
    findings_.error(places_.of(full, full), std::string(key.name) + ": only a " +
                                                std::string(choice_text(*key.traits.only)) +
                                                " pool has this; this one is " +
                                                std::string(choice_text(protocol)));
  }
}

// ---- values

void Reader::fail(const Value& value, const Slot& slot, const std::string& message) {
  places_.mark_unsound(slot.path);
  findings_.error(value.place, std::string(slot.key) + ": " + message);
}

void Reader::refuse_type(const Value& value, const Slot& slot, std::string_view wanted) {
  fail(value, slot, "takes " + std::string(wanted) + ", not " + std::string(value.kind()));
}

bool Reader::in_range(const Value& value, const Slot& slot, uint64_t number,
                      const std::string& shown, std::string (*text_of_number)(uint64_t)) {
  if (slot.traits.range.holds(number)) return true;
  fail(value, slot,
       shown + " is not in " + range_text(slot.traits.range, text_of_number) +
           std::string(slot.traits.range_note));
  return false;
}

std::optional<Text> Reader::read_text(const Value& value, const Slot& slot, SecretKeys& secrets,
                                      std::string_view wanted) {
  const auto* written = std::get_if<std::string>(&value.content);
  if (written == nullptr) {
    refuse_type(value, slot, wanted);
    return std::nullopt;
  }
  auto made = substitute(*written, environment_);
  if (!made) {
    fail(value, slot, made.error());
    return std::nullopt;
  }
  if (made.value().secret) secrets.names.insert(std::string(slot.key));
  return Text{made.value().text, *written, made.value().secret};
}

void Reader::read(const Value& value, const Slot& slot, SecretKeys&, bool& target) {
  if (const auto* boolean = std::get_if<bool>(&value.content)) {
    target = *boolean;
  } else {
    refuse_type(value, slot, "true or false");
  }
}

void Reader::read(const Value& value, const Slot& slot, SecretKeys&, uint32_t& target) {
  const auto* integer = std::get_if<int64_t>(&value.content);
  if (integer == nullptr) return refuse_type(value, slot, "a whole number");
  const std::string shown = std::to_string(*integer);
  // A negative number becomes one beyond every range.
  if (in_range(value, slot, static_cast<uint64_t>(*integer), shown, number_text)) {
    target = static_cast<uint32_t>(*integer);
  }
}

void Reader::read(const Value& value, const Slot& slot, SecretKeys& secrets, uint64_t& target) {
  if (std::holds_alternative<int64_t>(value.content)) {
    return fail(value, slot, "a size needs a unit, as in " + slot.default_text);
  }
  const auto text = read_text(value, slot, secrets, "a size, as in " + slot.default_text);
  if (!text) return;
  const auto size = parse_size(text->value);
  if (!size) return fail(value, slot, text->explain(size.error(), "a size"));
  if (in_range(value, slot, size.value(), text->written, size_text)) target = size.value();
}

void Reader::read(const Value& value, const Slot& slot, SecretKeys& secrets, Duration& target) {
  if (std::holds_alternative<int64_t>(value.content) ||
      std::holds_alternative<double>(value.content)) {
    return fail(value, slot, "a duration needs a unit, as in " + slot.default_text);
  }
  const auto text = read_text(value, slot, secrets, "a duration, as in " + slot.default_text);
  if (!text) return;
  const auto duration = parse_duration(text->value);
  if (!duration) return fail(value, slot, text->explain(duration.error(), "a duration"));
  if (in_range(value, slot, static_cast<uint64_t>(duration.value().count()), text->written,
               nanoseconds_text)) {
    target = duration.value();
  }
}

void Reader::read(const Value& value, const Slot& slot, SecretKeys& secrets, FileMode& target) {
  const std::string form = "a string of octal digits, as in " + slot.default_text;
  const auto text = read_text(value, slot, secrets, form);
  if (!text) return;
  const std::string& digits = text->value;
  const bool octal =
      (digits.size() == 3 || digits.size() == 4) &&
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '7'; });
  if (!octal) return fail(value, slot, toml_string(text->written) + " is not " + form);
  uint32_t bits = 0;
  for (char c : digits) bits = bits * 8 + static_cast<uint32_t>(c - '0');
  if (in_range(value, slot, bits, text->written, mode_text)) target.bits = bits;
}

void Reader::read(const Value& value, const Slot& slot, SecretKeys& secrets, std::string& target) {
  auto text = read_text(value, slot, secrets, "a string");
  if (!text) return;
  const std::string problem = slot.traits.rule == nullptr ? "" : slot.traits.rule(text->value);
  if (!problem.empty()) return fail(value, slot, problem);
  target = std::move(text->value);
}

template <class Enumeration>
requires std::is_enum_v<Enumeration>
void Reader::read(const Value& value, const Slot& slot, SecretKeys& secrets, Enumeration& target) {
  const auto text = read_text(value, slot, secrets, "a string");
  if (!text) return;
  std::vector<std::string_view> words;
  std::string list;
  for (const auto& choice : choices<Enumeration>()) {
    if (text->value == choice.text) {
      target = choice.value;
      return;
    }
    words.push_back(choice.text);
    list += (list.empty() ? "" : " ") + toml_string(choice.text);
  }
  const std::string_view near = text->secret ? std::string_view() : nearest(text->value, words);
  fail(value, slot,
       toml_string(text->written) +
           (near.empty() ? " is none of " + list
                         : " is not known; did you mean " + toml_string(near) + "?"));
}

// ---- addresses and backends

std::optional<Address> Reader::read_address(const Value& value, const Slot& slot,
                                            SecretKeys& secrets) {
  const auto text = read_text(value, slot, secrets, "an address, as in \"127.0.0.1:6379\"");
  if (!text) return std::nullopt;
  const auto address = parse_address(text->value);
  if (address) return address.value();
  fail(value, slot,
       text->explain(address.error(), "an address (host:port, [v6]:port or unix:/path)"));
  return std::nullopt;
}

void Reader::read(const Value& value, const Slot& slot, SecretKeys& secrets, Address& target) {
  if (auto address = read_address(value, slot, secrets)) target = std::move(*address);
}

void Reader::read(const Value& value, const Slot& slot, SecretKeys& secrets,
                  std::optional<Address>& target) {
  if (const auto* written = std::get_if<std::string>(&value.content); written && written->empty()) {
    target.reset();
    return;
  }
  const auto address = read_address(value, slot, secrets);
  if (!address) return;
  if (address->is_unix()) return fail(value, slot, "takes host:port, not a unix socket");
  target = *address;
}

void Reader::read(const Value& value, const Slot& slot, SecretKeys& secrets,
                  std::vector<Address>& target) {
  const Array* list = value.array();
  if (list == nullptr && !std::holds_alternative<std::string>(value.content)) {
    return refuse_type(value, slot, "an address or a list of addresses");
  }
  if (list != nullptr && list->empty() && !slot.traits.may_be_empty) {
    return fail(value, slot, "the list is empty");
  }
  const Array single = list == nullptr ? Array{value} : Array{};
  target.clear();
  for (const Value& element : list == nullptr ? single : *list) {
    const std::string path = slot.path + "." + std::to_string(target.size());
    places_.set(path, element.place);
    const auto address =
        read_address(element, Slot{slot.key, slot.traits, path, slot.default_text}, secrets);
    if (!address) places_.mark_unsound(slot.path);
    target.push_back(address.value_or(Address{}));
  }
}

void Reader::read(const Value& value, const Slot& slot, SecretKeys& secrets,
                  std::vector<Founder>& target) {
  constexpr std::string_view kForm = "members, as in [\"a=10.0.0.1:7400\", \"b=10.0.0.2:7400\"]";
  const Array* list = value.array();
  if (list == nullptr) return refuse_type(value, slot, "a list of " + std::string(kForm));
  target.clear();
  for (const Value& element : *list) {
    const std::string path = slot.path + "." + std::to_string(target.size());
    places_.set(path, element.place);
    target.emplace_back();
    const auto text = read_text(element, slot, secrets, kForm);
    if (!text) continue;
    const size_t equals = text->value.find('=');
    if (equals == 0 || equals == std::string::npos) {
      fail(element, slot, toml_string(text->written) + " is not NAME=HOST:PORT");
      continue;
    }
    const auto address = parse_address(text->value.substr(equals + 1));
    if (!address) {
      fail(element, slot, text->explain(address.error(), "an address (host:port)"));
      continue;
    }
    if (address.value().is_unix()) {
      fail(element, slot, "takes host:port, not a unix socket");
      continue;
    }
    target.back() = {text->value.substr(0, equals), address.value()};
  }
}

void Reader::read(const Value& value, const Slot& slot, SecretKeys&,
                  std::vector<BackendSettings>& target) {
  const Array* list = value.array();
  if (list == nullptr) {
    return refuse_type(value, slot, "a list of backends, as in [\"127.0.0.1:6379\"]");
  }
  if (list->empty()) return fail(value, slot, "the list is empty");
  target.clear();
  for (const Value& element : *list) {
    const std::string path = slot.path + "." + std::to_string(target.size());
    target.push_back(read_backend(element, Slot{slot.key, slot.traits, path, ""}));
  }
}

BackendSettings Reader::read_backend(const Value& value, const Slot& slot) {
  BackendSettings backend;
  places_.set(slot.path, value.place);
  if (const Table* table = value.table()) {
    read_keys(*table, backend, slot.path, "a backend");
    report_missing<BackendSettings>(*table, value.place, slot.path, "this backend");
  } else if (std::holds_alternative<std::string>(value.content)) {
    places_.set(slot.path + ".address", value.place);
    const Key<BackendSettings>& key = keys_of<BackendSettings>().front();
    const Slot address{slot.key, key.traits, slot.path + ".address", ""};
    SecretKeys secrets;  // names the list's key, which here stands for the address
    if (auto parsed = read_address(value, address, secrets)) backend.address = *parsed;
    if (!secrets.names.empty()) backend.secrets.names.insert(std::string(key.name));
  } else {
    refuse_type(value, slot, "addresses or tables with an \"address\"");
  }
  return backend;
}

}  // namespace

Settings read_settings(const Table& document, const Environment& environment, Findings& findings,
                       Places& places) {
  return Reader(environment, findings, places).read_document(document);
}

}  // namespace quorate::config
