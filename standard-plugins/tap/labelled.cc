// SPDX-License-Identifier: Apache-2.0
// A device has the SELinux label of the process that makes it, and a label can only be changed by exec.
#include "standard-plugins/tap/labelled.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <vector>

#include "core/error.h"
#include "core/fd.h"
#include "standard-plugins/common/command.h"

namespace barewire::standard {

namespace {

constexpr const char* kSelinux = "/sys/fs/selinux/enforce";
constexpr const char* kNextExec = "/proc/thread-self/attr/exec";

/// The context of the programs this thread executes while it lives. Source: proc_pid_attr(5).
class ExecContext {
 public:
  explicit ExecContext(const std::string& context) {
    // Without SELinux there is nobody who would honour a label.
    if (::access(kSelinux, F_OK) != 0 || !write(context))
      throw Error(
          Error::Code::config,
          fmt::format("config key \"selinuxContext\" is \"{}\"; expected a context this node's SELinux knows", context),
          "leave the key out on a node without SELinux");
  }
  ExecContext(const ExecContext&) = delete;
  ExecContext& operator=(const ExecContext&) = delete;
  ~ExecContext() { write(std::string(1, '\n')); }

 private:
  static bool write(const std::string& text) noexcept {
    const Fd file(::open(kNextExec, O_WRONLY | O_CLOEXEC));
    return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }
};

}  // namespace

void create_labelled_tap(const TapSettings& settings, const std::string& context) {
  const auto ip = find_command("ip");
  if (!ip)
    throw Error(Error::Code::config, "config key \"selinuxContext\" needs the ip command, which is not on this node");
  std::vector<std::string> words = {"tuntap", "add", "mode", "tap", "name", settings.name};
  if (settings.multi_queue) words.emplace_back("multi_queue");
  if (settings.owner) words.insert(words.end(), {"user", std::to_string(*settings.owner)});
  if (settings.group) words.insert(words.end(), {"group", std::to_string(*settings.group)});
  // For the one command, and of this thread alone.
  const ExecContext labelled(context);
  const CommandAnswer answer = run_command(*ip, words);
  if (answer.status != 0)
    throw Error(Error::Code::kernel, fmt::format("running {} {} failed", *ip, fmt::join(words, " ")), answer.words);
}

}  // namespace barewire::standard
