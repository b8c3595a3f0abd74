// memcached binary requests: any cut gives the same requests; the loud form is read as itself.
#include "backends/wire/memcached_binary.h"
#include "tests/fuzz/stream.h"

using namespace quorate;
using namespace quorate::wire;

namespace {

constexpr MemcachedLimits kLimits{.value = 200'000};

/// Takes `left` bytes off the stream. False: it ends first.
bool take(fuzz::Stream& stream, int64_t left, std::string* into) {
  while (left > 0) {
    const auto part = static_cast<size_t>(std::min<int64_t>(left, stream.end() - stream.begin()));
    if (into != nullptr) into->append(stream.begin(), part);
    stream.consume(part);
    left -= static_cast<int64_t>(part);
    if (left > 0 && !stream.wait()) return false;
  }
  return true;
}

std::string forwarded_head(const BinaryRequest& request, std::string_view head) {
  std::string loud;
  append_loud(request, loud);
  ASSERT(loud.size() == request.value_offset);
  if (request.as_is) ASSERT(loud == head);
  BinaryRequest read;
  const std::string again = loud + std::string(static_cast<size_t>(request.value_size), 'v');
  const MemcachedStatus status =
      frame_binary_request(again.data(), again.data() + again.size(), kLimits, read);
  ASSERT(status == MemcachedStatus::kComplete || status == MemcachedStatus::kLarge);
  ASSERT(read.as_is && !read.quiet && read.opcode == request.loud);
  ASSERT(read.key == request.key && read.extras == request.extras && read.cas == request.cas);
  return loud;
}

fuzz::Story tell(fuzz::Stream& stream) {
  fuzz::Story story;
  while (true) {
    const char* begin = stream.begin();
    BinaryRequest request;
    const MemcachedStatus status = frame_binary_request(begin, stream.end(), kLimits, request);
    if (status == MemcachedStatus::kIncomplete) {
      if (!stream.wait()) return story;
      continue;
    }
    ASSERT(request.size > 0);
    if (status == MemcachedStatus::kAnswered) {
      story.emplace_back("answer ");
      append_binary_reply(request.opcode, request.opaque, request.answer,
                          binary_status_text(request.answer), story.back());
      stream.consume(request.size);
      if (request.closes || !take(stream, request.swallow, nullptr)) return story;
      continue;
    }
    story.push_back(forwarded_head(request, {begin, request.value_offset}));
    stream.consume(request.value_offset);
    if (!take(stream, request.value_size, &story.back())) return story;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::check_every_cut(data, size, tell);
}
