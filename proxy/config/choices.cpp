#include "proxy/config/choices.h"

#include <array>

namespace quorate::config {

template <>
std::span<const Choice<Protocol>> choices<Protocol>() {
  static constexpr std::array<Choice<Protocol>, 2> kChoices{{
      {"redis", Protocol::kRedis},
      {"memcached", Protocol::kMemcached},
  }};
  return kChoices;
}

template <>
std::span<const Choice<HashKind>> choices<HashKind>() {
  static constexpr std::array<Choice<HashKind>, 13> kChoices{{
      {"xxh3", HashKind::kXxh3},
      {"one_at_a_time", HashKind::kOneAtATime},
      {"md5", HashKind::kMd5},
      {"crc16", HashKind::kCrc16},
      {"crc32", HashKind::kCrc32},
      {"crc32a", HashKind::kCrc32a},
      {"fnv1_64", HashKind::kFnv1_64},
      {"fnv1a_64", HashKind::kFnv1a_64},
      {"fnv1_32", HashKind::kFnv1_32},
      {"fnv1a_32", HashKind::kFnv1a_32},
      {"hsieh", HashKind::kHsieh},
      {"murmur", HashKind::kMurmur},
      {"jenkins", HashKind::kJenkins},
  }};
  return kChoices;
}

template <>
std::span<const Choice<Distribution>> choices<Distribution>() {
  static constexpr std::array<Choice<Distribution>, 5> kChoices{{
      {"ring", Distribution::kRing},
      {"ketama", Distribution::kKetama},
      {"modula", Distribution::kModula},
      {"random", Distribution::kRandom},
      {"libmemcached-ketama", Distribution::kLibmemcachedKetama},
  }};
  return kChoices;
}

template <>
std::span<const Choice<LogLevel>> choices<LogLevel>() {
  static constexpr std::array<Choice<LogLevel>, 5> kChoices{{
      {"trace", LogLevel::kTrace},
      {"debug", LogLevel::kDebug},
      {"info", LogLevel::kInfo},
      {"warn", LogLevel::kWarn},
      {"error", LogLevel::kError},
  }};
  return kChoices;
}

template <>
std::span<const Choice<LogFormat>> choices<LogFormat>() {
  static constexpr std::array<Choice<LogFormat>, 2> kChoices{{
      {"logfmt", LogFormat::kLogfmt},
      {"json", LogFormat::kJson},
  }};
  return kChoices;
}

template <>
std::span<const Choice<OnEject>> choices<OnEject>() {
  static constexpr std::array<Choice<OnEject>, 2> kChoices{{
      {"keep", OnEject::kKeep},
      {"rehash", OnEject::kRehash},
  }};
  return kChoices;
}

template <>
std::span<const Choice<Consistency>> choices<Consistency>() {
  static constexpr std::array<Choice<Consistency>, 1> kChoices{{{"none", Consistency::kNone}}};
  return kChoices;
}

}  // namespace quorate::config
