#include "consensus/storage/posix_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace quorate::storage {
namespace {

using base::Failure;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

Failure<Error> failure(ErrorKind kind, const std::string& file, const char* doing) {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT) kind = ErrorKind::kFull;
  return Failure{Error{kind, file, 0, std::string(doing) + ": " + std::strerror(error)}};
}

Status output_status(bool ok, const std::string& file, const char* doing) {
  if (!ok) return failure(ErrorKind::kOutput, file, doing);
  return Done{};
}

class PosixFile : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Status append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failure(ErrorKind::kOutput, path_, "write");
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return Done{};
  }

  // Not retried, not even after EINTR: after any failure the kernel may have dropped the pages.
  Status sync() override { return output_status(::fdatasync(fd_.get()) == 0, path_, "fdatasync"); }

 private:
  Descriptor fd_;
  std::string path_;
};

class PosixDirectory : public Directory {
 public:
  PosixDirectory(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::vector<std::string>> list() override {
    DIR* stream = ::opendir(path_.c_str());
    if (stream == nullptr) return failure(ErrorKind::kInput, path_, "opendir");
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
      errno = 0;
    }
    const int error = errno;
    ::closedir(stream);
    errno = error;
    if (error != 0) return failure(ErrorKind::kInput, path_, "readdir");
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::string> read(const std::string& name) override {
    const Descriptor file(::openat(fd_.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.open()) return failure(ErrorKind::kInput, path_of(name), "open");
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) return failure(ErrorKind::kInput, path_of(name), "fstat");
    std::string bytes(static_cast<size_t>(info.st_size), '\0');
    size_t filled = 0;
    while (filled < bytes.size()) {
      const ssize_t got = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failure(ErrorKind::kInput, path_of(name), "read");
      if (got == 0) break;
      filled += static_cast<size_t>(got);
    }
    bytes.resize(filled);
    return bytes;
  }

  Result<std::unique_ptr<File>> create(const std::string& name) override {
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC;
    Descriptor file(::openat(fd_.get(), name.c_str(), flags, 0600));
    if (!file.open()) return failure(ErrorKind::kOutput, path_of(name), "create");
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(file), path_of(name)));
  }

  Status rename(const std::string& from, const std::string& to) override {
    const int result = ::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str());
    return output_status(result == 0, path_of(to), "rename");
  }

  Status remove(const std::string& name) override {
    return output_status(::unlinkat(fd_.get(), name.c_str(), 0) == 0, path_of(name), "remove");
  }

  Status sync() override { return output_status(::fsync(fd_.get()) == 0, path_, "fsync"); }

 private:
  std::string path_of(const std::string& name) const { return path_ + "/" + name; }

  Descriptor fd_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<Directory>> open_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return failure(ErrorKind::kOutput, path, "mkdir");
  }
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.open()) return failure(ErrorKind::kInput, path, "open");
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return failure(ErrorKind::kLocked, path, "another process uses it");
  }
  return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(std::move(fd), path));
}

}  // namespace quorate::storage
