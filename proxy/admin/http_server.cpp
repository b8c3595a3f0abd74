#include "proxy/admin/http_server.h"

#include <http_parser.h>

#include <algorithm>

#include "consensus/base/limits.h"
#include "consensus/base/text.h"

namespace quorate::admin {

namespace {

std::string_view reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Payload Too Large";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Error";
  }
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), base::ascii_lower);
  return text;
}

}  // namespace

struct HttpServer::Connection {
  HttpServer* server = nullptr;
  uint64_t id = 0;
  io::Stream* stream = nullptr;
  http_parser parser{};
  HttpRequest request;
  std::string url;
  std::string header_name;
  std::string header_value;
  size_t received = 0;    // of the current request
  bool complete = false;  // a request waits for its answer: nothing more is parsed
  bool keep_alive = false;
  std::string unparsed;
  std::string output;

  void finish_header() {
    if (!header_name.empty()) request.headers[lower(header_name)] = header_value;
    header_name.clear();
    header_value.clear();
  }
  void begin_request() {
    request = {};
    url.clear();
    header_name.clear();
    header_value.clear();
    received = 0;
    complete = false;
  }

  static Connection& of(http_parser* parser) { return *static_cast<Connection*>(parser->data); }
  static const http_parser_settings& callbacks();
};

const http_parser_settings& HttpServer::Connection::callbacks() {
  static const http_parser_settings settings = [] {
    http_parser_settings hooks;
    http_parser_settings_init(&hooks);
    hooks.on_url = [](http_parser* source, const char* at, size_t length) {
      of(source).url.append(at, length);
      return 0;
    };
    hooks.on_header_field = [](http_parser* source, const char* at, size_t length) {
      Connection& connection = of(source);
      if (!connection.header_value.empty()) connection.finish_header();
      connection.header_name.append(at, length);
      return 0;
    };
    hooks.on_header_value = [](http_parser* source, const char* at, size_t length) {
      of(source).header_value.append(at, length);
      return 0;
    };
    hooks.on_headers_complete = [](http_parser* source) {
      of(source).finish_header();
      return 0;
    };
    hooks.on_body = [](http_parser* source, const char* at, size_t length) {
      of(source).request.body.append(at, length);
      return 0;
    };
    hooks.on_message_complete = [](http_parser* source) {
      Connection& connection = of(source);
      connection.complete = true;
      connection.keep_alive = http_should_keep_alive(source) != 0;
      http_parser_pause(source, 1);
      return 0;
    };
    return hooks;
  }();
  return settings;
}

HttpServer::HttpServer(uv_loop_t* loop, io::ReadBuffer& buffer, Handler handler)
    : loop_(loop), buffer_(buffer), handler_(std::move(handler)) {}

HttpServer::~HttpServer() { ASSERT(connections_.empty() && listener_ == nullptr); }

int HttpServer::listen(int descriptor) {
  listener_ = new uv_tcp_t;
  uv_tcp_init(loop_, listener_);
  listener_->data = this;
  const int status = uv_tcp_open(listener_, descriptor);
  if (status != 0) return status;
  return uv_listen(reinterpret_cast<uv_stream_t*>(listener_), 64,
                   [](uv_stream_t* handle, int error) {
                     if (error == 0) static_cast<HttpServer*>(handle->data)->accept();
                   });
}

void HttpServer::close() {
  if (listener_ != nullptr) {
    uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(listener_, nullptr)),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
  }
  while (!connections_.empty()) drop(*connections_.begin()->second);
}

void HttpServer::accept() {
  io::Stream* stream = io::Stream::tcp(loop_, *this, buffer_);
  if (uv_accept(reinterpret_cast<uv_stream_t*>(listener_), stream->handle()) != 0 ||
      connections_.size() >= limits::kAdminConnections) {
    return stream->close();
  }
  stream->tune(0);
  auto connection = std::make_unique<Connection>();
  connection->server = this;
  connection->id = ++last_id_;
  connection->stream = stream;
  http_parser_init(&connection->parser, HTTP_REQUEST);
  connection->parser.data = connection.get();
  stream->owner = connection.get();
  connections_.emplace(connection->id, std::move(connection));
  stream->want_reading(true);
}

void HttpServer::drop(Connection& connection) {
  connection.stream->close();
  connections_.erase(connection.id);
}

void HttpServer::on_read(io::Stream& stream, const char* bytes, size_t count) {
  auto& connection = *static_cast<Connection*>(stream.owner);
  connection.unparsed.append(bytes, count);
  if (connection.unparsed.size() > limits::kAdminRequestBytes) return drop(connection);
  dispatch(connection);
}

void HttpServer::on_end(io::Stream& stream, int) { drop(*static_cast<Connection*>(stream.owner)); }

void HttpServer::on_written(io::Stream& stream, size_t) {
  auto& connection = *static_cast<Connection*>(stream.owner);
  connection.output.clear();
  if (!connection.keep_alive) return drop(connection);
  dispatch(connection);
}

// Parses up to the end of one request and hands it out; the next one waits for its answer.
void HttpServer::dispatch(Connection& connection) {
  if (connection.complete || connection.stream->is_writing() || connection.unparsed.empty()) return;
  const size_t parsed = http_parser_execute(&connection.parser, &Connection::callbacks(),
                                            connection.unparsed.data(), connection.unparsed.size());
  connection.received += parsed;
  const auto error = HTTP_PARSER_ERRNO(&connection.parser);
  if ((error != HPE_OK && error != HPE_PAUSED) || connection.parser.upgrade != 0 ||
      connection.received > limits::kAdminRequestBytes) {
    return drop(connection);
  }
  connection.unparsed.erase(0, parsed);
  if (!connection.complete) return;
  http_parser_pause(&connection.parser, 0);

  HttpRequest& request = connection.request;
  request.method = http_method_str(static_cast<http_method>(connection.parser.method));
  const size_t question = connection.url.find('?');
  request.path = connection.url.substr(0, question);
  if (question != std::string::npos) request.query = connection.url.substr(question + 1);
  handler_(request,
           [this, id = connection.id](const HttpResponse& response) { respond(id, response); });
}

void HttpServer::respond(uint64_t connection_id, const HttpResponse& response) {
  const auto found = connections_.find(connection_id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  if (!connection.complete) return;
  const bool head = connection.request.method == "HEAD";
  connection.output = "HTTP/1.1 " + std::to_string(response.status) + " ";
  connection.output.append(reason(response.status)).append("\r\nContent-Type: ");
  connection.output.append(response.content_type).append("\r\nContent-Length: ");
  connection.output.append(std::to_string(response.body.size()));
  connection.output.append("\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff");
  connection.output.append(connection.keep_alive ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n");
  if (!head) connection.output.append(response.body);
  connection.begin_request();
  const uv_buf_t buffer =
      uv_buf_init(connection.output.data(), static_cast<unsigned>(connection.output.size()));
  if (connection.stream->start_write(&buffer, 1, false) != 0) drop(connection);
}

}  // namespace quorate::admin
