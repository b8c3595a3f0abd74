// Slab: objects found by an id that is never reused. A late answer names an id; if its object is
// gone it finds nothing and is dropped, so nobody keeps a pointer across a turn of the loop.
//
// An id is 32 bits of place and 32 bits of generation; a place is used again, its generation is not
// (until it wraps after 2^32 uses of one place). Objects do not move.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "consensus/base/assert.h"

namespace quorate::base {

struct SlabId {
  uint32_t place = 0;
  uint32_t generation = 0;  // 0 names nothing
  bool operator==(const SlabId&) const = default;
};

template <class T>
class Slab {
 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    for (auto& entry : entries_) {
      if (entry.object != nullptr) erase(entry.id());
    }
    for (T* free : free_memory_) ::operator delete (free, std::align_val_t{alignof(T)});
  }

  /// Makes an object; its id is passed as the first argument of its constructor.
  template <class... Arguments>
  T& emplace(Arguments&&... arguments) {
    uint32_t place;
    if (free_places_.empty()) {
      place = static_cast<uint32_t>(entries_.size());
      entries_.push_back(Entry{.object = nullptr, .place = place, .generation = 0});
    } else {
      place = free_places_.back();
      free_places_.pop_back();
    }
    Entry& entry = entries_[place];
    if (++entry.generation == 0) entry.generation = 1;
    entry.object = new (take_memory()) T(entry.id(), std::forward<Arguments>(arguments)...);
    ++size_;
    return *entry.object;
  }

  T* find(SlabId id) {
    if (id.place >= entries_.size()) return nullptr;
    Entry& entry = entries_[id.place];
    return entry.generation == id.generation ? entry.object : nullptr;
  }

  void erase(SlabId id) {
    T* object = find(id);
    ASSERT(object != nullptr);
    entries_[id.place].object = nullptr;
    object->~T();
    free_places_.push_back(id.place);
    give_memory(object);
    --size_;
  }

  uint32_t size() const { return size_; }

  template <class Visit>
  void for_each(Visit&& visit) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].object != nullptr) visit(*entries_[i].object);
    }
  }

 private:
  struct Entry {
    T* object;
    uint32_t place;
    uint32_t generation;
    SlabId id() const { return SlabId{place, generation}; }
  };
  static constexpr size_t kKeptFree = 64;

  void* take_memory() {
    if (free_memory_.empty()) return ::operator new (sizeof(T), std::align_val_t{alignof(T)});
    T* memory = free_memory_.back();
    free_memory_.pop_back();
    return memory;
  }
  void give_memory(T* memory) {
    if (free_memory_.size() < kKeptFree) {
      free_memory_.push_back(memory);
    } else {
      ::operator delete (memory, std::align_val_t{alignof(T)});
    }
  }

  std::vector<Entry> entries_;
  std::vector<uint32_t> free_places_;
  std::vector<T*> free_memory_;
  uint32_t size_ = 0;
};

}  // namespace quorate::base
