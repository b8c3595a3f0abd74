// memcached text and meta replies: any cut gives the same ends; the hits of a list can be walked.
#include "backends/wire/memcached_reply.h"
#include "tests/fuzz/stream.h"

using namespace quorate;
using namespace quorate::wire;

namespace {

void walk(const std::string& reply) {
  ValueCursor cursor(reply);
  ValueBlock block;
  size_t bytes = 0;
  while (cursor.next(block)) {
    ASSERT(!block.key.empty());
    bytes += block.bytes.size();
  }
  ASSERT(bytes + cursor.rest().size() == reply.size());
  ASSERT(cursor.rest().find('\n') == cursor.rest().size() - 1);
}

fuzz::Story tell(fuzz::Stream& stream) {
  fuzz::Story story;
  TextReplyScanner scanner;
  std::string reply;
  while (true) {
    const auto progress = scanner.feed(stream.begin(), stream.end());
    ASSERT(!progress.done || progress.consumed > 0);
    reply.append(stream.begin(), progress.consumed);
    stream.consume(progress.consumed);
    if (progress.broken) {
      story.push_back("broken");
      return story;
    }
    if (progress.done) {
      const TextReplyKind kind = scanner.kind();
      ASSERT(kind == classify_text_reply(reply));
      if (kind == TextReplyKind::kValues || kind == TextReplyKind::kEnd) walk(reply);
      story.push_back(std::to_string(static_cast<int>(kind)) + reply);
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
