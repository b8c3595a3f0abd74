// RESP replies: any cut gives the same ends, and RESP2 the same ones as hiredis' reader.
#include <hiredis/hiredis.h>

#include "backends/wire/resp_reply.h"
#include "tests/fuzz/stream.h"

using namespace quorate;
using namespace quorate::wire;

namespace {

fuzz::Story tell(fuzz::Stream& stream) {
  fuzz::Story story;
  ReplyScanner scanner;
  while (true) {
    const auto progress = scanner.feed(stream.begin(), stream.end());
    stream.consume(progress.consumed);
    if (progress.broken) {
      story.push_back("broken");
      return story;
    }
    if (progress.done) {
      ASSERT(progress.consumed > 0);
      story.push_back(std::to_string(stream.offset()));
      scanner.reset();
      continue;
    }
    if (!stream.wait()) return story;
  }
}

/// Where hiredis sees replies end; "broken" where it gives up (RESP3, and what it reads strictly).
fuzz::Story tell_by_hiredis(std::string_view bytes) {
  fuzz::Story story;
  redisReader* reader = redisReaderCreateWithFunctions(nullptr);  // ends alone, no objects
  redisReaderFeed(reader, bytes.data(), bytes.size());
  while (true) {
    void* reply = nullptr;
    if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
      story.push_back("broken");
      break;
    }
    if (reply == nullptr) break;
    story.push_back(std::to_string(bytes.size() - (reader->len - reader->pos)));
  }
  redisReaderFree(reader);
  return story;
}

/// Both read the same until one of them gives up.
void compare(fuzz::Story ours, fuzz::Story theirs) {
  const bool stopped =
      (!ours.empty() && ours.back() == "broken") || (!theirs.empty() && theirs.back() == "broken");
  const size_t common = std::min(ours.size(), theirs.size());
  for (size_t i = 0; i < common; ++i) {
    if (ours[i] == "broken" || theirs[i] == "broken") return;
    ASSERT(ours[i] == theirs[i]);
  }
  ASSERT(stopped || ours.size() == theirs.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::check_every_cut(data, size, tell);
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  fuzz::Stream whole(bytes);
  compare(tell(whole), tell_by_hiredis(bytes));
  return 0;
}
