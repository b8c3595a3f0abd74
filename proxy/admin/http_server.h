// HttpServer: the admin port. HTTP/1.1 on the control loop, parsed by http-parser; a handler gets a
// whole request and answers now or later. Small on purpose: no chunked bodies, no pipelining of
// answers out of order, and bounds on everything a stranger could send.
#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "backends/io/stream.h"
#include "proxy/io/listening_socket.h"

namespace quorate::admin {

struct HttpRequest {
  std::string method;                          ///< "GET"
  std::string path;                            ///< "/metrics", without the query
  std::string query;                           ///< "verbose"
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

/// Answers one request; may be kept and called later, once. Dropped if the client has gone.
using Respond = std::function<void(HttpResponse)>;
using Handler = std::function<void(const HttpRequest&, Respond)>;

class HttpServer : public io::Stream::Listener {
 public:
  HttpServer(uv_loop_t* loop, io::ReadBuffer& buffer, Handler handler);
  ~HttpServer() override;

  /// Returns 0 or a libuv error.
  int listen(int descriptor);
  /// The loop has to run until handles are closed.
  void close();

  void on_connected(io::Stream&, int) override {}
  void on_read(io::Stream& stream, const char* bytes, size_t count) override;
  void on_end(io::Stream& stream, int status) override;
  void on_written(io::Stream& stream, size_t count) override;

 private:
  struct Connection;

  void accept();
  void drop(Connection& connection);
  void dispatch(Connection& connection);
  void respond(uint64_t connection_id, const HttpResponse& response);

  uv_loop_t* loop_;
  io::ReadBuffer& buffer_;
  Handler handler_;
  uv_tcp_t* listener_ = nullptr;
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;
};

}  // namespace quorate::admin
