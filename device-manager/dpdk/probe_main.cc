// SPDX-License-Identifier: Apache-2.0
/// `barewire-dpdk-probe`: what DPDK makes of a device. The one program that links libdpdk, so that no plugin and no
/// daemon pays for the EAL.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "core/build_info.h"
#include "core/fd.h"
#include "device-manager/dpdk/probe.h"
#include "device-manager/dpdk/report_text.h"
#include "device-manager/dpdk/worker.h"
#include "device-manager/snapshot_json.h"

namespace {

using namespace barewire;

/// As of `barewire`.
enum Status : int { kUsable = 0, kNotUsable = 1, kUsage = 2, kRefused = 3, kFailed = 4 };

struct Options {
  std::string device;
  std::string vdev;
  std::string output = "text";
  unsigned seconds = static_cast<unsigned>(dpdk::kProbeLimit.count());
  bool no_cache = false;
};

constexpr const char* kFooter = R"(Examples:
  barewire-dpdk-probe 0000:01:10.0            a VF on vfio-pci
  barewire-dpdk-probe ens1f0 -o json          a NIC that DPDK drives beside its kernel driver
  barewire-dpdk-probe --vdev net_null0        a virtual device of DPDK

A device that a pod or a machine has is refused. Other processes of DPDK are not touched. What was
learnt is kept until the device is bound anew: `barewire show --dpdk DEVICE` shows it.

Exit status: 0 DPDK drives it, 1 it does not, 2 wrong usage, 3 refused, nothing was touched,
4 DPDK itself could not be asked.)";

void set_up(CLI::App& app, Options& options) {
  constexpr unsigned kMostSeconds = 600;
  app.footer(kFooter);
  app.set_version_flag("--version", fmt::format("barewire-dpdk-probe {}", build_info()));
  auto* device = app.add_option("device", options.device, "PCI address or netdev")->type_name("DEVICE");
  auto* vdev =
      app.add_option("--vdev", options.vdev, "A virtual device, as DPDK names it")->type_name("NAME[,KEY=VALUE]");
  vdev->excludes(device);
  app.add_option("-o,--output", options.output, "Form of the output (text)")->check(CLI::IsMember({"text", "json"}));
  app.add_option("--timeout", options.seconds, "Stop DPDK after so many seconds (20)")
      ->check(CLI::Range(1U, kMostSeconds))
      ->type_name("SECONDS");
  app.add_flag("--no-cache", options.no_cache, "Do not keep what was learnt");
}

int run(const Options& options) {
  const Node node;
  const std::chrono::seconds limit(options.seconds);
  const auto report = options.vdev.empty() ? dpdk::probe_device(node, options.device, limit, !options.no_cache)
                                           : dpdk::probe_virtual(node, options.vdev, limit);
  const std::string text = options.output == "json" ? manager::pretty(report) : dpdk::text_of(report);
  write_all(STDOUT_FILENO, text, "standard output");
  return report.at("usable").as_bool() ? kUsable : kNotUsable;
}

int status_of(const Error& error) {
  const bool refused = error.is(Error::Code::held) || error.is(Error::Code::unsupported_by_nic) ||
                       error.is(Error::Code::device) || error.is(Error::Code::try_again);
  return refused ? kRefused : kFailed;
}

void tell(const std::string& what, const std::string& hint) {
  write_quietly(STDERR_FILENO, fmt::format("barewire-dpdk-probe: {}{}{}\n", what, hint.empty() ? "" : "\n  ", hint));
}

int wrong_usage(const CLI::App& app, const CLI::ParseError& outcome) {
  const int status = app.exit(outcome);
  return status == 0 ? kUsable : kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  // supervise.h starts this program so.
  if (argc == 6 && std::string_view(argv[1]) == "--worker")
    dpdk::answer({.pci = argv[2], .vdev = argv[3], .isolated = *argv[4] == '1', .huge_pages = *argv[5] == '1'});
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("Tell what DPDK can do with a device", "barewire-dpdk-probe");
  Options options;
  set_up(app, options);
  try {
    app.parse(argc, argv);
    if (options.device.empty() && options.vdev.empty()) throw CLI::RequiredError("DEVICE or --vdev");
  } catch (const CLI::ParseError& outcome) {
    return wrong_usage(app, outcome);
  }
  try {
    return run(options);
  } catch (const Error& error) {
    tell(error.what(), error.hint());
    return status_of(error);
  } catch (const std::exception& error) {
    tell(error.what(), "");
    return kFailed;
  }
}
