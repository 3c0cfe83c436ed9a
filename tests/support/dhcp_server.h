// SPDX-License-Identifier: Apache-2.0
/// A real DHCP server for tests: dnsmasq on one interface of a netns, until it is destroyed. Source: dnsmasq(8).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/fd.h"
#include "tests/support/command.h"
#include "tests/support/within.h"

namespace barewire::test {

class DhcpServer {
 public:
  /// Hands out `first` to `last` for ten minutes on the link of `interface`, which has an address of that network.
  DhcpServer(const std::string& netns, const std::string& interface, const std::string& first, const std::string& last,
             const std::vector<std::string>& further = {})
      : process_(command(netns, interface, first + "," + last, further)) {
    within(std::chrono::seconds(30), [&] { return log().find("started") != std::string::npos; });
  }

  /// What it wrote, every message it had included.
  static std::string log() { return read_file(kLog).value_or(""); }
  /// Its leases: one line each.
  static std::string leases() { return read_file(kLeases).value_or(""); }
  /// How often `word` is in the log.
  static std::size_t heard(const std::string& word) {
    const std::string text = log();
    std::size_t found = 0;
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
    return found;
  }

 private:
  static constexpr const char* kLog = "/run/dnsmasq.log";
  static constexpr const char* kLeases = "/run/dnsmasq.leases";

  static Command command(const std::string& netns, const std::string& interface, const std::string& range,
                         const std::vector<std::string>& further) {
    for (const char* left : {kLog, kLeases}) remove_file(left);  // by a test before, where /run is not a test's own
    Command command = command_of(
        "dnsmasq", {"--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=" + interface,
                    "--bind-interfaces", "--no-ping", "--user=root", "--group=root",
                    "--pid-file=", "--dhcp-authoritative", "--log-dhcp", "--dhcp-range=" + range + ",255.255.255.0,10m",
                    std::string("--dhcp-leasefile=") + kLeases, std::string("--log-facility=") + kLog});
    command.arguments.insert(command.arguments.end(), further.begin(), further.end());
    command.netns = netns;
    return command;
  }

  ChildProcess process_;
};

}  // namespace barewire::test
