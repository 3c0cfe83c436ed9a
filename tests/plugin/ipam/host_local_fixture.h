// SPDX-License-Identifier: Apache-2.0
/// What the host-local tests share: a private node, the built plugin, configurations.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "core/fd.h"
#include "core/ip.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/node_snapshot.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {

class HostLocalTest : public NetnsTest {
 protected:
  /// {"cniVersion":…,"name":"net1","ipam":{"type":"host-local",<ipam>}<further>}; both parts without their braces.
  static std::string config(const std::string& ipam, const std::string& version = "1.1.0",
                            const std::string& further = {}) {
    return fmt::format(R"({{"cniVersion":"{}","name":"net1","type":"bridge","ipam":{{"type":"host-local",{}}}{}}})",
                       version, ipam, further);
  }
  static CniCall pod(const std::string& container_id, const std::string& ifname = "eth0",
                     const std::string& args = {}) {
    return {.container_id = container_id,
            .netns = "/run/netns/" + container_id,
            .ifname = ifname,
            .args = args,
            .netns_override = {}};
  }
  /// The files that are reservations, sorted.
  static std::vector<std::string> reservations(const std::string& directory = kDirectory) {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(directory, none))
      if (IpAddress::parse(entry.path().filename().string())) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  /// "10.1.2.2/24" of each address in a result of 0.3.0 or newer.
  static std::vector<std::string> addresses(const PluginResult& result) {
    std::vector<std::string> texts;
    if (!result.ok()) return {result.out};
    for (const auto& address : result.json.at("ips").as_array()) texts.emplace_back(address.at("address").as_string());
    return texts;
  }

  static constexpr const char* kDirectory = "/var/lib/cni/networks/net1";
  static constexpr const char* kSubnet = R"("subnet":"10.1.2.0/24")";
  PluginRunner runner_;
};

}  // namespace barewire::test
