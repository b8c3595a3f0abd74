#include "proxy/relay/forward.h"

namespace quorate::relay {

namespace {

template <class Number>
void put(std::string& out, Number number) {
  for (size_t i = 0; i < sizeof number; ++i) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(number) >> (8 * i)));
  }
}

template <class Number>
Number take(std::string_view& bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    number |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  bytes.remove_prefix(sizeof(Number));
  return static_cast<Number>(number);
}

}  // namespace

std::string encode(const Forward& forward) {
  const ForwardHeader& header = forward.header;
  std::string out;
  out.reserve(kForwardHeaderBytes + forward.bytes.size());
  put(out, cluster::number(header.from));
  put(out, header.worker);
  put(out, cluster::number(header.to));
  put(out, cluster::number(header.pool));
  put(out, header.slot);
  put(out, header.id);
  put(out, header.seen.number);
  put(out, header.seen.session);
  return out.append(forward.bytes);
}

std::optional<Forward> decode_forward(std::string_view bytes) {
  if (bytes.size() < kForwardHeaderBytes) return std::nullopt;
  Forward forward;
  forward.header.from = cluster::SessionId{take<uint32_t>(bytes)};
  forward.header.worker = take<uint32_t>(bytes);
  forward.header.to = cluster::SessionId{take<uint32_t>(bytes)};
  forward.header.pool = cluster::PoolSerial{take<uint32_t>(bytes)};
  forward.header.slot = take<uint16_t>(bytes);
  forward.header.id = take<uint64_t>(bytes);
  forward.header.seen.number = take<uint64_t>(bytes);
  forward.header.seen.session = take<uint32_t>(bytes);
  if (forward.header.slot >= cluster::kSlots) return std::nullopt;
  forward.bytes = bytes;
  return forward;
}

}  // namespace quorate::relay
