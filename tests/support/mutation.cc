// SPDX-License-Identifier: Apache-2.0
#include "tests/support/mutation.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/fd.h"

namespace barewire::test {

namespace {

/// `size` bytes of the tracee's memory; fewer when it ends early.
std::string peek(pid_t pid, std::uint64_t address, std::size_t size) {
  std::string bytes(size, '\0');
  iovec local{bytes.data(), size};
  // A tracee's address arrives as a number.
  iovec remote{reinterpret_cast<void*>(address), size};  // NOLINT(performance-no-int-to-ptr)
  const ssize_t count = ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
  bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return bytes;
}

template <typename T>
T peek_as(pid_t pid, std::uint64_t address) {
  T value{};
  const std::string bytes = peek(pid, address, sizeof value);
  if (bytes.size() == sizeof value) std::copy_n(bytes.data(), sizeof value, reinterpret_cast<char*>(&value));
  return value;
}

std::string peek_path(pid_t pid, std::uint64_t address) {
  // A path near the end of a page may be followed by nothing readable: read up to the page's end first.
  constexpr std::uint64_t kPage = 4096;
  std::string bytes = peek(pid, address, kPage - address % kPage);
  if (bytes.find('\0') == std::string::npos) bytes += peek(pid, address + bytes.size(), kPage);
  return bytes.substr(0, bytes.find('\0'));
}

/// What descriptor `fd` of the tracee leads to: "/path", "socket:[17]", "pipe:[4]".
std::string descriptor(pid_t pid, std::uint64_t fd) {
  std::array<char, 4096> target{};
  const std::string link = fmt::format("/proc/{}/fd/{}", pid, static_cast<int>(fd));
  const ssize_t count = ::readlink(link.c_str(), target.data(), target.size());
  return count > 0 ? std::string(target.data(), static_cast<std::size_t>(count)) : fmt::format("fd {}", fd);
}

/// The socket's family and protocol, asked of a copy of the tracee's descriptor. Source: pidfd_getfd(2).
struct SocketKind {
  int family = AF_UNSPEC;
  int protocol = 0;
};
SocketKind socket_kind(pid_t pid, std::uint64_t fd) {
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const Fd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), static_cast<int>(fd), 0)));
  SocketKind kind;
  socklen_t size = sizeof kind.family;
  ::getsockopt(copy.get(), SOL_SOCKET, SO_DOMAIN, &kind.family, &size);
  size = sizeof kind.protocol;
  ::getsockopt(copy.get(), SOL_SOCKET, SO_PROTOCOL, &kind.protocol, &size);
  return kind;
}

/// Dumps, RTM_GET* and the look-up of a generic netlink family change nothing.
bool is_netlink_read(const nlmsghdr& header, int protocol) {
  if ((header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) return true;
  if (protocol == NETLINK_ROUTE) return header.nlmsg_type >= RTM_BASE && (header.nlmsg_type & 3) == 2;
  return protocol == NETLINK_GENERIC && header.nlmsg_type == GENL_ID_CTRL;
}

std::uint64_t message_start(const Syscall& call) {
  if (call.number != SYS_sendmsg && call.number != SYS_sendmmsg) return call.args[1];
  const auto header = peek_as<msghdr>(call.pid, call.args[1]);
  const auto first = peek_as<iovec>(call.pid, reinterpret_cast<std::uint64_t>(header.msg_iov));
  return reinterpret_cast<std::uint64_t>(first.iov_base);
}

std::optional<std::string> describe_send(const Syscall& call, const char* name) {
  const SocketKind kind = socket_kind(call.pid, call.args[0]);
  if (kind.family != AF_NETLINK) return fmt::format("{} on a socket of family {}", name, kind.family);
  const auto header = peek_as<nlmsghdr>(call.pid, message_start(call));
  if (is_netlink_read(header, kind.protocol)) return std::nullopt;
  return fmt::format("{} netlink protocol {} message type {}", name, kind.protocol, header.nlmsg_type);
}

std::optional<std::string> describe_write(const Syscall& call, const char* name) {
  if (call.args[0] == STDERR_FILENO) return std::nullopt;
  const std::string target = descriptor(call.pid, call.args[0]);
  if (target.starts_with("socket:")) return describe_send(call, name);
  // A sanitizer's and libc's own wake-ups.
  if (target.starts_with("anon_inode:")) return std::nullopt;
  // UBSan's look whether memory is there; made to fail, it ends the program.
  if (target.starts_with("pipe:") && call.args[0] != STDOUT_FILENO) return std::nullopt;
  return fmt::format("{} {}", name, target);
}

std::optional<std::string> describe_open(const Syscall& call, const char* name, std::size_t path, std::size_t flags) {
  const std::uint64_t how = call.args[flags];
  const bool temporary = (how & O_TMPFILE) == O_TMPFILE;
  if ((how & (O_CREAT | O_TRUNC)) == 0 && !temporary) return std::nullopt;
  return fmt::format("{} {}", name, peek_path(call.pid, call.args[path]));
}

/// Whether an ethtool command only asks. Source: include/uapi/linux/ethtool.h; its header declares no such thing.
bool is_ethtool_read(const Syscall& call) {
  constexpr std::uint32_t kReads[] = {
      ETHTOOL_GCHANNELS, ETHTOOL_GRINGPARAM, ETHTOOL_GCOALESCE,     ETHTOOL_GPAUSEPARAM, ETHTOOL_GMSGLVL,
      ETHTOOL_GPFLAGS,   ETHTOOL_GWOL,       ETHTOOL_GFEATURES,     ETHTOOL_GRSSH,       ETHTOOL_GRXCLSRLCNT,
      ETHTOOL_GDRVINFO,  ETHTOOL_GSSET_INFO, ETHTOOL_GLINKSETTINGS, ETHTOOL_GSTRINGS};
  const auto command = peek_as<std::uint64_t>(call.pid, call.args[2] + IFNAMSIZ);
  return std::find(std::begin(kReads), std::end(kReads), peek_as<std::uint32_t>(call.pid, command)) != std::end(kReads);
}

std::optional<std::string> describe_ioctl(const Syscall& call) {
  constexpr std::uint64_t kGetters[] = {TCGETS,      FIONREAD,       TIOCGWINSZ,     SIOCGIFNAME,   SIOCGIFFLAGS,
                                        SIOCGIFADDR, SIOCGIFNETMASK, SIOCGIFMTU,     SIOCGIFHWADDR, SIOCGIFINDEX,
                                        SIOCGIFCONF, SIOCGIFTXQLEN,  SIOCGIFBRDADDR, SIOCGIFDSTADDR};
  if (std::find(std::begin(kGetters), std::end(kGetters), call.args[1]) != std::end(kGetters)) return std::nullopt;
  if (call.args[1] == SIOCETHTOOL && is_ethtool_read(call)) return std::nullopt;
  return fmt::format("ioctl {:#x} on {}", call.args[1], descriptor(call.pid, call.args[0]));
}

/// Calls that always count: their name and which argument is the path to show (-1: none, -2: a descriptor in arg 0).
struct Plain {
  const char* name;
  int path;
};
const std::map<std::uint64_t, Plain>& plain_mutations() {
  static const std::map<std::uint64_t, Plain> kPlain = {
      {SYS_rename, {"rename", 1}},       {SYS_renameat, {"renameat", 3}},    {SYS_renameat2, {"renameat2", 3}},
      {SYS_link, {"link", 1}},           {SYS_linkat, {"linkat", 3}},        {SYS_symlink, {"symlink", 1}},
      {SYS_symlinkat, {"symlinkat", 2}}, {SYS_unlink, {"unlink", 0}},        {SYS_unlinkat, {"unlinkat", 1}},
      {SYS_rmdir, {"rmdir", 0}},         {SYS_mkdir, {"mkdir", 0}},          {SYS_mkdirat, {"mkdirat", 1}},
      {SYS_mknod, {"mknod", 0}},         {SYS_mknodat, {"mknodat", 1}},      {SYS_creat, {"creat", 0}},
      {SYS_truncate, {"truncate", 0}},   {SYS_ftruncate, {"ftruncate", -2}}, {SYS_fallocate, {"fallocate", -2}},
      {SYS_chmod, {"chmod", 0}},         {SYS_fchmod, {"fchmod", -2}},       {SYS_fchmodat, {"fchmodat", 1}},
      {SYS_chown, {"chown", 0}},         {SYS_fchown, {"fchown", -2}},       {SYS_fchownat, {"fchownat", 1}},
      {SYS_setxattr, {"setxattr", 0}},   {SYS_fsync, {"fsync", -2}},         {SYS_fdatasync, {"fdatasync", -2}},
      {SYS_mount, {"mount", 1}},         {SYS_umount2, {"umount2", 0}},      {SYS_move_mount, {"move_mount", 3}},
      {SYS_fsmount, {"fsmount", -2}},    {SYS_setns, {"setns", -2}},         {SYS_unshare, {"unshare", -1}},
      {SYS_clone, {"clone", -1}},        {SYS_clone3, {"clone3", -1}},       {SYS_fork, {"fork", -1}},
      {SYS_vfork, {"vfork", -1}},        {SYS_execve, {"execve", 0}},        {SYS_execveat, {"execveat", 1}},
  };
  return kPlain;
}

const std::map<std::uint64_t, Plain>& looks() {
  static const std::map<std::uint64_t, Plain> kLooks = {
      {SYS_getdents64, {"getdents64", -2}},
      {SYS_open, {"open", 0}},
      {SYS_openat, {"openat", 1}},
      {SYS_stat, {"stat", 0}},
      {SYS_lstat, {"lstat", 0}},
      {SYS_newfstatat, {"newfstatat", 1}},
      {SYS_statx, {"statx", 1}},
      {SYS_access, {"access", 0}},
      {SYS_faccessat, {"faccessat", 1}},
      {SYS_readlink, {"readlink", 0}},
      {SYS_readlinkat, {"readlinkat", 1}},
  };
  return kLooks;
}

/// Stops at `numbers`, lets everything else run.
std::vector<sock_filter> filter_of(const std::vector<std::uint64_t>& numbers) {
  std::vector<sock_filter> filter{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const std::uint64_t number : numbers) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return filter;
}

std::string describe_plain(const Syscall& call, const Plain& plain) {
  if (plain.path >= 0)
    return fmt::format("{} {}", plain.name, peek_path(call.pid, call.args[static_cast<std::size_t>(plain.path)]));
  if (plain.path == -2) return fmt::format("{} {}", plain.name, descriptor(call.pid, call.args[0]));
  return plain.name;
}

/// Calls that count by their arguments.
using Describe = std::optional<std::string> (*)(const Syscall&);
const std::map<std::uint64_t, Describe>& mutations_by_argument() {
  static const std::map<std::uint64_t, Describe> kByArgument = {
      {SYS_sendto, [](const Syscall& call) { return describe_send(call, "sendto"); }},
      {SYS_sendmsg, [](const Syscall& call) { return describe_send(call, "sendmsg"); }},
      {SYS_sendmmsg, [](const Syscall& call) { return describe_send(call, "sendmmsg"); }},
      {SYS_write, [](const Syscall& call) { return describe_write(call, "write"); }},
      {SYS_writev, [](const Syscall& call) { return describe_write(call, "writev"); }},
      {SYS_pwrite64, [](const Syscall& call) { return describe_write(call, "pwrite"); }},
      {SYS_pwritev, [](const Syscall& call) { return describe_write(call, "pwritev"); }},
      {SYS_open, [](const Syscall& call) { return describe_open(call, "open", 0, 1); }},
      {SYS_openat, [](const Syscall& call) { return describe_open(call, "openat", 1, 2); }},
      {SYS_ioctl, [](const Syscall& call) { return describe_ioctl(call); }},
      // futimens is utimensat without a path.
      {SYS_utimensat,
       [](const Syscall& call) -> std::optional<std::string> {
         return fmt::format("utimensat {}", descriptor(call.pid, call.args[0]));
       }},
  };
  return kByArgument;
}

std::optional<std::string> describe_any_mutation(const Syscall& call) {
  if (const auto found = mutations_by_argument().find(call.number); found != mutations_by_argument().end())
    return found->second(call);
  const auto plain = plain_mutations().find(call.number);
  if (plain == plain_mutations().end()) return std::nullopt;
  return describe_plain(call, plain->second);
}

}  // namespace

std::optional<std::string> describe_mutation(const Syscall& call) {
  auto text = describe_any_mutation(call);
  // The flight recorder is no state of the node, and nothing fails with it: its own tests break it.
  if (text && (text->find("/barewire/journal") != std::string::npos || text->ends_with("/lib/cni/barewire")))
    text.reset();
  return text;
}

std::vector<sock_filter> mutation_filter() {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, describe] : mutations_by_argument()) numbers.push_back(number);
  for (const auto& [number, plain] : plain_mutations()) numbers.push_back(number);
  return filter_of(numbers);
}

std::optional<std::string> describe_look(const Syscall& call) {
  const auto look = looks().find(call.number);
  if (look == looks().end()) return std::nullopt;
  return describe_plain(call, look->second);
}

std::vector<sock_filter> look_filter() {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, plain] : looks()) numbers.push_back(number);
  return filter_of(numbers);
}

}  // namespace barewire::test
