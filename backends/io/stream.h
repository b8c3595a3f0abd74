// Stream: a connected TCP or unix socket on a libuv loop, and the one way bytes leave it: what a
// channel has unsent is gathered and tried once per turn of the loop; only if the socket does not
// take it all does libuv watch for room.
//
// Bytes are read into one buffer per worker (ReadBuffer), behind what the channel carried over.
//
// Owned by the loop: a Stream is freed in libuv's close callback and nowhere else. Whoever it
// served may die before, inside its own callback; after detach() no callback reaches anyone.
#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "consensus/base/limits.h"

namespace quorate::io {

/// One per worker: [space for what was carried over | what is read].
class ReadBuffer {
 public:
  ReadBuffer() : bytes_(std::make_unique_for_overwrite<char[]>(kCarry + kRead)) {}
  char* read_begin() { return bytes_.get() + kCarry; }
  static constexpr size_t kCarry = limits::kReadBytes;
  static constexpr size_t kRead = limits::kBulkReadBytes;

 private:
  std::unique_ptr<char[]> bytes_;
};

class Stream {
 public:
  /// What a stream tells. Called from libuv's callbacks only, never from within a call to the
  /// stream.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_connected(Stream& stream, int status) = 0;
    /// Puts what the stream's owner carried over in front of the buffer's read_begin().
    virtual void on_read(Stream& stream, const char* bytes, size_t count) = 0;
    /// UV_EOF, or why the socket is of no more use.
    virtual void on_end(Stream& stream, int status) = 0;
    /// The socket has room again: `count` bytes that start_write() was given have left.
    virtual void on_written(Stream& stream, size_t count) = 0;
  };

  static Stream* tcp(uv_loop_t* loop, Listener& listener, ReadBuffer& buffer);
  static Stream* pipe(uv_loop_t* loop, Listener& listener, ReadBuffer& buffer);

  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  uv_stream_t* handle() { return &handle_.stream; }
  /// From now on another listener is told.
  void set_listener(Listener& listener) { listener_ = &listener; }
  bool is_tcp() const { return handle_.stream.type == UV_TCP; }

  int connect_tcp(const sockaddr* address);
  void connect_pipe(const std::string& path);
  /// No Nagle; keep-alive after `keepalive_seconds` of silence, 0: none.
  void tune(unsigned keepalive_seconds);

  /// Starts or stops reading; idempotent.
  void want_reading(bool wanted);
  /// A large value is coming: read as much at once as there is.
  void read_in_bulk(bool wanted) { reads_in_bulk_ = wanted; }

  /// True while libuv holds bytes to be written: then try_write() must wait for on_written().
  bool is_writing() const { return write_ != nullptr; }
  /// Bytes taken at once; 0 if none; negative: the socket is of no more use. Straight to the
  /// socket, where libuv's way to it costs a tenth of a request's instructions.
  ssize_t try_write(const uv_buf_t* buffers, unsigned count);
  /// Hands bytes to libuv, to leave when there is room. Copied if `copy`; otherwise they stay where
  /// they are until on_written(), or until close().
  int start_write(const uv_buf_t* buffers, unsigned count, bool copy);

  /// Nobody is told anything any more, and the socket closes. The stream frees itself.
  void close();

  void* owner = nullptr;  ///< the listener's

 private:
  struct Write {
    uv_write_t request;
    Stream* stream;
    size_t size;
    std::unique_ptr<char[]> copied;
  };
  struct Connect {
    uv_connect_t request;
    Stream* stream;
  };

  Stream(Listener& listener, ReadBuffer& buffer) : listener_(&listener), buffer_(buffer) {}
  static void on_alloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer);
  static void on_read(uv_stream_t* handle, ssize_t count, const uv_buf_t* buffer);
  static void on_connect(uv_connect_t* request, int status);
  static void on_write(uv_write_t* request, int status);
  static Stream& of(uv_handle_t* handle) { return *static_cast<Stream*>(handle->data); }

  union {
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } handle_;
  Listener* listener_;  // nullptr once closed
  ReadBuffer& buffer_;
  Write* write_ = nullptr;
  int descriptor_ = -1;  // once it was asked for
  bool reading_ = false;
  bool reads_in_bulk_ = false;
};

}  // namespace quorate::io
