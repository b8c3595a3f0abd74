// RESP requests: any cut gives the same commands, small ones framed whole and large ones followed.
#include "backends/wire/resp_request.h"
#include "tests/fuzz/stream.h"

using namespace quorate;
using namespace quorate::wire;

namespace {

constexpr RequestLimits kLimits{.count = 1'000'000, .bulk = 200'000};

/// Follows a large command to its end. False: an error, or the stream ends first.
bool follow(fuzz::Stream& stream, const Request& request, fuzz::Story& story) {
  const int64_t left = request.declared_count - static_cast<int64_t>(request.arguments.size());
  story.back().append(stream.begin(), request.size);
  stream.consume(request.size);
  RequestScanner scanner(left, kLimits.bulk);
  while (true) {
    const auto progress = scanner.feed(stream.begin(), stream.end());
    story.back().append(stream.begin(), progress.consumed);
    stream.consume(progress.consumed);
    if (progress.done) return true;
    if (!progress.error.empty()) {
      story.back() = progress.error;  // how much was told before depends on the cut
      return false;
    }
    if (!stream.wait()) {
      story.pop_back();
      return false;
    }
  }
}

fuzz::Story tell(fuzz::Stream& stream) {
  fuzz::Story story;
  Request request;
  while (true) {
    switch (frame_request(stream.begin(), stream.end(), kLimits, request)) {
      case RequestStatus::kIncomplete:
        if (!stream.wait()) return story;
        break;
      case RequestStatus::kError: story.emplace_back(request.error); return story;
      case RequestStatus::kNothing:
        ASSERT(request.size > 0);
        stream.consume(request.size);
        break;
      case RequestStatus::kLarge:
        story.emplace_back();
        if (!follow(stream, request, story)) return story;
        break;
      case RequestStatus::kComplete: {
        ASSERT(request.size > 0 && !request.arguments.empty());
        // An array by its bytes, as a large one is told; an inline command by its arguments.
        std::string told(stream.begin(), request.is_inline ? 0 : request.size);
        for (const std::string_view argument : request.arguments) {
          if (request.is_inline) (told += '|') += argument;
        }
        story.push_back(std::move(told));
        stream.consume(request.size);
        break;
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::check_every_cut(data, size, tell);
}
