#include "backends/io/dialer.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace quorate::io {

// Lives until neither its timer nor its name request can call back any more; then frees itself.
class Dialer::Attempt final : public Stream::Listener {
 public:
  Attempt(Dialer& dialer, Endpoint endpoint, Done done)
      : dialer_(dialer), endpoint_(std::move(endpoint)), done_(std::move(done)) {}

  void start(base::Duration timeout) {
    uv_timer_init(dialer_.loop_, &timer_);
    timer_.data = request_.data = this;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
    uv_update_time(dialer_.loop_);
    uv_timer_start(
        &timer_,
        [](uv_timer_t* timer) {
          of(timer).why_ = of(timer).resolving_ ? "its name is not resolved in time"
                                                : "cannot connect: no answer in time";
          of(timer).finish(nullptr);
        },
        static_cast<uint64_t>(std::max<int64_t>(ms, 1)), 0);
    if (!endpoint_.path.empty()) {
      stream_ = Stream::pipe(dialer_.loop_, *this, dialer_.buffer_);
      stream_->connect_pipe(endpoint_.path);
      return;
    }
    sockaddr_storage address{};
    const char* host = endpoint_.host.c_str();
    if (uv_ip4_addr(host, endpoint_.port, reinterpret_cast<sockaddr_in*>(&address)) == 0 ||
        uv_ip6_addr(host, endpoint_.port, reinterpret_cast<sockaddr_in6*>(&address)) == 0) {
      untried_.push_back(address);
      return try_next();
    }
    resolve();
  }

  /// Nobody is told. Safe at any time.
  void abandon() {
    done_ = nullptr;
    finish(nullptr);
  }

  void on_connected(Stream& stream, int status) override {
    if (status == 0) {
      stream_ = nullptr;
      stream.set_listener(dialer_.listener_);
      return finish(&stream);
    }
    stream.close();
    stream_ = nullptr;
    cannot_connect(status);
    try_next();
  }
  void on_read(Stream&, const char*, size_t) override {}
  void on_end(Stream&, int) override {}
  void on_written(Stream&, size_t) override {}

 private:
  static Attempt& of(uv_timer_t* timer) { return *static_cast<Attempt*>(timer->data); }

  void resolve() {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    resolving_ = true;
    const int status = uv_getaddrinfo(
        dialer_.loop_, &request_,
        [](uv_getaddrinfo_t* request, int result, addrinfo* found) {
          auto& attempt = *static_cast<Attempt*>(request->data);
          attempt.resolving_ = false;
          for (const addrinfo* one = found; one != nullptr && result == 0; one = one->ai_next) {
            sockaddr_storage& copy = attempt.untried_.emplace_back();
            std::memcpy(&copy, one->ai_addr, one->ai_addrlen);
          }
          uv_freeaddrinfo(found);
          if (attempt.finished_) return attempt.free_if_done();
          if (result != 0) attempt.does_not_resolve(result);
          std::ranges::reverse(attempt.untried_);
          attempt.try_next();
        },
        endpoint_.host.c_str(), std::to_string(endpoint_.port).c_str(), &hints);
    if (status != 0) {
      resolving_ = false;
      does_not_resolve(status);
      finish_soon();
    }
  }

  void does_not_resolve(int status) {
    why_ = endpoint_.host + " does not resolve: " + uv_strerror(status);
  }
  void cannot_connect(int status) { why_ = std::string("cannot connect: ") + uv_strerror(status); }

  void try_next() {
    while (!untried_.empty()) {
      const sockaddr_storage address = untried_.back();
      untried_.pop_back();
      stream_ = Stream::tcp(dialer_.loop_, *this, dialer_.buffer_);
      const int status = stream_->connect_tcp(reinterpret_cast<const sockaddr*>(&address));
      if (status == 0) return;
      stream_->close();
      stream_ = nullptr;
      cannot_connect(status);
    }
    finish_soon();
  }

  // By the timer, as `done` is never called from within dial().
  void finish_soon() {
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { of(timer).finish(nullptr); }, 0, 0);
  }

  void finish(Stream* stream) {
    if (std::exchange(finished_, true)) return;
    dialer_.attempts_.erase(this);
    if (stream_ != nullptr) stream_->close();
    stream_ = nullptr;
    if (resolving_) uv_cancel(reinterpret_cast<uv_req_t*>(&request_));
    const Done done = std::move(done_);
    std::string why = stream == nullptr ? std::move(why_) : std::string();
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), [](uv_handle_t* handle) {
      auto& attempt = *static_cast<Attempt*>(handle->data);
      attempt.timer_closed_ = true;
      attempt.free_if_done();
    });
    if (done) done(stream, std::move(why));
  }

  void free_if_done() {
    if (timer_closed_ && !resolving_) delete this;
  }

  Dialer& dialer_;
  const Endpoint endpoint_;
  Done done_;
  std::string why_;  // of the address tried last
  uv_timer_t timer_{};
  uv_getaddrinfo_t request_{};
  std::vector<sockaddr_storage> untried_;  // the next one at the back
  Stream* stream_ = nullptr;
  bool resolving_ = false;
  bool finished_ = false;
  bool timer_closed_ = false;
};

void Dialer::dial(const Endpoint& endpoint, base::Duration timeout, Done done) {
  auto* attempt = new Attempt(*this, endpoint, std::move(done));
  attempts_.insert(attempt);
  attempt->start(timeout);
}

void Dialer::close() {
  while (!attempts_.empty()) (*attempts_.begin())->abandon();
}

}  // namespace quorate::io
