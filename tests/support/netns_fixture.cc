// SPDX-License-Identifier: Apache-2.0
#include "tests/support/netns_fixture.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <filesystem>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/fd.h"
#include "tests/support/within.h"

namespace fs = std::filesystem;

namespace barewire::test {

namespace {

constexpr auto kNewNode = CLONE_NEWNET | CLONE_NEWNS;

void write_proc_self(const char* file, const std::string& text) {
  const std::string path = fmt::format("/proc/self/{}", file);
  write_all(open_file(path, O_WRONLY).get(), text, path);
}

/// As an ordinary user: a user namespace in which that user is root. Source: user_namespaces(7).
std::string enter_user_namespace() {
  const auto uid = ::geteuid();
  const auto gid = ::getegid();
  if (::unshare(CLONE_NEWUSER | kNewNode) != 0)
    return fmt::format("neither root nor user namespaces are available: {}", std::strerror(errno));
  write_proc_self("setgroups", "deny");
  write_proc_self("uid_map", fmt::format("0 {} 1", uid));
  write_proc_self("gid_map", fmt::format("0 {} 1", gid));
  return {};
}

void mount_or_throw(const std::string& source, const std::string& target, const char* type, unsigned long flags) {
  if (::mount(source.c_str(), target.c_str(), type, flags, nullptr) != 0) throw sys_error("mounting {}", target);
}

void bind_entry(const fs::directory_entry& entry, const fs::path& target) {
  if (entry.is_symlink()) {
    fs::create_symlink(fs::read_symlink(entry.path()), target);
    return;
  }
  if (entry.is_directory()) {
    fs::create_directory(target);
  } else {
    open_file(target, O_WRONLY | O_CREAT);
  }
  mount_or_throw(entry.path(), target, nullptr, MS_BIND | MS_REC);
}

/// Puts a tmpfs over `parent` through which everything that was in it still shows, and new entries can be made.
void shadow(const fs::path& parent) {
  const TempDir stage;
  mount_or_throw("tmpfs", stage.path(), "tmpfs", 0);
  for (const auto& entry : fs::directory_iterator(parent)) bind_entry(entry, stage.path() / entry.path().filename());
  mount_or_throw(stage.path(), parent, nullptr, MS_BIND | MS_REC);
  ::umount2(stage.path().c_str(), MNT_DETACH);
}

/// A new netns has the settings of the machine's first one (net.core.devconf_inherit_init_net), which forwards where it
/// runs containers, and filters as its admin likes. These are the kernel's own defaults. Source: ip-sysctl.rst.
void reset_settings() {
  std::vector<std::pair<std::string, std::string>> defaults = {
      {"ipv4/ip_forward", "0"},  // first: it sets others
      {"ipv6/conf/all/forwarding", "0"},
      {"ipv6/conf/default/disable_ipv6", "0"},
      {"ipv6/conf/default/accept_ra", "1"},
      {"ipv6/conf/default/accept_dad", "1"},
  };
  for (const char* which : {"all", "default"})
    for (const char* name : {"rp_filter", "arp_ignore", "arp_announce", "arp_notify", "accept_local", "route_localnet",
                             "proxy_arp", "promote_secondaries"})
      defaults.emplace_back(fmt::format("ipv4/conf/{}/{}", which, name), "0");
  for (const auto& [name, value] : defaults) {
    const std::string path = "/proc/sys/net/" + name;
    if (const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC)); file) write_all(file.get(), value, path);
  }
}

void bring_lo_up() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) throw sys_error("bringing lo up");
}

/// Runs `work` on a thread of its own, so that the namespaces it enters end with it.
void on_own_thread(const std::function<void()>& work) {
  std::exception_ptr failure;
  std::thread([&] {
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
}

Command sleeper_in(const std::string& netns) {
  Command command;
  command.program = "sleep";
  command.arguments = {"1000"};
  command.netns = netns;
  return command;
}

}  // namespace

void make_private_directory(const std::string& path) {
  if (!fs::exists(path)) {
    fs::path missing = path;
    while (!fs::exists(missing.parent_path())) missing = missing.parent_path();
    shadow(missing.parent_path());
    fs::create_directories(path);
  }
  mount_or_throw("tmpfs", path, "tmpfs", 0);
  fs::permissions(path, fs::perms(0755));  // as the node's own is; a tmpfs begins with 1777
}

std::string enter_private_node() {
  if (::unshare(kNewNode) != 0) {
    if (errno != EPERM) return fmt::format("making a netns failed: {}", std::strerror(errno));
    if (auto why = enter_user_namespace(); !why.empty()) return why;
  }
  mount_or_throw("none", "/", nullptr, MS_REC | MS_PRIVATE);
  mount_or_throw("tmpfs", "/run", "tmpfs", 0);
  fs::permissions("/run", fs::perms(0755));
  // sysfs shows the network namespace it was mounted in.
  mount_or_throw("sysfs", "/sys", "sysfs", 0);
  ::umask(022);  // what tests make is looked into by others too
  make_private_directory("/var/lib/cni");
  for (const char* configuration : {"/etc/cni", "/etc/barewire"})
    if (fs::exists(configuration)) make_private_directory(configuration);
  reset_settings();
  bring_lo_up();
  return {};
}

std::string make_netns(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  fs::create_directories("/run/netns");
  open_file(path, O_WRONLY | O_CREAT | O_EXCL);
  on_own_thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) throw sys_error("making netns {}", name);
    mount_or_throw("/proc/thread-self/ns/net", path, nullptr, MS_BIND);
    reset_settings();
    bring_lo_up();
  });
  return path;
}

void delete_netns(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  if (::umount2(path.c_str(), MNT_DETACH) != 0) throw sys_error("unmounting {}", path);
  remove_file(path);
}

NetnsHolder::NetnsHolder(const std::string& path) : process_(sleeper_in(path)) {
  struct stat wanted = {};
  if (::stat(path.c_str(), &wanted) != 0) throw sys_error("looking at {}", path);
  const bool is_in = within(std::chrono::minutes(1), [&] {
    struct stat here = {};
    return ::stat(this->path().c_str(), &here) == 0 && here.st_ino == wanted.st_ino;
  });
  if (!is_in) throw Error(Error::Code::internal, "no process came into " + path);
}

std::string NetnsHolder::path() const {
  return fmt::format("/proc/{}/ns/net", process_.pid());
}

void in_netns(const std::string& path, const std::function<void()>& work) {
  const Fd netns = open_file(path, O_RDONLY);
  on_own_thread([&] {
    if (::setns(netns.get(), CLONE_NEWNET) != 0) throw sys_error("entering {}", path);
    work();
  });
}

CommandResult run_in(const std::string& path, const std::string& text) {
  return run_shell(text, path);
}

std::string must_run_in(const std::string& path, const std::string& text) {
  const CommandResult result = run_in(path, text);
  EXPECT_TRUE(result.ok()) << text << "\nexit status " << result.exit_status << "\n" << result.out << result.err;
  return result.out;
}

std::string must_run(const std::string& text) {
  return must_run_in({}, text);
}

void NetnsTest::SetUp() {
  if (const std::string why = enter_private_node(); !why.empty()) GTEST_SKIP() << why;
}

}  // namespace barewire::test
