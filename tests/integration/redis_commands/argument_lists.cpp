#include "argument_lists.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace quorate::test {
namespace {

using wire::CommandSpec;

// Words in lower case are made up: `key`, `num`, `any`; `counted` is a number and as many keys,
// `keys` some keys, `streams` as many keys as ids. Upper case is literal. [a,b] may be left out;
// {a,b} may not; bracketed ones that stand together come in any order.
constexpr std::string_view kScript = "any counted [any] [any]";
constexpr std::string_view kJoin = "counted [WEIGHTS,num,num] [AGGREGATE,SUM] [WITHSCORES]";
constexpr std::string_view kJoinStore = "key counted [WEIGHTS,num,num] [AGGREGATE,SUM]";
constexpr std::string_view kSort =
    "key [BY,any] [LIMIT,num,num] [GET,any] [GET,any] [DESC] [ALPHA] [STORE,key] [STORE,key]";
constexpr std::string_view kRadius =
    "key num num num km [WITHDIST] [COUNT,num] [ASC] [STORE,key] [STOREDIST,key]";
constexpr std::string_view kRadiusByMember =
    "key any num km [WITHDIST] [COUNT,num] [ASC] [STORE,key] [STORE,key] [STOREDIST,key]";

const std::map<std::string_view, std::string_view> kGrammar = {
    {"blmpop", "num counted LEFT [COUNT,num]"},
    {"bzmpop", "num counted MIN [COUNT,num]"},
    {"eval", kScript},
    {"eval_ro", kScript},
    {"evalsha", kScript},
    {"evalsha_ro", kScript},
    {"fcall", kScript},
    {"fcall_ro", kScript},
    {"georadius", kRadius},
    {"georadius_ro", kRadius},
    {"georadiusbymember", kRadiusByMember},
    {"georadiusbymember_ro", kRadiusByMember},
    {"lmpop", "counted LEFT [COUNT,num]"},
    {"migrate",
     "any num source num num [COPY] [REPLACE] [AUTH,any] [AUTH2,any,any] [KEYS,keys] [KEYS,keys]"},
    {"sintercard", "counted [LIMIT,num]"},
    {"sort", kSort},
    {"sort_ro", kSort},
    {"xread", "[COUNT,num] [BLOCK,num] STREAMS streams"},
    {"xreadgroup", "{GROUP,any,any} [COUNT,num] [BLOCK,num] [NOACK] STREAMS streams"},
    {"zdiff", "counted [WITHSCORES]"},
    {"zdiffstore", "key counted"},
    {"zinter", kJoin},
    {"zintercard", "counted [LIMIT,num]"},
    {"zinterstore", kJoinStore},
    {"zmpop", "counted MAX [COUNT,num]"},
    {"zunion", kJoin},
    {"zunionstore", kJoinStore},
};

constexpr std::array<std::string_view, 20> kOptions = {
    "STORE", "STOREDIST", "STREAMS", "KEYS", "BY",      "GET",       "LIMIT",
    "COUNT", "BLOCK",     "GROUP",   "AUTH", "AUTH2",   "NOACK",     "COPY",
    "ASC",   "ALPHA",     "REPLACE", "LEFT", "WEIGHTS", "AGGREGATE",
};

constexpr std::array<std::string_view, 12> kOddNumbers = {
    "-1",         "02",         "+2",
    " 2",         "2x",         "",
    "2147483648", "4294967297", "9223372036854775808",
    "-0",         "1.0",        "99999999999999999999",
};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_bracketed(std::string_view word) { return word.front() == '[' || word.front() == '{'; }

}  // namespace

ArgumentLists::Args ArgumentLists::next(const CommandSpec& spec) {
  Args args;
  for (const std::string_view part : split(spec.name, '|')) args.emplace_back(part);
  const auto grammar = kGrammar.find(spec.name);
  if (grammar != kGrammar.end() && random_.below(4) != 0) {
    add_from_grammar(args, grammar->second);
    if (random_.below(3) == 0) spoil(args);
  } else {
    add_soup(args, spec);
  }
  return args;
}

void ArgumentLists::add_soup(Args& args, const CommandSpec& spec) {
  size_t count = static_cast<size_t>(std::abs(spec.arity));
  if (spec.arity < 0) count += random_.below(7);
  if (random_.below(20) == 0) count -= random_.below(count);
  while (args.size() < count) args.push_back(random_.below(2) == 0 ? key() : any());
}

void ArgumentLists::add_from_grammar(Args& args, std::string_view grammar) {
  const std::vector<std::string_view> words = split(grammar, ' ');
  for (size_t i = 0; i < words.size();) {
    if (!is_bracketed(words[i])) {
      add_word(args, words[i++]);
      continue;
    }
    std::vector<std::string_view> group;
    while (i < words.size() && is_bracketed(words[i])) group.push_back(words[i++]);
    for (size_t left = group.size(); left > 1; --left) {
      std::swap(group[left - 1], group[random_.below(left)]);
    }
    for (const std::string_view bracketed : group) {
      if (bracketed.front() == '[' && random_.below(2) == 0) continue;
      const std::string_view inner = bracketed.substr(1, bracketed.size() - 2);
      for (const std::string_view word : split(inner, ',')) add_word(args, word);
    }
  }
}

void ArgumentLists::add_word(Args& args, std::string_view word) {
  const uint64_t count = 1 + random_.below(4);
  if (word == "key") {
    args.push_back(key());
  } else if (word == "num") {
    args.push_back(number());
  } else if (word == "any") {
    args.push_back(any());
  } else if (word == "source") {
    args.push_back(random_.below(2) == 0 ? std::string() : key());
  } else if (word == "counted") {
    args.push_back(random_.below(10) == 0 ? number() : std::to_string(count));
    add_keys(args, count);
  } else if (word == "keys") {
    add_keys(args, count);
  } else if (word == "streams") {
    add_keys(args, count);
    args.insert(args.end(), count, "0");
  } else {
    args.push_back(option(word));
  }
}

void ArgumentLists::add_keys(Args& args, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) args.push_back(key());
}

/// One argument too many, too few, or another one.
void ArgumentLists::spoil(Args& args) {
  if (args.size() < 2) return;
  const auto place =
      args.begin() + static_cast<Args::difference_type>(1 + random_.below(args.size() - 1));
  switch (random_.below(3)) {
    case 0: args.erase(place); break;
    case 1: args.insert(place, any()); break;
    default: *place = any(); break;
  }
}

/// Its own name each time, so that its name tells its position; now and then that of an option.
std::string ArgumentLists::key() {
  if (random_.below(16) == 0) return option(kOptions[random_.below(kOptions.size())]);
  return "k" + std::to_string(keys_made_++);
}

std::string ArgumentLists::number() {
  if (random_.below(8) == 0) return std::string(kOddNumbers[random_.below(kOddNumbers.size())]);
  return std::to_string(random_.below(5));
}

/// In any mixture of cases, now and then with what C does not see.
std::string ArgumentLists::option(std::string_view name) {
  std::string text(name);
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z' && random_.below(2) == 0) c = static_cast<char>(c | 0x20);
  }
  if (random_.below(50) == 0) text += std::string_view("\0x", 2);
  return text;
}

std::string ArgumentLists::any() {
  switch (random_.below(4)) {
    case 0: return option(kOptions[random_.below(kOptions.size())]);
    case 1: return number();
    case 2: return std::string();
    default: return key();
  }
}

}  // namespace quorate::test
