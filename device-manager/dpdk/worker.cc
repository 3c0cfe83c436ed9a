// SPDX-License-Identifier: Apache-2.0
// The EAL shares nothing with other processes of DPDK: no file of its own, no telemetry socket, one CPU of those this
// process may use.
#include "device-manager/dpdk/worker.h"

#include <rte_bus.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_version.h>
#include <sched.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <vector>

#include "core/error.h"
#include "core/fd.h"
#include "device-manager/dpdk/port.h"

namespace barewire::dpdk {
namespace {

namespace json = boost::json;

constexpr const char* kMegabytes = "64";

int first_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set)) return cpu;
  return 0;
}

std::vector<std::string> eal_arguments(const Question& question) {
  std::vector<std::string> arguments{"barewire-dpdk-probe", "--no-telemetry", "--lcores",
                                     // One lcore, number 0 whatever the CPU: EAL counts to 127.
                                     fmt::format("0@{}", first_cpu()),
                                     fmt::format("--file-prefix=barewire-probe-{}", ::getpid())};
  // --no-huge is a "legacy" memory to EAL, which --in-memory refuses; without shared files it is the same.
  if (question.huge_pages)
    arguments.emplace_back("--in-memory");
  else
    arguments.insert(arguments.end(), {"--no-huge", "--no-shconf"});
  arguments.insert(arguments.end(), {"-m", kMegabytes});
  if (question.pci.empty())
    arguments.insert(arguments.end(), {"--no-pci", "--vdev", question.vdev});
  else
    arguments.insert(arguments.end(), {"-a", question.pci});
  return arguments;
}

int start_eal(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (std::string& each : arguments) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  return rte_eal_init(static_cast<int>(arguments.size()), pointers.data());
}

/// RTE_ETH_FOREACH_DEV narrows a number without saying so.
std::vector<std::uint16_t> list_ports() {
  std::vector<std::uint16_t> ports;
  for (std::uint16_t port = 0; port < RTE_MAX_ETHPORTS; ++port)
    if (rte_eth_dev_is_valid_port(port) != 0) ports.push_back(port);
  return ports;
}

json::array describe_ports(bool isolated) {
  json::array ports;
  for (const std::uint16_t port : list_ports()) ports.push_back(describe_port(port, isolated));
  return ports;
}

}  // namespace

void answer(const Question& question) {
  // Drivers print where they like: standard output is for the answer alone.
  const int out = ::dup(STDOUT_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  if (start_eal(eal_arguments(question)) < 0) ::_exit(1);
  const json::object told{{"dpdk", rte_version()}, {"ports", describe_ports(question.isolated)}};
  write_quietly(out, json::serialize(told));
  for (const std::uint16_t port : list_ports()) rte_eth_dev_close(port);
  rte_eal_cleanup();
  ::_exit(0);
}

}  // namespace barewire::dpdk
