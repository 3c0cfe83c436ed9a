// SPDX-License-Identifier: Apache-2.0
// The probe limits itself (probe.h), so it is only waited for.
#include "device-manager/dpdk/ask.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "core/child.h"
#include "core/error.h"
#include "core/fd.h"

namespace barewire::dpdk {
namespace {

int run_to_end(const std::string& program, const std::string& address, int words) {
  const pid_t child = start_child({.path = program,
                                   .arguments = {program, address},
                                   .environment = own_environment(),
                                   .output = words,
                                   .errors = words});
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw sys_error("waiting for {}", program);
  return status;
}

/// Its first line says what failed; the hint follows on the next.
std::string first_line(int words) {
  constexpr std::string_view kName = "barewire-dpdk-probe: ";
  if (::lseek(words, 0, SEEK_SET) < 0) return "";
  std::string text = read_all(words, "what the probe says");
  text = text.substr(0, text.find('\n'));
  return text.starts_with(kName) ? text.substr(kName.size()) : text;
}

std::string run_probe(const std::string& address) {
  const std::string program = probe_program();
  if (::access(program.c_str(), X_OK) != 0) return fmt::format("{} is not installed (package barewire-dpdk)", program);
  const Fd words(::memfd_create("probe", MFD_CLOEXEC));
  if (!words) throw sys_error("creating a memory file");
  const int status = run_to_end(program, address, words.get());
  const std::string said = first_line(words.get());
  if (WIFEXITED(status) && WEXITSTATUS(status) <= 1) return "";
  return said.empty() ? "the probe ended without a word" : said;
}

}  // namespace

std::string probe_program() {
  std::array<char, 4096> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (size < 0) throw sys_error("reading /proc/self/exe");
  const std::string own(path.data(), static_cast<std::size_t>(size));
  const std::string directory = own.substr(0, own.rfind('/'));
  return directory.substr(0, directory.rfind('/')) + "/sbin/barewire-dpdk-probe";
}

Answer ask(const Node& node, const std::string& address) {
  if (auto known = vf::find_dpdk_report(node, address)) return {std::move(known), {}};
  try {
    std::string failure = run_probe(address);
    auto learnt = vf::find_dpdk_report(node, address);
    if (!learnt && failure.empty()) failure = "it kept no report";
    return {std::move(learnt), std::move(failure)};
  } catch (const Error& error) {
    return {std::nullopt, error.what()};
  }
}

}  // namespace barewire::dpdk
