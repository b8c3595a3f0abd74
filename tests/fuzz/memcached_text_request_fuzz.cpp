// memcached text and meta requests: any cut gives the same requests; what goes to a backend is
// plain, one line, and means the same when it is read again.
#include "backends/wire/memcached_text.h"
#include "tests/fuzz/stream.h"

using namespace quorate;
using namespace quorate::wire;

namespace {

constexpr MemcachedLimits kLimits{.value = 200'000};

/// The line that a backend gets, checked.
std::string forwarded_line(const TextRequest& request, std::string_view line) {
  std::string canonical;
  append_canonical(request, canonical);
  ASSERT(canonical.find('\n') == canonical.size() - 1);
  ASSERT(canonical.find('\0') == std::string::npos);
  ASSERT(canonical.size() <= line.size() + 64);
  if (request.as_is) ASSERT(canonical == line);
  ASSERT(request.words.size() <= limits::kMemcachedTokens);

  const std::string again = canonical + std::string(static_cast<size_t>(request.value_size), 'v') +
                            (is_storage(request.verb) ? "\r\n" : "");
  TextRequest read;
  const MemcachedStatus status =
      frame_text_request(again.data(), again.data() + again.size(), kLimits, read);
  ASSERT(status == MemcachedStatus::kComplete || status == MemcachedStatus::kLarge);
  // (a word that holds a control character is never taken for plain)
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
  const auto controls = std::count_if(canonical.begin(), canonical.end(), is_control);
  ASSERT(read.as_is || controls > 2 || canonical.size() > limits::kMemcachedLineBytes);
  ASSERT(!read.noreply && !read.quiet);
  ASSERT(read.verb == request.verb && read.keys == request.keys);
  ASSERT(read.value_size == request.value_size);
  return canonical;
}

/// Reads a data block to its end. False: the stream ends first, or the block is broken.
bool read_data(fuzz::Stream& stream, int64_t size, fuzz::Story& story) {
  TextDataScanner scanner(size);
  while (true) {
    const auto progress = scanner.feed(stream.begin(), stream.end());
    story.back().append(stream.begin(), progress.value);
    stream.consume(progress.consumed);
    if (progress.broken) story.push_back("broken");
    if (progress.broken || progress.done) return progress.done;
    if (!stream.wait()) return false;
  }
}

/// Reads a long retrieval to its end. False: the stream ends first.
bool read_keys(fuzz::Stream& stream, const TextRequest& request, fuzz::Story& story) {
  for (const std::string_view key : request.keys) (story.back() += ' ') += key;
  stream.consume(request.size);
  TextKeyScanner scanner(request);
  while (true) {
    std::vector<std::string_view> keys;
    const auto progress = scanner.feed(stream.begin(), stream.end(), keys);
    for (const std::string_view key : keys) (story.back() += ' ') += key;
    stream.consume(progress.consumed);
    if (!progress.answer.empty()) story.back() = progress.answer;  // for the line as a whole
    if (progress.done) return true;
    if (!stream.wait()) {
      story.pop_back();  // how many keys were told depends on the cut
      return false;
    }
  }
}

fuzz::Story tell(fuzz::Stream& stream) {
  fuzz::Story story;
  TextRequest request;
  while (true) {
    const char* begin = stream.begin();
    const MemcachedStatus status = frame_text_request(begin, stream.end(), kLimits, request);
    if (status == MemcachedStatus::kIncomplete) {
      if (!stream.wait()) return story;
      continue;
    }
    ASSERT(request.size > 0);
    const std::string_view line(begin, request.line_size);
    if (status == MemcachedStatus::kAnswered) {
      story.push_back("answer " + std::string(request.answer));
      stream.consume(request.size);
      if (request.closes) return story;
      if (request.swallows && !read_data(stream, request.value_size, story)) return story;
    } else if (status == MemcachedStatus::kLarge && is_retrieval(request.verb)) {
      story.emplace_back("keys");
      append_retrieval(request, story.back());
      if (!read_keys(stream, request, story)) return story;
    } else {
      story.push_back(forwarded_line(request, line) + (request.noreply ? "-" : "+") +
                      (request.quiet ? "q" : ""));
      stream.consume(request.line_size);
      const bool has_data = is_storage(request.verb);
      if (has_data && !read_data(stream, request.value_size, story)) return story;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return fuzz::check_every_cut(data, size, tell);
}
