#include "proxy/relay/script_shelf.h"

#include <openssl/evp.h>

#include <array>

#include "consensus/base/assert.h"

namespace quorate::relay {

std::string script_name(std::string_view body) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  const int done = EVP_Digest(body.data(), body.size(), digest.data(), &size, EVP_sha1(), nullptr);
  ASSERT(done == 1);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string name;
  for (unsigned i = 0; i < size; ++i) {
    name.push_back(kDigits[digest[i] >> 4]);
    name.push_back(kDigits[digest[i] & 15]);
  }
  return name;
}

void ScriptShelf::put(uint32_t pool, std::string_view body) {
  if (body.size() > kMaxBytes) return;
  std::string name = script_name(body);
  const std::lock_guard lock(mutex_);
  PoolScripts& scripts = pools_[pool];
  const auto [place, is_new] = scripts.bodies.try_emplace(name);
  if (!is_new) return;
  place->second = std::make_shared<const std::string>(body);
  scripts.by_age.push_back(std::move(name));
  scripts.bytes += body.size();
  puts_.fetch_add(1, std::memory_order_release);
  while (scripts.bytes > kMaxBytes) {
    const auto oldest = scripts.bodies.find(scripts.by_age.front());
    scripts.bytes -= oldest->second->size();
    scripts.bodies.erase(oldest);
    scripts.by_age.pop_front();
  }
}

std::shared_ptr<const std::string> ScriptShelf::find(uint32_t pool, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto scripts = pools_.find(pool);
  if (scripts == pools_.end()) return nullptr;
  const auto body = scripts->second.bodies.find(name);
  return body == scripts->second.bodies.end() ? nullptr : body->second;
}

void ScriptShelf::flush(uint32_t pool) {
  const std::lock_guard lock(mutex_);
  pools_.erase(pool);
  flushes_.fetch_add(1, std::memory_order_release);
}

}  // namespace quorate::relay
