// The table's data, and a perfect hash over its names. A name is read as at most three words of
// eight bytes, which both the hash and the comparison use: no loop, no call, no allocation.
#include "backends/wire/redis_commands.h"

#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/base/text.h"

namespace quorate::wire {
namespace {

constexpr BeginSearch begin_unknown() { return {}; }
constexpr BeginSearch at_index(int32_t position) {
  return {BeginSearch::Kind::kIndex, position, {}};
}
constexpr BeginSearch after_keyword(std::string_view keyword, int32_t start_from) {
  return {BeginSearch::Kind::kKeyword, start_from, keyword};
}

constexpr FindKeys find_unknown() { return {}; }
constexpr FindKeys in_range(int32_t last, int32_t step, int32_t limit) {
  return {FindKeys::Kind::kRange, step, last, limit, 0, 0};
}
constexpr FindKeys counted(int32_t count_offset, int32_t first_offset, int32_t step) {
  return {.kind = FindKeys::Kind::kCounted,
          .step = step,
          .count_offset = count_offset,
          .first_offset = first_offset};
}

constexpr KeySpec kKeySpecs[] = {
#define KEY_SPEC(flags, begin, find) {FlagSet<KeyFlag>::of_words(flags), begin, find},
#include "backends/wire/redis_command_table.inc"
};

struct Slice {
  uint16_t first;
  uint16_t count;
};
constexpr Slice key_specs(uint16_t first, uint16_t count) { return {first, count}; }
constexpr Slice subcommands(uint16_t first, uint16_t count) { return {first, count}; }

extern const CommandSpec kCommands[kRedisCommandCount];

constexpr CommandSpec make_spec(RedisCommand id, RedisCommand container, std::string_view name,
                                int32_t arity, std::string_view flags, std::string_view categories,
                                Slice key_spec_slice, Slice subcommand_slice) {
  CommandSpec spec;
  spec.name = name;
  spec.first_key_spec = kKeySpecs + key_spec_slice.first;
  spec.key_spec_count = key_spec_slice.count;
  spec.first_subcommand = kCommands + subcommand_slice.first;
  spec.subcommand_count = subcommand_slice.count;
  spec.flags = FlagSet<CommandFlag>::of_words(flags);
  spec.categories = FlagSet<AclCategory>::of_words(categories);
  spec.arity = arity;
  spec.id = id;
  spec.container = container;
  if (spec.key_spec_count == 1) spec.single_key = spec.first_key_spec->fixed_position();
  return spec;
}

constexpr CommandSpec kCommands[kRedisCommandCount] = {
#define COMMAND(id, container, ...) \
  make_spec(RedisCommand::id, RedisCommand::container, __VA_ARGS__),
#include "backends/wire/redis_command_table.inc"
};

constexpr size_t kShortestName = 2;
constexpr size_t kLongestName = 24;
constexpr uint64_t kFold = 0x2020202020202020u;

constexpr uint64_t byte_at(const char* text, size_t i) { return static_cast<uint8_t>(text[i]); }

// Compilers make one load of each, and they work at compile time.
constexpr uint64_t load2(const char* text) { return byte_at(text, 0) | byte_at(text, 1) << 8; }
constexpr uint64_t load4(const char* text) { return load2(text) | load2(text + 2) << 16; }
constexpr uint64_t load8(const char* text) { return load4(text) | load4(text + 4) << 32; }

/// Two to seven bytes: the first and the last ones, which overlap rather than run past the end.
constexpr uint64_t load_short(const char* text, size_t size) {
  if (size >= 4) return load4(text) | load4(text + size - 4) << 32;
  return load2(text) | load2(text + size - 2) << 16;
}

/// All bytes of a name of a size that occurs. The later words are 0 where there is nothing more.
struct NameWords {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t middle = 0;
};

constexpr NameWords load_name(std::string_view name) {
  const char* text = name.data();
  const size_t size = name.size();
  if (size < 8) return {load_short(text, size), 0, 0};
  return {load8(text), load8(text + size - 8), size > 16 ? load8(text + 8) : 0};
}

// Bit 5 folds the case of letters and blurs a few other bytes, which a hash may.
constexpr uint64_t hash_short_name(uint64_t first, size_t size, uint64_t salt, uint64_t multiplier,
                                   int bits) {
  return (((first | kFold) + size + salt) * multiplier) >> (64 - bits);
}
constexpr uint64_t hash_long_name(const NameWords& words, size_t size, uint64_t salt,
                                  uint64_t multiplier, int bits) {
  const uint64_t mixed = (words.first | kFold) ^ ((words.last | kFold) >> 3);
  return ((mixed + size + salt) * multiplier) >> (64 - bits);
}

/// One name to compare with: letters in lower case, and a mask that folds exactly the letters, so
/// that no other byte can pass for one.
struct alignas(64) NameEntry {
  NameWords lower;
  NameWords case_mask;
  const CommandSpec* spec = nullptr;
  size_t size = 0;  ///< 0: matches nothing
};
static_assert(sizeof(NameEntry) == 64);

constexpr NameWords case_mask_of(std::string_view lower) {
  std::array<char, kLongestName> mask{};
  for (size_t i = 0; i < lower.size(); ++i) {
    mask[i] = lower[i] >= 'a' && lower[i] <= 'z' ? '\x20' : '\0';
  }
  return load_name({mask.data(), lower.size()});
}

/// Names without collisions: `places` maps a hash to an entry, entry 0 is nobody.
template <size_t kCount, int kBits>
struct NameTable {
  std::array<NameEntry, kCount + 1> entries{};
  std::array<uint8_t, size_t{1} << kBits> places{};
  static_assert(kCount < 256);
};

constexpr uint64_t salt_of(RedisCommand container) {
  return container == RedisCommand::kUnknown ? 0 : static_cast<uint64_t>(container) << 32;
}

template <size_t kCount, int kBits>
constexpr NameTable<kCount, kBits> make_name_table(size_t first_command, uint64_t multiplier) {
  NameTable<kCount, kBits> table;
  for (size_t i = 0; i < kCount; ++i) {
    const CommandSpec& spec = kCommands[first_command + i];
    const std::string_view name = spec.name.substr(spec.name.find('|') + 1);
    const NameWords words = load_name(name);
    table.entries[i + 1] = {words, case_mask_of(name), &spec, name.size()};
    const uint64_t salt = salt_of(spec.container);
    uint8_t& place =
        table.places[name.size() < 8
                         ? hash_short_name(words.first, name.size(), salt, multiplier, kBits)
                         : hash_long_name(words, name.size(), salt, multiplier, kBits)];
    ASSERT(place == 0);  // not a constant expression, so the build fails, if two names collide
    place = static_cast<uint8_t>(i + 1);
  }
  return table;
}

#define NAME_HASH(level, bits, multiplier) \
  constexpr int k##level##Bits = bits;     \
  constexpr uint64_t k##level##Multiplier = multiplier;
#include "backends/wire/redis_command_table.inc"

constexpr size_t count_top_level() {
  size_t count = 0;
  for (const CommandSpec& spec : kCommands) count += spec.container == RedisCommand::kUnknown;
  return count;
}
constexpr size_t kTopLevelCount = count_top_level();

constexpr auto kTopLevelNames =
    make_name_table<kTopLevelCount, kTopLevelBits>(0, kTopLevelMultiplier);
constexpr auto kSubcommandNames =
    make_name_table<kRedisCommandCount - kTopLevelCount, kSubcommandBits>(kTopLevelCount,
                                                                          kSubcommandMultiplier);

constexpr bool differ(uint64_t word, uint64_t lower, uint64_t case_mask) {
  return (word | case_mask) != lower;
}

/// The command at the name's place in the table, if it has this name. Its container may be another.
template <size_t kCount, int kBits>
inline const CommandSpec* find_name(const NameTable<kCount, kBits>& table, uint64_t multiplier,
                                    uint64_t salt, std::string_view name) {
  const size_t size = name.size();
  if (size - kShortestName > kLongestName - kShortestName) return nullptr;
  if (size < 8) {
    const uint64_t word = load_short(name.data(), size);
    const NameEntry& entry =
        table.entries[table.places[hash_short_name(word, size, salt, multiplier, kBits)]];
    if (entry.size != size) return nullptr;
    return differ(word, entry.lower.first, entry.case_mask.first) ? nullptr : entry.spec;
  }
  const NameWords words = load_name(name);
  const NameEntry& entry =
      table.entries[table.places[hash_long_name(words, size, salt, multiplier, kBits)]];
  if (entry.size != size) return nullptr;
  if (differ(words.first, entry.lower.first, entry.case_mask.first)) return nullptr;
  if (differ(words.last, entry.lower.last, entry.case_mask.last)) return nullptr;
  if (differ(words.middle, entry.lower.middle, entry.case_mask.middle)) return nullptr;
  return entry.spec;
}

const CommandSpec* scan_subcommands(const CommandSpec& container, std::string_view name) {
  const auto subcommands = container.subcommands();
  const auto found = std::ranges::find_if(subcommands, [&](const CommandSpec& spec) {
    return base::equal_ignoring_case(spec.name.substr(spec.name.find('|') + 1), name);
  });
  return found == subcommands.end() ? nullptr : &*found;
}

}  // namespace

std::span<const CommandSpec, kRedisCommandCount> redis_command_table() { return kCommands; }

const CommandSpec* find_command(std::string_view name) {
  return find_name(kTopLevelNames, kTopLevelMultiplier, 0, name);
}

const CommandSpec* find_subcommand(const CommandSpec& container, std::string_view name) {
  if (container.id == RedisCommand::kUnknown) return scan_subcommands(container, name);
  const CommandSpec* found =
      find_name(kSubcommandNames, kSubcommandMultiplier, salt_of(container.id), name);
  return found != nullptr && found->container == container.id ? found : nullptr;
}

namespace {

CommandLookup judge_count(const CommandSpec& spec, size_t count) {
  return {&spec, spec.accepts_count(count) ? CommandError::kNone : CommandError::kWrongArity};
}

// Apart, so that a command without subcommands passes without a register saved.
[[gnu::noinline]] CommandLookup look_up_subcommand(const CommandSpec& container,
                                                   std::span<const std::string_view> args) {
  const CommandSpec* subcommand = find_subcommand(container, args[1]);
  if (subcommand == nullptr) return {&container, CommandError::kUnknownSubcommand};
  return judge_count(*subcommand, args.size());
}

}  // namespace

CommandLookup look_up_command(std::span<const std::string_view> args) {
  ASSERT(!args.empty());
  const CommandSpec* spec = find_name(kTopLevelNames, kTopLevelMultiplier, 0, args[0]);
  if (spec == nullptr) [[unlikely]]
    return {nullptr, CommandError::kUnknownCommand};
  if (spec->subcommand_count != 0 && args.size() > 1) [[unlikely]]
    return look_up_subcommand(*spec, args);
  return judge_count(*spec, args.size());
}

}  // namespace quorate::wire
