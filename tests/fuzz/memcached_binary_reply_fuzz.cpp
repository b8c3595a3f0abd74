// memcached binary replies: any cut gives the same ends.
#include "backends/wire/memcached_binary.h"
#include "tests/fuzz/stream.h"

using namespace quorate;
using namespace quorate::wire;

namespace {

fuzz::Story tell(fuzz::Stream& stream) {
  fuzz::Story story;
  BinaryReplyScanner scanner;
  std::string reply;
  while (true) {
    const auto progress = scanner.feed(stream.begin(), stream.end());
    ASSERT(!progress.done || progress.consumed > 0 || !reply.empty());
    reply.append(stream.begin(), progress.consumed);
    stream.consume(progress.consumed);
    if (progress.broken) {
      story.push_back("broken");
      return story;
    }
    if (progress.done) {
      const BinaryReplyHeader header = read_binary_reply_header(reply.data());
      ASSERT(size_t{header.key_size} + header.extras_size <= header.body_size);
      story.push_back(reply);
      reply.clear();
      scanner.reset();
      continue;
    }
    if (!stream.wait()) return story;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::check_every_cut(data, size, tell);
}
