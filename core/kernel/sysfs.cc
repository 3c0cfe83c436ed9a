// SPDX-License-Identifier: Apache-2.0
// Drivers answer a read with an errno where they have nothing to say. That is "unknown", as a missing file is.
#include "core/kernel/sysfs.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>

#include "core/directory.h"
#include "core/fd.h"
#include "core/kernel/netlink.h"
#include "core/text.h"

namespace barewire::kernel {

namespace {

constexpr std::size_t kLargestAttribute = 4096;  // one page: Documentation/filesystems/sysfs.rst

std::string_view trimmed(std::string_view text) {
  return trim(text, std::string_view(" \t\r\n\0", 5));
}

/// Is this a driver declining to answer, rather than a failure of ours?
bool is_no_answer(int err) {
  return err == EOPNOTSUPP || err == EINVAL || err == EIO || err == EISDIR || err == ENODEV;
}

}  // namespace

std::string Sysfs::path(std::string_view relative) const {
  return fmt::format("{}/{}", root_, relative);
}

std::optional<std::string> Sysfs::read(std::string_view relative) const {
  const std::string file = path(relative);
  const auto fd = try_open_file(file, O_RDONLY);
  if (!fd) return std::nullopt;
  std::array<char, kLargestAttribute> buffer;
  ssize_t size = -1;
  // One read is enough: an attribute has a page at most.
  do size = ::read(fd->get(), buffer.data(), buffer.size());
  while (size < 0 && errno == EINTR);
  if (size < 0 && is_no_answer(errno)) return std::nullopt;
  if (size < 0) throw sys_error("reading {}", file);
  return std::string(trimmed({buffer.data(), static_cast<std::size_t>(size)}));
}

std::optional<std::int64_t> Sysfs::read_integer(std::string_view relative) const {
  const auto text = read(relative);
  if (!text || text->empty()) return std::nullopt;
  const bool hex = text->starts_with("0x");
  std::int64_t value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data() + (hex ? 2 : 0), end, value, hex ? 16 : 10);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

void Sysfs::write(std::string_view relative, std::string_view value) const {
  const std::string file = path(relative);
  int err = 0;
  // O_TRUNC means nothing to sysfs, and keeps a test's tree of plain files like it.
  const Fd fd(::open(file.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!fd) err = errno;
  // A store takes the whole value in one write, so an interrupted one is repeated, a short one is a refusal.
  while (err == 0 && ::write(fd.get(), value.data(), value.size()) < 0)
    if (errno != EINTR) err = errno;
  if (err != 0)
    throw KernelError(err, fmt::format("writing {} to {} failed: {}", trimmed(value), file, std::strerror(err)), {});
}

std::optional<std::string> Sysfs::link_name(std::string_view relative) const {
  std::array<char, 4096> buffer;
  const std::string link = path(relative);
  const ssize_t size = ::readlink(link.c_str(), buffer.data(), buffer.size());
  if (size < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EINVAL)) return std::nullopt;
  if (size < 0) throw sys_error("reading link {}", link);
  const std::string_view target(buffer.data(), static_cast<std::size_t>(size));
  return std::string(target.substr(target.rfind('/') + 1));
}

bool Sysfs::exists(std::string_view relative) const {
  return ::access(path(relative).c_str(), F_OK) == 0;
}

std::vector<std::string> Sysfs::list(std::string_view relative) const {
  return list_directory(path(relative));
}

}  // namespace barewire::kernel
