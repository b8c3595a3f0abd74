#include "proxy/cli/follow_moves.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ostream>
#include <set>
#include <sstream>
#include <thread>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/exit_code.h"

namespace quorate::cli {

namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = 250ms;
constexpr auto kLine = 5s;
constexpr uint32_t kBarWidth = 30;
/// A proxy that does not answer for so long is not asked any more.
constexpr int kLooksInVain = 40;

const Json* pool_of(const Json& status, const std::string& name) {
  for (const Json& pool : status.at("pools")) {
    if (pool.value("name", "") == name && pool.contains("replication")) return &pool;
  }
  return nullptr;
}

/// Backends that will not be given keys, and why, each said once.
void tell_objections(const Json& pool, std::set<std::string>& said, std::ostream& err) {
  for (const Json& backend : pool.at("backends")) {
    const std::string why = backend.value("objection", "");
    if (why.empty()) continue;
    const std::string line =
        fmt::format("{} cannot be given keys: {}", backend.value("address", ""), why);
    if (said.insert(line).second) err << "\n" << line << "\n";
  }
}

}  // namespace

void MoveProgress::on_left(uint32_t left, double seconds) {
  if (left > most_) {
    most_ = left;
    began_ = seconds;
  }
  left_ = left;
  now_ = seconds;
}

double MoveProgress::share() const {
  return most_ == 0 ? 1 : static_cast<double>(most_ - left_) / static_cast<double>(most_);
}

std::string MoveProgress::text(uint32_t width) const {
  const auto full = static_cast<uint32_t>(share() * width);
  std::string line = "[" + std::string(full, '#') + std::string(width - full, '.') + "]";
  line += fmt::format(" {:3.0f} %  {} of {} slots", share() * 100, most_ - left_, most_);
  const double passed = now_ - began_;
  const double rate = passed > 0 ? (most_ - left_) / passed : 0;
  if (rate > 0) line += fmt::format(", {:.0f}/s, {:.0f} s left", rate, left_ / rate);
  return line;
}

int follow_moves(const FollowOptions& options, std::ostream& err) {
  MoveProgress progress;
  std::set<std::string> said;
  const auto began = Clock::now();
  auto next_line = began + kLine;
  for (int in_vain = 0; in_vain < kLooksInVain; std::this_thread::sleep_for(kLook)) {
    std::ostringstream unheard;
    const AdminAnswer answer = admin_get(options.admin, "/api/v1/status", unheard);
    if (answer.exit_code != kExitOk || answer.status != 200 || !answer.body.is_object()) {
      ++in_vain;
      continue;
    }
    in_vain = 0;
    const Json* pool = pool_of(answer.body, options.pool);
    if (pool == nullptr) break;
    if (answer.body.at("cluster").value("applied", uint64_t{0}) < options.index) continue;
    const Json& slots = pool->at("replication").at("slots");
    const auto now = Clock::now();
    progress.on_left(slots.value("total", 0u) - slots.value("in_place", 0u),
                     std::chrono::duration<double>(now - began).count());
    if (options.terminal) {
      err << "\r" << progress.text(kBarWidth) << "\x1b[K" << std::flush;
    } else if (now >= next_line) {
      next_line = now + kLine;
      err << progress.text(kBarWidth) << "\n";
    }
    tell_objections(*pool, said, err);
    if (!progress.is_done()) continue;
    if (options.terminal) err << "\n";
    return kExitOk;
  }
  err << "quorate: " << options.admin << " does not say any more how far pool " << options.pool
      << " is; it moves all the same\n";
  return kExitUnreachable;
}

}  // namespace quorate::cli
