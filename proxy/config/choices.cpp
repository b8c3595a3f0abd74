#include "proxy/config/choices.h"

#include <array>

namespace quorate::config {
namespace {

/// The words that placement itself has for its kinds, 0 to `count` - 1.
template <class Enumeration, uint8_t count>
std::array<Choice<Enumeration>, count> named_by_cluster() {
  std::array<Choice<Enumeration>, count> all{};
  for (uint8_t i = 0; i < count; ++i) {
    const auto value = static_cast<Enumeration>(i);
    all[i] = {cluster::name_of(value), value};
  }
  return all;
}

}  // namespace

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
  static const auto kChoices = named_by_cluster<HashKind, cluster::kHashKinds>();
  return kChoices;
}

template <>
std::span<const Choice<Distribution>> choices<Distribution>() {
  static const auto kChoices = named_by_cluster<Distribution, cluster::kDistributions>();
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
  static constexpr std::array<Choice<OnEject>, 3> kChoices{{
      {"keep", OnEject::kKeep},
      {"rehash", OnEject::kRehash},
      {"spare", OnEject::kSpare},
  }};
  return kChoices;
}

template <>
std::span<const Choice<MemberRole>> choices<MemberRole>() {
  static constexpr std::array<Choice<MemberRole>, 3> kChoices{{
      {"voter", MemberRole::kVoter},
      {"learner", MemberRole::kLearner},
      {"observer", MemberRole::kObserver},
  }};
  return kChoices;
}

template <>
std::span<const Choice<Discovery>> choices<Discovery>() {
  static constexpr std::array<Choice<Discovery>, 3> kChoices{{
      {"none", Discovery::kNone},
      {"sentinel", Discovery::kSentinel},
      {"cluster", Discovery::kCluster},
  }};
  return kChoices;
}

template <>
std::span<const Choice<Reads>> choices<Reads>() {
  static constexpr std::array<Choice<Reads>, 2> kChoices{{
      {"primary", Reads::kPrimary},
      {"replica", Reads::kReplica},
  }};
  return kChoices;
}

template <>
std::span<const Choice<Consistency>> choices<Consistency>() {
  static constexpr std::array<Choice<Consistency>, 2> kChoices{{
      {"none", Consistency::kNone},
      {"quorum", Consistency::kQuorum},
  }};
  return kChoices;
}

}  // namespace quorate::config
