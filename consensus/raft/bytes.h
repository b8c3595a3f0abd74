// Little-endian bytes, written and read. A reader of bytes from outside never runs past their end:
// the first field that is not there makes it (and all that follows) fail, which is asked once.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace quorate::raft {

static_assert(std::endian::native == std::endian::little, "fields are copied as they lie");

template <class Number>
void put(std::string& out, Number value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

/// A length (u32), then the bytes.
inline void put_bytes(std::string& out, std::string_view bytes) {
  put(out, static_cast<uint32_t>(bytes.size()));
  out.append(bytes);
}

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : left_(bytes) {}

  template <class Number>
  Number get() {
    Number value{};
    const std::string_view bytes = take(sizeof value);
    if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }

  std::string_view get_bytes() { return take(get<uint32_t>()); }

  /// The next `count` bytes; none, and the reader has failed, if there are not so many.
  std::string_view take(size_t count) {
    if (count > left_.size()) {
      failed_ = true;
      left_ = {};
      return {};
    }
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

  size_t left() const { return left_.size(); }
  bool failed() const { return failed_; }
  /// Everything was there, and nothing is left over.
  bool finished() const { return !failed_ && left_.empty(); }

 private:
  std::string_view left_;
  bool failed_ = false;
};

}  // namespace quorate::raft
