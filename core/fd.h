// SPDX-License-Identifier: Apache-2.0
/// Owning file descriptor and whole-file reads and writes; used by every part that touches files. Works beside
/// regular_file.h, which says what may be opened, and temporary_file.h. No state of its own: safe from any thread, one
/// thread per Fd.
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
  /// Gives the descriptor to the caller, who closes it.
  int release() noexcept { return std::exchange(fd_, -1); }
  /// Closes it now. A failure of close(2) is not told: Linux has let go of the descriptor all the same.
  void reset() noexcept;

 private:
  int fd_ = -1;
};

/// The most a file, or what another program says, may hold before it counts as endless.
inline constexpr std::size_t kLargestFile = 64 << 20;

/// Opens `path` with O_CLOEXEC added to `flags`: for what is known to be a directory or a device; regular_file.h has
/// the rest. Throws Error{io} naming the path.
Fd open_file(const std::string& path, int flags, mode_t mode = 0644);
/// As open_file; nullopt when the path does not exist (ENOENT, ENOTDIR, ENAMETOOLONG).
std::optional<Fd> try_open_file(const std::string& path, int flags, mode_t mode = 0644);

/// The rest of what `fd` has to say, to its end. `name` is for the message. Throws Error{io}, also when it is more than
/// `most` bytes.
std::string read_all(int fd, std::string_view name, std::size_t most = kLargestFile);
/// All of `bytes`, in as many writes as it takes; `name` is for the message. Throws Error{io}.
void write_all(int fd, std::string_view bytes, std::string_view name);

/// For a program's last words, where nobody is left to hear of a failure.
void write_quietly(int fd, std::string_view bytes) noexcept;

/// The whole file; nullopt when it does not exist. Throws Error{io} on any other failure, and at once when it is no
/// regular file or holds more than `most` bytes.
std::optional<std::string> read_file(const std::string& path, std::size_t most = kLargestFile);

/// Writes a file so that a reader, or a crash, sees the old content or the new, never a part: a new one gets its name
/// when it is whole (draft.h); over an old one it is renamed, from the temporary file beside it (temporary_file.h).
/// `durable` also flushes file and directory to disk. Throws Error{io}. Source: rename(2), fsync(2).
enum class Durability { until_reboot, durable };
void write_file_atomically(const std::string& path, std::string_view bytes, Durability durability, mode_t mode = 0600);

/// mkdir -p. Throws Error{io}.
void make_directories(const std::string& path, mode_t mode = 0755);
/// Removes a file; true when there was one. Throws Error{io} when it is there and cannot be removed.
bool remove_file(const std::string& path);

}  // namespace barewire
