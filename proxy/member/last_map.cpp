#include "proxy/member/last_map.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <tuple>
#include <utility>

#include "consensus/cluster/cluster_codec.h"
#include "consensus/raft/crc32c.h"
#include "proxy/io/log.h"

namespace quorate::member {

namespace {

constexpr uint64_t kPauseMs = 1000;
constexpr std::string_view kFileName = "last-map";

std::string head_of(std::string_view bytes) {
  return fmt::format("quorate last map 1 {:08x}\n", raft::crc32c(bytes));
}

/// Empty: done. Otherwise why not.
std::string write_beside(const std::string& path, std::string_view bytes) {
  const std::string beside = path + ".new";
  const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return std::strerror(errno);
  bool done = true;
  while (done && !bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    done = written >= 0;
    if (done) bytes.remove_prefix(static_cast<size_t>(written));
  }
  done = done && ::fdatasync(file) == 0;
  const int error = errno;
  ::close(file);
  if (!done) return std::strerror(error);
  return std::rename(beside.c_str(), path.c_str()) == 0 ? "" : std::strerror(errno);
}

cluster::ClusterMap servable(cluster::ClusterMap map) {
  std::erase_if(map.backends, [&](const auto& entry) {
    return map.pools.at(entry.second.pool).rules.replicated();
  });
  std::erase_if(map.pools, [](const auto& entry) { return entry.second.rules.replicated(); });
  return map;
}

bool serve_the_same(const cluster::ClusterMap& one, const cluster::ClusterMap& other) {
  return one.cluster == other.cluster && one.generation == other.generation &&
         one.pools == other.pools && one.backends == other.backends;
}

}  // namespace

std::string last_map_file(const cluster::ClusterMap& map) {
  const std::string bytes = cluster::encode(map);
  return head_of(bytes) + bytes;
}

base::Result<cluster::ClusterMap, std::string> parse_last_map(std::string_view file) {
  const size_t end = file.find('\n');
  if (end == std::string_view::npos) return base::Failure{std::string("it is cut off")};
  const std::string_view bytes = file.substr(end + 1);
  if (file.substr(0, end + 1) != head_of(bytes)) {
    return base::Failure{std::string("it is damaged, or of another version")};
  }
  auto map = cluster::decode_map(bytes);
  if (!map) return base::Failure{std::string(cluster::to_string(map.error()))};
  return std::move(map).value();
}

/// One file, in the thread pool.
struct LastMap::Write {
  uv_work_t work{};
  LastMap* owner;
  std::string path;
  std::string bytes;
  std::string problem;
};

LastMap::LastMap(uv_loop_t* loop, const std::string& folder)
    : loop_(loop), file_(folder + "/" + std::string(kFileName)), timer_(new uv_timer_t) {
  ::mkdir(folder.c_str(), 0700);  // an observer's; whether it is there, the first write says
  uv_timer_init(loop_, timer_);
  timer_->data = this;
}

LastMap::~LastMap() { ASSERT(timer_ == nullptr && !writing_); }

std::shared_ptr<const cluster::ClusterMap> LastMap::read() {
  std::ifstream file(file_, std::ios::binary);
  if (!file) return nullptr;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto parsed = parse_last_map(text);
  if (!parsed.ok()) {
    io::log_warn("what was agreed last cannot be read", {{"file", file_}, {"why", parsed.error()}});
    return nullptr;
  }
  kept_ = std::make_shared<const cluster::ClusterMap>(std::move(parsed).value());
  read_ = std::make_shared<const cluster::ClusterMap>(servable(*kept_));
  return read_;
}

bool LastMap::is_news(const cluster::ClusterMap& map) const {
  if (read_ == nullptr) return true;
  if (map.cluster != read_->cluster) return static_cast<bool>(map.cluster);
  return std::tie(map.generation, map.index) >= std::tie(read_->generation, read_->index);
}

void LastMap::keep(std::shared_ptr<const cluster::ClusterMap> map) {
  if (!map->cluster || timer_ == nullptr) return;
  if (kept_ != nullptr && serve_the_same(*kept_, *map)) {
    waits_ = nullptr;
    return;
  }
  waits_ = std::move(map);
  if (writing_ || uv_is_active(reinterpret_cast<uv_handle_t*>(timer_)) != 0) return;
  uv_timer_start(
      timer_, [](uv_timer_t* timer) { static_cast<LastMap*>(timer->data)->begin_write(); },
      kPauseMs, 0);
}

void LastMap::begin_write() {
  if (waits_ == nullptr) return;
  kept_ = std::exchange(waits_, nullptr);
  writing_ = true;
  auto* write =
      new Write{.owner = this, .path = file_, .bytes = last_map_file(*kept_), .problem = {}};
  write->work.data = write;
  uv_queue_work(
      loop_, &write->work,
      [](uv_work_t* work) {
        auto& one = *static_cast<Write*>(work->data);
        one.problem = write_beside(one.path, one.bytes);
      },
      [](uv_work_t* work, int) {
        const std::unique_ptr<Write> one(static_cast<Write*>(work->data));
        one->owner->end_write(one->problem);
      });
}

void LastMap::end_write(const std::string& problem) {
  writing_ = false;
  if (!problem.empty()) kept_ = nullptr;
  if (std::exchange(said_, problem) != problem && !problem.empty()) {
    io::log_warn("what was agreed last cannot be kept", {{"file", file_}, {"why", problem}});
  }
  if (waits_ == nullptr) return;
  if (timer_ == nullptr) return begin_write();
  keep(std::exchange(waits_, nullptr));
}

void LastMap::close() {
  if (timer_ == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(timer_, nullptr)),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
  if (!writing_) begin_write();
}

}  // namespace quorate::member
