#include "backends/wire/command_reply.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "backends/wire/key_walk.h"
#include "backends/wire/resp_tree.h"
#include "consensus/base/text.h"

namespace quorate::wire {
namespace {

// The elements of one command's description. Redis 6 has the categories, Redis 7 the rest.
enum Element : size_t {
  kName = 0,
  kArity = 1,
  kFlags = 2,
  kFirstKey = 3,
  kLastKey = 4,
  kStep = 5,
  kCategories = 6,
  kKeySpecs = 8,
  kSubcommands = 9,
};
constexpr size_t kFewestElements = 6;

/// More arguments than any command has: positions beyond it are no positions.
constexpr int64_t kMaxPosition = 1 << 20;

const RespTree* element(const RespTree& tree, size_t index, RespTree::Kind kind) {
  if (tree.kind != RespTree::Kind::kArray || index >= tree.elements.size()) return nullptr;
  const RespTree& found = tree.elements[index];
  return found.kind == kind ? &found : nullptr;
}

/// The value after `name` in a flattened map.
const RespTree* value_of(const RespTree& map, std::string_view name, RespTree::Kind kind) {
  for (size_t i = 0; i + 1 < map.elements.size(); i += 2) {
    const RespTree& key = map.elements[i];
    if (key.kind == RespTree::Kind::kText && key.text == name) return element(map, i + 1, kind);
  }
  return nullptr;
}

std::optional<int32_t> number_of(const RespTree& map, std::string_view name, int64_t lowest) {
  const RespTree* value = value_of(map, name, RespTree::Kind::kInteger);
  if (value == nullptr || value->integer < lowest || value->integer > kMaxPosition) {
    return std::nullopt;
  }
  return static_cast<int32_t>(value->integer);
}

template <class Flag>
FlagSet<Flag> flags_of(const RespTree& words) {
  FlagSet<Flag> flags;
  for (const RespTree& word : words.elements) {
    // Words of newer servers mean nothing here, and nothing here depends on their absence.
    if (word.kind == RespTree::Kind::kText) {
      flags.add_word(word.text.starts_with('@') ? word.text.substr(1) : word.text);
    }
  }
  return flags;
}

// Whatever is not understood stays kUnknown, which makes the command ask its server.

BeginSearch begin_search_of(const RespTree& answer) {
  const RespTree* type = value_of(answer, "type", RespTree::Kind::kText);
  const RespTree* spec = value_of(answer, "spec", RespTree::Kind::kArray);
  if (type == nullptr || spec == nullptr) return {};
  if (type->text == "index") {
    const auto index = number_of(*spec, "index", 1);
    if (index) return {BeginSearch::Kind::kIndex, *index, {}};
  } else if (type->text == "keyword") {
    const RespTree* keyword = value_of(*spec, "keyword", RespTree::Kind::kText);
    const auto start = number_of(*spec, "startfrom", -kMaxPosition);
    if (keyword != nullptr && start && *start != 0) {
      return {BeginSearch::Kind::kKeyword, *start, keyword->text};
    }
  }
  return {};
}

FindKeys find_keys_of(const RespTree& answer) {
  const RespTree* type = value_of(answer, "type", RespTree::Kind::kText);
  const RespTree* spec = value_of(answer, "spec", RespTree::Kind::kArray);
  if (type == nullptr || spec == nullptr) return {};
  const auto step = number_of(*spec, "keystep", 1);
  if (type->text == "range") {
    const auto last = number_of(*spec, "lastkey", -kMaxPosition);
    const auto limit = number_of(*spec, "limit", 0);
    if (last && step && limit) return {FindKeys::Kind::kRange, *step, *last, *limit, 0, 0};
  } else if (type->text == "keynum") {
    const auto count = number_of(*spec, "keynumidx", 0);
    const auto first = number_of(*spec, "firstkey", 0);
    if (count && first && step) return {FindKeys::Kind::kCounted, *step, 0, 0, *count, *first};
  }
  return {};
}

KeySpec key_spec_of(const RespTree& answer) {
  KeySpec spec;
  if (answer.kind != RespTree::Kind::kArray) return spec;
  const RespTree* flags = value_of(answer, "flags", RespTree::Kind::kArray);
  const RespTree* begin = value_of(answer, "begin_search", RespTree::Kind::kArray);
  const RespTree* find = value_of(answer, "find_keys", RespTree::Kind::kArray);
  if (flags != nullptr) spec.flags = flags_of<KeyFlag>(*flags);
  if (begin != nullptr) spec.begin = begin_search_of(*begin);
  if (find != nullptr) spec.find = find_keys_of(*find);
  return spec;
}

bool is_position(int64_t number) { return number > 0 && number <= kMaxPosition; }

/// What Redis 6 and older say of keys; nothing if the command has none.
std::optional<KeySpec> legacy_key_spec_of(const RespTree& answer) {
  const RespTree* first = element(answer, kFirstKey, RespTree::Kind::kInteger);
  const RespTree* last = element(answer, kLastKey, RespTree::Kind::kInteger);
  const RespTree* step = element(answer, kStep, RespTree::Kind::kInteger);
  KeySpec spec;
  if (first == nullptr || last == nullptr || step == nullptr) return spec;
  if (first->integer == 0) return std::nullopt;
  if (!is_position(first->integer) || !is_position(step->integer)) return spec;
  const bool counts_from_end = last->integer < 0 && last->integer >= -kMaxPosition;
  const bool is_behind_first = last->integer >= first->integer && is_position(last->integer);
  if (!counts_from_end && !is_behind_first) return spec;
  spec.begin = {BeginSearch::Kind::kIndex, static_cast<int32_t>(first->integer), {}};
  spec.find.kind = FindKeys::Kind::kRange;
  spec.find.step = static_cast<int32_t>(step->integer);
  spec.find.last =
      static_cast<int32_t>(counts_from_end ? last->integer : last->integer - first->integer);
  return spec;
}

bool is_usable(const KeySpec& spec, bool has_movable_keys) {
  if (spec.flags.has(KeyFlag::kNotKey)) return true;
  if (spec.begin.kind == BeginSearch::Kind::kUnknown) return false;
  if (spec.find.kind == FindKeys::Kind::kUnknown) return false;
  if (spec.flags.has(KeyFlag::kIncomplete)) return false;
  // A module with a procedure of its own to find keys: the server made these up from old numbers.
  return !(has_movable_keys && spec.flags.has(KeyFlag::kVariableFlags));
}

}  // namespace

class DynamicCommandSpecBuilder {
 public:
  explicit DynamicCommandSpecBuilder(std::string_view reply)
      : built_(new DynamicCommandSpec()) {  // the constructor is private to its friends
    built_->reply_ = reply;
  }

  base::Result<std::unique_ptr<const DynamicCommandSpec>, CommandReplyError> build();

 private:
  bool read_command(const RespTree& answer, CommandSpec& spec);
  void read_key_specs(const RespTree& answer, CommandSpec& spec);
  bool read_subcommands(const RespTree& answer);

  std::unique_ptr<DynamicCommandSpec> built_;
};

base::Result<std::unique_ptr<const DynamicCommandSpec>, CommandReplyError>
DynamicCommandSpecBuilder::build() {
  const auto parsed = parse_resp_tree(built_->reply_);
  if (!parsed.ok()) {
    return base::Failure{parsed.error() == RespTreeError::kIncomplete
                             ? CommandReplyError::kIncomplete
                             : CommandReplyError::kMalformed};
  }
  const RespTree& tree = parsed.value();
  if (tree.kind == RespTree::Kind::kError) return base::Failure{CommandReplyError::kRefused};
  if (tree.kind != RespTree::Kind::kArray || tree.elements.size() != 1) {
    return base::Failure{CommandReplyError::kMalformed};
  }
  const RespTree& answer = tree.elements[0];
  if (answer.kind == RespTree::Kind::kNil) return base::Failure{CommandReplyError::kUnknownCommand};
  if (!read_command(answer, built_->spec_) || !read_subcommands(answer)) {
    return base::Failure{CommandReplyError::kMalformed};
  }
  return std::unique_ptr<const DynamicCommandSpec>(std::move(built_));
}

bool DynamicCommandSpecBuilder::read_command(const RespTree& answer, CommandSpec& spec) {
  const RespTree* name = element(answer, kName, RespTree::Kind::kText);
  const RespTree* arity = element(answer, kArity, RespTree::Kind::kInteger);
  const RespTree* flags = element(answer, kFlags, RespTree::Kind::kArray);
  if (name == nullptr || arity == nullptr || flags == nullptr) return false;
  if (answer.elements.size() < kFewestElements || name->text.empty()) return false;
  if (arity->integer < -kMaxPosition || arity->integer > kMaxPosition) return false;
  spec.name = name->text;
  spec.arity = static_cast<int32_t>(arity->integer);
  spec.flags = flags_of<CommandFlag>(*flags);
  const RespTree* categories = element(answer, kCategories, RespTree::Kind::kArray);
  if (categories != nullptr) spec.categories = flags_of<AclCategory>(*categories);
  read_key_specs(answer, spec);
  return true;
}

void DynamicCommandSpecBuilder::read_key_specs(const RespTree& answer, CommandSpec& spec) {
  const bool has_movable_keys = spec.flags.has(CommandFlag::kMovablekeys);
  std::vector<KeySpec>& key_specs = built_->key_specs_.emplace_back();
  const RespTree* answered = element(answer, kKeySpecs, RespTree::Kind::kArray);
  if (answered != nullptr) {
    for (const RespTree& one : answered->elements) key_specs.push_back(key_spec_of(one));
  } else if (const auto legacy = legacy_key_spec_of(answer); legacy && !has_movable_keys) {
    key_specs.push_back(*legacy);
  }
  const bool are_usable = std::ranges::all_of(
      key_specs, [&](const KeySpec& key_spec) { return is_usable(key_spec, has_movable_keys); });
  spec.asks_server = !are_usable || key_specs.size() > KeyWalk::kMaxSpecs ||
                     (has_movable_keys && key_specs.empty());
  if (spec.asks_server) key_specs.clear();
  spec.first_key_spec = key_specs.data();
  spec.key_spec_count = static_cast<uint16_t>(key_specs.size());
  if (key_specs.size() == 1) spec.single_key = key_specs[0].fixed_position();
}

bool DynamicCommandSpecBuilder::read_subcommands(const RespTree& answer) {
  const RespTree* answered = element(answer, kSubcommands, RespTree::Kind::kArray);
  if (answered == nullptr) return true;
  std::vector<CommandSpec>& subcommands = built_->subcommands_;
  for (const RespTree& one : answered->elements) {
    if (!read_command(one, subcommands.emplace_back())) return false;
  }
  if (subcommands.size() > std::numeric_limits<uint16_t>::max()) return false;
  built_->spec_.first_subcommand = subcommands.data();
  built_->spec_.subcommand_count = static_cast<uint16_t>(subcommands.size());
  return true;
}

base::Result<std::unique_ptr<const DynamicCommandSpec>, CommandReplyError> parse_command_info(
    std::string_view reply) {
  if (reply.size() > kMaxCommandReply) return base::Failure{CommandReplyError::kMalformed};
  return DynamicCommandSpecBuilder(reply).build();
}

}  // namespace quorate::wire
