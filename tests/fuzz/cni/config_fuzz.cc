// SPDX-License-Identifier: Apache-2.0
// Any bytes on the standard input of ADD, and any CNI_ARGS: understood, or refused with an Error that says something.
// The input is CNI_ARGS up to the first newline, then the configuration.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/cni/request.h"
#include "core/error.h"
#include "sriov-plugin/config.h"
#include "sriov-plugin/host_device_config.h"

namespace {

using namespace barewire;

template <typename Step>
void attempt(Step step) {
  try {
    step();
  } catch (const Error& error) {
    if (std::string_view(error.what()).empty()) std::abort();
  }
}

cni::Environment environment(std::string args) {
  return {.command = "ADD",
          .container_id = "pod",
          .netns = "/run/netns/pod",
          .ifname = "net1",
          .path = "/opt/cni/bin",
          .args = std::move(args),
          .netns_override = {}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  const std::string args(line == input.npos ? "" : input.substr(0, line));
  const std::string config(line == input.npos ? input : input.substr(line + 1));
  attempt([&] {
    const cni::Request request = cni::Request::parse(environment(args), config, {0, 1, 0});
    attempt([&] { (void)cni::requested_mac(request); });
    attempt([&] { (void)sriov::Config::parse(request); });
    attempt([&] { (void)sriov::Config::parse_pool(request); });
    attempt([&] { (void)host_device::DeviceQuery::parse(request); });
    (void)host_device::DeviceQuery::parse_leniently(request);
  });
  return 0;
}
