// SPDX-License-Identifier: Apache-2.0
/// Owning file descriptor and whole-file reads and writes; used by every part that touches files.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace barewire {

/// Owns one file descriptor; closed on destruction. An empty Fd holds -1.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

/// Opens `path` with O_CLOEXEC added to `flags`. Throws Error{io} naming the path.
Fd open_file(const std::string& path, int flags, mode_t mode = 0644);
/// As open_file; nullopt when the path does not exist (ENOENT, ENOTDIR).
std::optional<Fd> try_open_file(const std::string& path, int flags, mode_t mode = 0644);

/// The rest of what `fd` has to say, to its end. `name` is for the message. Throws Error{io}.
std::string read_all(int fd, std::string_view name);
/// Throws Error{io}.
void write_all(int fd, std::string_view bytes, std::string_view name);

/// The whole file; nullopt when it does not exist. Throws Error{io} on any other failure.
std::optional<std::string> read_file(const std::string& path);

/// Writes a file so that a reader, or a crash, sees the old content or the new, never a part: the temporary file beside
/// it (temporary_file.h), renamed over `path`. `durable` also flushes file and directory to disk. Throws Error{io}.
/// Source: rename(2), fsync(2).
enum class Durability { until_reboot, durable };
void write_file_atomically(const std::string& path, std::string_view bytes, Durability durability, mode_t mode = 0600);

/// mkdir -p. Throws Error{io}.
void make_directories(const std::string& path, mode_t mode = 0755);
/// Removes a file; true when there was one. Throws Error{io} when it is there and cannot be removed.
bool remove_file(const std::string& path);

}  // namespace barewire
