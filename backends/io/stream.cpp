#include "backends/io/stream.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "consensus/base/assert.h"

namespace quorate::io {

Stream* Stream::tcp(uv_loop_t* loop, Listener& listener, ReadBuffer& buffer) {
  auto* stream = new Stream(listener, buffer);
  ASSERT(uv_tcp_init(loop, &stream->handle_.tcp) == 0);
  stream->handle_.tcp.data = stream;
  return stream;
}

Stream* Stream::pipe(uv_loop_t* loop, Listener& listener, ReadBuffer& buffer) {
  auto* stream = new Stream(listener, buffer);
  ASSERT(uv_pipe_init(loop, &stream->handle_.pipe, 0) == 0);
  stream->handle_.pipe.data = stream;
  return stream;
}

int Stream::connect_tcp(const sockaddr* address) {
  auto* connect = new Connect{.request = {}, .stream = this};
  connect->request.data = connect;
  const int status = uv_tcp_connect(&connect->request, &handle_.tcp, address, &on_connect);
  if (status != 0) delete connect;
  return status;
}

void Stream::connect_pipe(const std::string& path) {
  auto* connect = new Connect{.request = {}, .stream = this};
  connect->request.data = connect;
  uv_pipe_connect(&connect->request, &handle_.pipe, path.c_str(), &on_connect);
}

void Stream::on_connect(uv_connect_t* request, int status) {
  const std::unique_ptr<Connect> connect(static_cast<Connect*>(request->data));
  Stream& stream = *connect->stream;
  if (stream.listener_ != nullptr) stream.listener_->on_connected(stream, status);
}

void Stream::tune(unsigned keepalive_seconds) {
  if (!is_tcp()) return;
  uv_tcp_nodelay(&handle_.tcp, 1);
  if (keepalive_seconds > 0) uv_tcp_keepalive(&handle_.tcp, 1, keepalive_seconds);
}

void Stream::want_reading(bool wanted) {
  if (wanted == reading_) return;
  reading_ = wanted;
  if (wanted) {
    uv_read_start(&handle_.stream, &on_alloc, &on_read);
  } else {
    uv_read_stop(&handle_.stream);
  }
}

void Stream::on_alloc(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  const Stream& stream = of(handle);
  buffer->base = stream.buffer_.read_begin();
  buffer->len = stream.reads_in_bulk_ ? limits::kBulkReadBytes : limits::kReadBytes;
}

void Stream::on_read(uv_stream_t* handle, ssize_t count, const uv_buf_t* buffer) {
  Stream& stream = of(reinterpret_cast<uv_handle_t*>(handle));
  if (count > 0) [[likely]] {
    stream.listener_->on_read(stream, buffer->base, static_cast<size_t>(count));
  } else if (count < 0) {
    stream.want_reading(false);
    stream.listener_->on_end(stream, static_cast<int>(count));
  }
}

ssize_t Stream::try_write(const uv_buf_t* buffers, unsigned count) {
  ASSERT(write_ == nullptr);
  if (descriptor_ < 0 && uv_fileno(reinterpret_cast<uv_handle_t*>(&handle_), &descriptor_) != 0)
      [[unlikely]]
    return UV_EBADF;
  ssize_t written;
  do {
    if (count == 1) [[likely]] {
      written = ::send(descriptor_, buffers->base, buffers->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      msghdr message{};
      // libuv lays its buffers out as the system's, and hands them over like this itself.
      message.msg_iov = reinterpret_cast<iovec*>(const_cast<uv_buf_t*>(buffers));
      message.msg_iovlen = count;
      written = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  } while (written < 0 && errno == EINTR);
  if (written >= 0) [[likely]]
    return written;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -errno;
}

int Stream::start_write(const uv_buf_t* buffers, unsigned count, bool copy) {
  ASSERT(write_ == nullptr);
  auto* write = new Write{.request = {}, .stream = this, .size = 0, .copied = nullptr};
  write->request.data = write;
  for (unsigned i = 0; i < count; ++i) write->size += buffers[i].len;
  uv_buf_t copied;
  if (copy) {
    write->copied = std::make_unique_for_overwrite<char[]>(write->size);
    size_t at = 0;
    for (unsigned i = 0; i < count; ++i) {
      std::memcpy(write->copied.get() + at, buffers[i].base, buffers[i].len);
      at += buffers[i].len;
    }
    copied = uv_buf_init(write->copied.get(), static_cast<unsigned>(write->size));
    buffers = &copied;
    count = 1;
  }
  write_ = write;
  const int status = uv_write(&write->request, &handle_.stream, buffers, count, &on_write);
  if (status != 0) {
    write_ = nullptr;
    delete write;
  }
  return status;
}

void Stream::on_write(uv_write_t* request, int status) {
  const std::unique_ptr<Write> write(static_cast<Write*>(request->data));
  Stream& stream = *write->stream;
  stream.write_ = nullptr;
  if (stream.listener_ == nullptr) return;
  if (status != 0) {
    stream.listener_->on_end(stream, status);
  } else {
    stream.listener_->on_written(stream, write->size);
  }
}

void Stream::close() {
  if (listener_ == nullptr) return;
  listener_ = nullptr;
  reading_ = false;
  owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_),
           [](uv_handle_t* handle) { delete &of(handle); });
}

}  // namespace quorate::io
