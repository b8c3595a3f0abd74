#include "proxy/replicate/key_table.h"

#include "consensus/base/assert.h"
#include "proxy/replicate/limits.h"

namespace quorate::replicate {

Key& KeyTable::use(std::string_view name, uint64_t hash, uint16_t slot) {
  for (Key* key = buckets_[hash & (buckets_.size() - 1)]; key != nullptr; key = key->chain) {
    if (key->hash != hash || key->name != name) continue;
    if (key->is_idle) {
      unlink_idle(*key);
      key->told = {};
    }
    return *key;
  }
  if (size_ >= buckets_.size()) grow();
  if (free_ == nullptr) {
    memory_.push_back(std::make_unique<Key>());
    free_ = memory_.back().get();
  }
  Key& key = *free_;
  free_ = key.chain;
  key.name.assign(name);
  key.hash = hash;
  key.slot = slot;
  key.is_known = false;
  key.is_exclusive = false;
  key.told = {};
  key.first = key.last = key.unstarted = nullptr;
  Key*& bucket = buckets_[hash & (buckets_.size() - 1)];
  key.chain = bucket;
  bucket = &key;
  ++size_;
  return key;
}

void KeyTable::rest(Key& key) {
  ASSERT(!key.has_operations() && !key.is_idle);
  if (!key.is_known) return remove(key);
  key.is_idle = true;
  key.newer = nullptr;
  key.older = newest_;
  if (newest_ != nullptr) newest_->newer = &key;
  newest_ = &key;
  if (oldest_ == nullptr) oldest_ = &key;
  if (++idle_ <= remembered_) return;
  Key& victim = *oldest_;
  unlink_idle(victim);
  remove(victim);
}

void KeyTable::unlink_idle(Key& key) {
  (key.older != nullptr ? key.older->newer : oldest_) = key.newer;
  (key.newer != nullptr ? key.newer->older : newest_) = key.older;
  key.is_idle = false;
  --idle_;
}

void KeyTable::remove(Key& key) {
  Key** link = &buckets_[key.hash & (buckets_.size() - 1)];
  while (*link != &key) link = &(*link)->chain;
  *link = key.chain;
  if (key.name.capacity() > limits::kWarmBytes) key.name = std::string();
  key.chain = free_;
  free_ = &key;
  --size_;
}

void KeyTable::grow() {
  std::vector<Key*> buckets(buckets_.size() * 2);
  for (Key* key : buckets_) {
    while (key != nullptr) {
      Key* next = key->chain;
      Key*& bucket = buckets[key->hash & (buckets.size() - 1)];
      key->chain = bucket;
      bucket = key;
      key = next;
    }
  }
  buckets_ = std::move(buckets);
}

}  // namespace quorate::replicate
