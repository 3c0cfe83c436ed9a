// SPDX-License-Identifier: Apache-2.0
// Signals interrupt system calls in the daemons as in plugins, so what can say EINTR is repeated here.
#include "core/fd.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/draft.h"
#include "core/error.h"
#include "core/regular_file.h"
#include "core/temporary_file.h"

namespace barewire {

namespace {

/// Retries what a signal interrupted. Source: signal(7), "Interruption of system calls".
template <typename Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// A name longer than any file's names none.
bool is_no_such_file(int err) {
  return err == ENOENT || err == ENOTDIR || err == ENAMETOOLONG;
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void flush_to_disk(int fd, std::string_view name) {
  if (retry_interrupted([fd] { return ::fsync(fd); }) < 0) throw sys_error("flushing {}", name);
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::reset() noexcept {
  // Linux frees the descriptor even when close fails with EINTR, so it is never repeated. Source: close(2).
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::optional<Fd> try_open_file(const std::string& path, int flags, mode_t mode) {
  const int fd = retry_interrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
  if (fd >= 0) return Fd(fd);
  if (is_no_such_file(errno)) return std::nullopt;
  throw sys_error("opening {}", path);
}

Fd open_file(const std::string& path, int flags, mode_t mode) {
  const int fd = retry_interrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
  if (fd < 0) throw sys_error("opening {}", path);
  return Fd(fd);
}

std::string read_all(int fd, std::string_view name, std::size_t most) {
  std::string bytes;
  char buffer[16384];
  while (true) {
    const ssize_t count = retry_interrupted([&] { return ::read(fd, buffer, sizeof buffer); });
    if (count < 0) throw sys_error("reading {}", name);
    if (count == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(count));
    // What is read comes from pods and other programs too: memory has a limit.
    if (bytes.size() > most)
      throw Error(Error::Code::io, fmt::format("reading {} failed: it holds more than {} bytes", name, most));
  }
}

void write_all(int fd, std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t count = retry_interrupted([&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (count < 0) throw sys_error("writing {}", name);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void write_quietly(int fd, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t count = retry_interrupted([&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::optional<std::string> read_file(const std::string& path, std::size_t most) {
  const auto fd = try_open_regular(path);
  if (!fd) return std::nullopt;
  return read_all(fd->get(), path, most);
}

namespace {

void write_content(int fd, std::string_view bytes, Durability durability, const std::string& name) {
  write_all(fd, bytes, name);
  // Before it has its name: else a power loss can leave the name with nothing behind it. The directory is flushed
  // afterwards, for the name itself. Source: rename(2), fsync(2).
  if (durability == Durability::durable) flush_to_disk(fd, name);
}

void put_in_place(const std::string& temporary, const std::string& path) {
  if (::rename(temporary.c_str(), path.c_str()) == 0) return;
  const int err = errno;
  ::unlink(temporary.c_str());
  throw errno_error(err, fmt::format("renaming {} to {}", temporary, path));
}

/// False when it cannot be done this way: another writer of `path` is at work, or one was killed.
bool place_draft(int draft, const std::string& path) {
  const int taken = name_draft(draft, path);
  if (taken == 0) return true;
  // Locked before others can see it: else the next writer would take it over.
  const std::string temporary = temporary_of(path);
  if (taken != EEXIST || ::flock(draft, LOCK_EX | LOCK_NB) < 0 || name_draft(draft, temporary) != 0) return false;
  put_in_place(temporary, path);
  return true;
}

void write_through_temporary(const std::string& path, std::string_view bytes, Durability durability, mode_t mode) {
  const std::string temporary = temporary_of(path);
  const Fd fd = open_temporary(path, mode);  // to the end: until then it is ours
  try {
    write_content(fd.get(), bytes, durability, temporary);
  } catch (const Error&) {
    ::unlink(temporary.c_str());
    throw;
  }
  put_in_place(temporary, path);
}

}  // namespace

bool try_write_file_atomically(const std::string& path, std::string_view bytes, Durability durability, mode_t mode) {
  const std::string directory = directory_of(path);
  const auto draft = make_draft(directory, mode);
  if (!draft) return false;
  if (*draft) write_content(draft->get(), bytes, durability, path);
  if (!*draft || !place_draft(draft->get(), path)) write_through_temporary(path, bytes, durability, mode);
  if (durability == Durability::durable) flush_to_disk(open_file(directory, O_RDONLY | O_DIRECTORY).get(), directory);
  return true;
}

void write_file_atomically(const std::string& path, std::string_view bytes, Durability durability, mode_t mode) {
  if (!try_write_file_atomically(path, bytes, durability, mode)) throw errno_error(ENOENT, "creating " + path);
}

void make_directories(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return;
  if (errno != ENOENT) throw sys_error("creating directory {}", path);
  make_directories(directory_of(path), mode);
  if (::mkdir(path.c_str(), mode) < 0 && errno != EEXIST) throw sys_error("creating directory {}", path);
}

bool remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return true;
  if (is_no_such_file(errno)) return false;
  throw sys_error("removing {}", path);
}

}  // namespace barewire
