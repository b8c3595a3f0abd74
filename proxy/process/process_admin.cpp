// What the admin port asks, and does.
#include <memory>
#include <utility>

#include "proxy/config/diff.h"
#include "proxy/config/reload.h"
#include "proxy/control/metrics.h"
#include "proxy/control/seed.h"
#include "proxy/member/group_log.h"
#include "proxy/member/joining.h"
#include "proxy/process/pages.h"
#include "proxy/process/process.h"
#include "proxy/process/process_usage.h"
#include "proxy/version.h"

namespace quorate::process {

namespace {

constexpr int kStepAttempts = 50;
constexpr uint64_t kStepPauseMs = 100;

}  // namespace

admin::Readiness Process::readiness() {
  admin::Readiness result{.ready = phase_ == Phase::kServing, .lines = {}};
  if (!result.ready) result.lines.emplace_back("[-]draining");
  bool in_touch = true;
  if (alone_ == nullptr) {
    const bool known = static_cast<bool>(map_->cluster);
    result.ready = result.ready && known;
    in_touch = standing().in_touch;
    result.lines.push_back(cluster_line(standing(), known));
  }
  const auto all_motions = motions();
  for (const auto& pool : plan_->pools) {
    if (pool == nullptr) continue;
    size_t count = 0;
    size_t tried = 0;
    size_t answering = 0;
    for (const auto& backend : plan_->backends) {
      if (backend == nullptr || backend->pool != pool->id || backend->is_nobody()) continue;
      ++count;
      tried += health_.was_probed(backend->id) ? 1 : 0;
      answering += health_.answers(backend->id) ? 1 : 0;
    }
    if (pool->follows_servers && discoverer_->found(pool->name) == nullptr) {
      result.ready = false;
      result.lines.push_back("[-]pool " + pool->name + ": its servers are not found yet");
      continue;
    }
    if (!pool->follows_servers && map_->find_pool(pool->name) == nullptr) {
      result.ready = false;
      result.lines.push_back("[-]pool " + pool->name +
                             (in_touch ? ": the cluster does not know it yet"
                                       : ": not served before the cluster is in reach"));
      continue;
    }
    const bool ready = tried == count;
    result.ready = result.ready && ready;
    result.lines.push_back((ready ? "[+]pool " : "[-]pool ") + pool->name + ": " +
                           std::to_string(answering) + " of " + std::to_string(count) +
                           " backends answer");
    const auto motion = all_motions.find(map_->find_pool(pool->name)->serial);
    if (motion == all_motions.end()) continue;
    // Nothing at all is served before the first backends are admitted; what is lost later, this
    // proxy cannot help.
    const bool serves = motion->second.unserved < cluster::kSlots;
    result.ready = result.ready && serves;
    result.lines.push_back(slots_line(pool->name, motion->second));
  }
  return result;
}

void Process::gather(std::function<void(std::vector<control::WorkerReport>)> answer) {
  struct Gathering {
    std::vector<control::WorkerReport> reports;
    std::function<void(std::vector<control::WorkerReport>)> answer;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->answer = std::move(answer);
  for (auto& worker : workers_) {
    worker->report([this, gathering](control::WorkerReport report) {
      mailbox_.post([this, gathering, report = std::move(report)]() mutable {
        gathering->reports.push_back(std::move(report));
        if (gathering->reports.size() == workers_.size()) {
          gathering->answer(std::move(gathering->reports));
        }
      });
    });
  }
}

void Process::ask_all_workers(uint32_t asker, const relay::Relay::Gathering& gathering) {
  auto answers = std::make_shared<std::vector<session::ClientAnswer>>();
  for (auto& worker : workers_) {
    worker->answer(gathering.question,
                   [this, asker, gathering, answers](session::ClientAnswer answer) {
                     mailbox_.post([this, asker, gathering, answers, answer = std::move(answer)] {
                       answers->push_back(answer);
                       if (answers->size() < workers_.size()) return;
                       workers_[asker]->gathered(gathering, std::move(*answers));
                     });
                   });
  }
}

void Process::metrics(std::function<void(std::string)> answer) {
  gather([this, answer = std::move(answer)](const std::vector<control::WorkerReport>& reports) {
    control::ProcessUsage usage = read_process_usage();
    usage.start_time_seconds = static_cast<double>(facts_.started.count()) / 1e6;
    const member::Standing now = standing();
    const control::GroupReport group{.role = now.role,
                                     .leads = now.leads,
                                     .in_touch = now.in_touch,
                                     .stopped = !now.stopped.empty(),
                                     .term = now.term,
                                     .applied = now.applied,
                                     .behind = now.behind.value_or(0),
                                     .epoch = map_->epoch};
    answer(control::render_metrics(*plan_, reports, group, motions(), usage, kVersion));
  });
}

void Process::status(std::function<void(std::string)> answer) {
  gather([this, answer = std::move(answer)](const std::vector<control::WorkerReport>& reports) {
    StatusPage page{.facts = facts_,
                    .phase = phase_ == Phase::kServing ? "serving" : "draining",
                    .plan = *plan_,
                    .map = *map_,
                    .standing = standing(),
                    .health = health_,
                    .reports = reports,
                    .motions = motions(),
                    .objections = {},
                    .listen = {},
                    .differences = {}};
    for (const auto& [serial, backend] : map_->backends) {
      if (admission_) page.objections[serial] = admission_->objection_to(serial);
    }
    for (const Bound& bound : bound_) page.listen[bound.id].push_back(bound.text);
    if (alone_ == nullptr && map_->cluster) {
      page.differences = control::differences(settings_, *map_);
    }
    answer(page.json());
  });
}

void Process::members(std::function<void(std::string)> answer) {
  membership_->list_members([answer = std::move(answer)](const member::MemberTable& table) {
    answer(member::encode_table(table) + "\n");
  });
}

std::string Process::ring() { return ring_json(*map_); }

void Process::change(const std::string& body, std::function<void(int, std::string)> answer) {
  if (alone_ != nullptr && needs_cluster(body)) {
    return answer(409, outcome_json({}, "invalid",
                                    "this proxy is in no cluster: its file says what its pools "
                                    "are, and quorate reload reads it again"));
  }
  auto parsed = parse_operator_command(body, *map_);
  if (!parsed.ok()) return answer(409, outcome_json({}, "invalid", parsed.error()));
  OperatorCommand& command = parsed.value();
  if (command.dry_run) return answer(200, outcome_json(command, "planned", {}));
  // What was asked is under way already.
  if (command.steps.empty()) return answer(200, outcome_json(command, "done", {}));
  carry_out({.command = std::move(command), .next = 0, .attempts = 0, .answer = std::move(answer)});
}

/// The steps of a command, one after the other. A step that the one before has made possible may be
/// refused for a moment yet (a member that leaves is in the group until all have heard of it).
void Process::carry_out(Steps steps) {
  if (phase_ == Phase::kStopping) return;
  const group::Request request = steps.command.steps[steps.next];
  membership_->request(request, [this, steps = std::move(steps)](const group::Outcome& outcome) {
    Steps after = steps;
    if (std::holds_alternative<group::Done>(outcome)) {
      after.attempts = 0;
      if (++after.next < after.command.steps.size()) return carry_out(std::move(after));
    } else if (std::holds_alternative<group::Refused>(outcome) && after.next > 0 &&
               ++after.attempts < kStepAttempts) {
      return later(kStepPauseMs, [this, after = std::move(after)] { carry_out(after); });
    }
    io::log_info("operator's change",
                 {{"what", after.command.text}, {"outcome", member::text_of(outcome)}});
    const auto [status, text] = page_of(after.command, outcome);
    after.answer(status, text);
  });
}

void Process::later(uint64_t milliseconds, std::function<void()> what) {
  struct Timer {
    uv_timer_t handle{};
    std::function<void()> what;
  };
  auto* timer = new Timer{.handle = {}, .what = std::move(what)};
  uv_timer_init(&loop_, &timer->handle);
  timer->handle.data = timer;
  uv_timer_start(
      &timer->handle,
      [](uv_timer_t* handle) {
        static_cast<Timer*>(handle->data)->what();
        uv_close(reinterpret_cast<uv_handle_t*>(handle),
                 [](uv_handle_t* closed) { delete static_cast<Timer*>(closed->data); });
      },
      milliseconds, 0);
}

admin::ReloadOutcome Process::reload() {
  admin::ReloadOutcome outcome;
  auto loaded = config::load_file(options_.config_file, config::process_environment());
  if (!loaded.ok()) {
    outcome.diagnostics = config::render(loaded.error(), config::Colour::kNever);
    io::log_error("reload refused, the old configuration stays",
                  {{"file", options_.config_file}, {"errors", loaded.error().size()}});
    return outcome;
  }
  outcome.ok = true;
  outcome.diagnostics = config::render(loaded.value().warnings, config::Colour::kNever);
  const config::Settings& wanted = loaded.value().settings;
  for (const config::Change& change : config::diff(settings_, wanted)) {
    outcome.changes.push_back(config::render(change));
    io::log_info("reload", {{"change", config::render(change)}});
  }
  const config::LogSettings old_log = settings_.log;
  settings_ = config::live_settings(settings_, wanted);
  if (!(settings_.log == old_log) && !io::open_log(settings_.log)) {
    io::log_error("cannot open log file", {{"file", settings_.log.file}});
    settings_.log = old_log;
  }
  discoverer_->set_pools(settings_);
  if (alone_ != nullptr) {
    alone_->define(seeds());
  } else if (map_->cluster) {
    for (const std::string& difference : control::differences(settings_, *map_)) {
      outcome.diagnostics += "warning: " + difference + "\n";
    }
  }
  publish_plan();
  update_targets();
  // A pool that began anew has everybody up; a backend that is not judged any more is not ejected.
  for (const cluster::BackendId id : std::set(health_.ejected())) eject(id);
  apply_health();
  io::log_info("reloaded", {{"changes", outcome.changes.size()}});
  return outcome;
}

}  // namespace quorate::process
