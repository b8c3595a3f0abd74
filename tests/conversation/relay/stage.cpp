#include "tests/conversation/relay/stage.h"

#include <algorithm>

#include "consensus/base/text.h"

namespace quorate::conversation {

using link::Flavor;
using simulation::Socket;

namespace {

std::string_view next_word(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  while (text.starts_with(' ')) text.remove_prefix(1);
  return word;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

base::Duration duration_of(std::string_view text) {
  const size_t digits = text.find_first_not_of("0123456789");
  const auto number = base::parse_integer<int64_t>(text.substr(0, digits)).value_or(0);
  const std::string_view unit = digits == std::string_view::npos ? "" : text.substr(digits);
  if (unit == "s") return std::chrono::seconds(number);
  if (unit == "us") return std::chrono::microseconds(number);
  return std::chrono::milliseconds(number);
}

uint64_t size_of(std::string_view text) {
  return text == "all" ? SIZE_MAX : base::parse_integer<uint64_t>(text).value_or(0);
}

bool is_number(std::string_view text) { return base::parse_integer<uint64_t>(text).has_value(); }

}  // namespace

Stage::Stage() = default;
Stage::~Stage() = default;

std::vector<std::string> Stage::perform(std::string_view line) {
  said_.clear();
  if (!understand(line)) {
    say("? not understood");
    return std::move(said_);
  }
  if (loop_ != nullptr && !together_) {
    pump();
    loop_->check_invariants();
  }
  return std::move(said_);
}

bool Stage::understand(std::string_view line) {
  // "1/3>> text": who speaks ends at the first < or >.
  const size_t arrow = line.find_first_of("<>");
  const size_t blank = line.find(' ');
  if (arrow != std::string_view::npos && arrow < blank) {
    const bool raw = line.substr(arrow).starts_with(">>") || line.substr(arrow).starts_with("<<");
    std::string_view text = line.substr(arrow + (raw ? 2 : 1));
    if (text.starts_with(' ')) text.remove_prefix(1);
    return loop_ != nullptr && speak(line.substr(0, arrow), text, raw);
  }
  const std::string_view who = next_word(line);
  if (who == "pool") {
    make_pool(line);
    return true;
  }
  if (loop_ == nullptr) return false;
  if (who == "time") {
    let_pass(duration_of(line));
  } else if (who == "together") {
    together_ = true;
  } else if (who == "apart") {
    together_ = false;
    loop_->flush();
  } else if (who == "drain") {
    loop_->drain();
  } else if (who == "show") {
    show();
  } else {
    return act(who, line);
  }
  return true;
}

// --- the plan ---

bool Stage::set_option(std::string_view name, std::string_view value) {
  const auto number = [value] { return base::parse_integer<uint32_t>(value).value_or(0); };
  if (name == "connections")
    settings_.connections = number();
  else if (name == "side_connections")
    settings_.side_connections = number();
  else if (name == "pinned_connections")
    settings_.pinned_connections = number();
  else if (name == "connect_timeout")
    settings_.connect_timeout = duration_of(value);
  else if (name == "request_timeout")
    settings_.request_timeout = duration_of(value);
  else if (name == "backoff")
    settings_.reconnect_backoff = duration_of(value);
  else if (name == "backoff_max")
    settings_.reconnect_backoff_max = duration_of(value);
  else if (name == "idle")
    settings_.client_idle_timeout = duration_of(value);
  else if (name == "preconnect")
    settings_.preconnect = value == "yes";
  else if (name == "max_pipeline")
    settings_.max_pipeline = number();
  else if (name == "max_clients")
    settings_.max_clients = number();
  else if (name == "max_value")
    settings_.max_value = number();
  else if (name == "max_split")
    settings_.max_split = number();
  else if (name == "max_client_output")
    settings_.max_client_output = number();
  else if (name == "password")
    settings_.password = value;
  else if (name == "follows")
    settings_.follows_servers = settings_.by_slot = value == "yes";
  else if (name == "epoch")
    settings_.epoch = number();
  else if (name == "users")
    settings_.users = wire::parse_acl_users("user app on >" + std::string(value)).value();
  else if (name == "backend_user")
    backend_user_ = value;
  else if (name == "backend_password")
    backend_password_ = value;
  else if (name == "backend_database")
    backend_database_ = static_cast<uint16_t>(number());
  else
    return false;
  return true;
}

void Stage::make_pool(std::string_view text) {
  const std::string_view protocol = next_word(text);
  if (loop_ == nullptr) {
    settings_ = simulation::default_settings(protocol == "redis" ? cluster::Protocol::kRedis
                                                                 : cluster::Protocol::kMemcached);
  }
  std::vector<simulation::BackendSpec> backends;
  while (!text.empty()) {
    const std::string_view word = next_word(text);
    const size_t equals = word.find('=');
    if (equals != std::string_view::npos) {
      if (!set_option(word.substr(0, equals), word.substr(equals + 1))) {
        say("? no option " + std::string(word));
      }
      continue;
    }
    const std::string_view state = word.substr(1);
    backends.push_back(
        {.letter = word[0], .ejected = !state.empty(), .on_ring = state != "!rehash"});
  }
  for (auto& backend : backends) {
    backend.user = backend_user_;
    backend.password = backend_password_;
    backend.database = backend_database_;
  }
  auto plan = simulation::make_plan(settings_, backends);
  if (loop_ == nullptr) {
    loop_ = std::make_unique<simulation::RelayLoop>(1, std::move(plan));
  } else {
    loop_->adopt(std::move(plan));
  }
}

// --- who speaks ---

Socket* Stage::client(uint64_t number) {
  const auto found = clients_.find(number);
  if (found != clients_.end()) return loop_->socket(found->second);
  Socket& socket = loop_->accept(0);
  clients_[number] = socket.number;
  seen_[socket.number] = {std::to_string(number), Flavor::kResp2, false};
  return &socket;
}

Socket* Stage::socket_named(std::string_view name) {
  Socket* found = nullptr;
  loop_->for_each_socket([&](Socket& socket) {
    const auto seen = seen_.find(socket.number);
    if (socket.open && seen != seen_.end() && seen->second.name == name) found = &socket;
  });
  return found;
}

bool Stage::speak(std::string_view who, std::string_view text, bool raw) {
  size_t piece = SIZE_MAX;
  const size_t slash = who.find('/');
  if (slash != std::string_view::npos) {
    piece = size_of(who.substr(slash + 1));
    who = who.substr(0, slash);
  }
  const bool is_client = is_number(who);
  Socket* socket = is_client ? client(size_of(who)) : socket_named(who);
  if (socket == nullptr || !socket->open) return false;
  std::string bytes;
  if (raw) {
    bytes = unescape(text);
  } else {
    Flavor flavor = seen_[socket->number].flavor;
    if (is_client) {
      const bool redis = settings_.protocol == cluster::Protocol::kRedis;
      if (!redis && text.starts_with("bin ")) flavor = Flavor::kMemcachedBinary;
      if (!redis && flavor == Flavor::kResp2) flavor = Flavor::kMemcachedText;
      seen_[socket->number].flavor = flavor;
    }
    const bool is_feed = !is_client && socket->link != nullptr && socket->link->is_feed();
    for (std::string_view part : split(text, " | ")) {
      if (is_feed && part.find_first_of("-*") != 0) {
        bytes += encode_message(part);
        continue;
      }
      if (part.starts_with("bin ")) part.remove_prefix(4);
      bytes += is_client || flavor == Flavor::kMemcachedBinary ? encode_request(flavor, part)
                                                               : unescape(part) + "\r\n";
    }
  }
  if (piece == SIZE_MAX) {
    socket->to_relay += bytes;
    if (together_) loop_->read(*socket);
    return true;
  }
  for (size_t at = 0; at < bytes.size(); at += piece) {
    socket->to_relay += bytes.substr(at, piece);
    loop_->read(*socket);
    if (together_) continue;
    loop_->flush();
    loop_->check_invariants();
  }
  return true;
}

bool Stage::act(std::string_view who, std::string_view what) {
  const std::string_view verb = next_word(what);
  if (who.size() == 1 && who[0] >= 'A' && who[0] <= 'Z') {
    if (verb == "refuses" || verb == "accepts" || verb == "hangs" || verb == "is") {
      welcomes_[who[0]] = verb == "refuses"   ? Welcome::kRefuses
                          : verb == "accepts" ? Welcome::kAccepts
                          : verb == "hangs"   ? Welcome::kHangs
                                              : Welcome::kSilent;
      return true;
    }
  }
  Socket* socket = is_number(who) ? client(size_of(who)) : socket_named(who);
  if (socket == nullptr) return false;
  if (verb == "connects") return true;
  if (verb == "ends") {
    socket->ended = true;
    if (together_) loop_->read(*socket);
  } else if (verb == "breaks") {
    socket->broken = true;
    if (together_) loop_->read(*socket);
  } else if (verb == "takes") {
    if (what == "nothing") {
      socket->room = 0;
    } else {
      loop_->make_room(*socket, size_of(what));
    }
  } else {
    return false;
  }
  return true;
}

void Stage::let_pass(base::Duration duration) {
  const base::Instant target = loop_->now() + duration;
  while (true) {
    const base::Instant due = loop_->next_deadline();
    if (due == base::kNever || due + std::chrono::milliseconds(1) > target) break;
    loop_->advance_to(std::max(due, loop_->now()) + std::chrono::milliseconds(1));
    pump();
  }
  loop_->advance_to(target);
}

// --- what follows ---

void Stage::pump() {
  bool busy = true;
  while (busy) {
    loop_->flush();
    answer_dials();
    answer_greetings();
    busy = false;
    std::vector<Socket*> readable;
    loop_->for_each_socket([&](Socket& socket) {
      if (socket.readable()) readable.push_back(&socket);
    });
    for (Socket* socket : readable) {
      if (!loop_->read(*socket)) continue;
      busy = true;
      loop_->flush();
    }
    busy = busy || !loop_->relay().links_to_open().empty();
  }
  loop_->flush();
  answer_dials();
  collect();
}

std::string Stage::name_for(const Socket& socket) const {
  const link::Link& link = *socket.link;
  std::string base(1, static_cast<char>('A' + socket.backend));
  if (link.flavor() == Flavor::kResp3) base += "3";
  if (link.flavor() == Flavor::kMemcachedBinary) base += "b";
  const auto is_used = [&](const std::string& name) {
    bool used = false;
    loop_->for_each_socket([&](Socket& other) {
      const auto seen = seen_.find(other.number);
      used = used || (other.open && seen != seen_.end() && seen->second.name == name);
    });
    return used;
  };
  if (link.is_feed()) return base + "~";
  if (link.is_lent()) {
    const char* mark = link.kind() == link::LinkKind::kPinned ? "*" : "+";
    for (int number = 1;; ++number) {
      const std::string name = base + mark + std::to_string(number);
      if (!is_used(name)) return name;
    }
  }
  for (uint32_t place = 1; place < settings_.connections; ++place) {
    if (&loop_->relay().upstream(socket.backend)->main_link(link.flavor(), place) == &link) {
      base += ":" + std::to_string(place + 1);
      break;
    }
  }
  return base;
}

void Stage::answer_dials() {
  auto dials = std::exchange(waiting_, {});
  for (const auto& dial : loop_->take_dials()) dials.push_back(dial);
  for (const auto& dial : dials) {
    const char letter = static_cast<char>('A' + dial.backend);
    const Welcome welcome = welcomes_.contains(letter) ? welcomes_.at(letter) : Welcome::kAccepts;
    if (welcome == Welcome::kRefuses) {
      say(std::string(1, letter) + " refuses");
      loop_->refused(dial);
      loop_->flush();
    } else if (welcome == Welcome::kHangs) {
      if (loop_->relay().find_opening(dial.backend, dial.opening) != nullptr) {
        waiting_.push_back(dial);
      }
    } else if (Socket* socket = loop_->connected(dial)) {
      std::string name = name_for(*socket);
      // The one it replaces is still busy.
      if (Socket* old = socket_named(name)) seen_[old->number].name += "'";
      seen_[socket->number] = {name, socket->link->flavor(), false};
      say(name + " connects");
      loop_->flush();
    }
  }
  // A refusal may have led to the next attempt.
  if (!loop_->relay().links_to_open().empty()) loop_->flush();
}

void Stage::answer_greetings() {
  loop_->for_each_socket([&](Socket& socket) {
    if (socket.is_client || !socket.open || socket.from_relay.empty()) return;
    const char letter = static_cast<char>('A' + socket.backend);
    const bool silent = welcomes_.contains(letter) && welcomes_.at(letter) == Welcome::kSilent;
    if (silent || socket.link->state() != link::LinkState::kHandshake) return;
    socket.from_relay.clear();
    socket.to_relay += greeting_replies(socket.link->flavor(), socket.link->greeting_replies_left(),
                                        100 + socket.number);
  });
}

// Backends in the order of their names, then clients.
void Stage::collect() {
  std::vector<Socket*> sockets;
  loop_->for_each_socket([&](Socket& socket) {
    if (seen_.contains(socket.number)) sockets.push_back(&socket);
  });
  std::ranges::stable_sort(sockets, {}, [this](const Socket* socket) {
    return std::pair(socket->is_client, seen_.at(socket->number).name);
  });
  for (Socket* socket : sockets) {
    Seen& seen = seen_.at(socket->number);
    if (socket->is_client && socket->open) {
      if (const auto* session = loop_->relay().find_session(socket->session)) {
        seen.flavor = session->flavor;
      }
    }
    const std::string bytes = std::exchange(socket->from_relay, {});
    const auto lines =
        socket->is_client ? show_replies(seen.flavor, bytes) : show_requests(seen.flavor, bytes);
    for (const std::string& line : lines) {
      say(seen.name + (socket->is_client ? "< " : "> ") + line);
    }
    if (!socket->open && !std::exchange(seen.is_told_closed, true)) say(seen.name + " is closed");
  }
}

void Stage::show() {
  const auto line_of = [this](
                           std::string name,
                           std::initializer_list<std::pair<std::string_view, uint64_t>> numbers) {
    for (const auto& [what, number] : numbers) {
      if (number != 0) name.append(" ").append(what).append("=").append(std::to_string(number));
    }
    say(std::move(name));
  };
  auto& relay = loop_->relay();
  const auto& pool = relay.pool(0).counters;
  line_of("pool", {{"clients", pool.clients},
                   {"blocked", pool.blocked},
                   {"commands", pool.commands},
                   {"own_errors", pool.own_errors},
                   {"cut_off", pool.clients_cut_off}});
  for (uint32_t id = 0; id < 26; ++id) {
    if (relay.upstream(id) == nullptr) continue;
    const auto& upstream = *relay.upstream(id);
    const auto& c = upstream.counters;
    std::string name(1, static_cast<char>('A' + id));
    if (upstream.down()) name += " down";
    if (upstream.removed()) name += " removed";
    line_of(std::move(name), {{"requests", c.requests},
                              {"replies", c.replies},
                              {"unavailable", c.unavailable},
                              {"unknown", c.unknown},
                              {"timed_out", c.timed_out},
                              {"retried", c.retried},
                              {"connects", c.connects},
                              {"connect_failures", c.connect_failures},
                              {"connections_lost", c.connections_lost},
                              {"failures_in_a_row", c.failures_in_a_row},
                              {"in_flight", c.in_flight},
                              {"connected", c.connected}});
  }
  if (relay.chunks().bytes_in_use() != 0) {
    say("chunks " + std::to_string(relay.chunks().bytes_in_use()) + " bytes");
  }
}

}  // namespace quorate::conversation
