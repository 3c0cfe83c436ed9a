// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/sriov/sriov_lab.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>

#include "core/fd.h"

namespace fs = std::filesystem;
namespace json = boost::json;

namespace barewire::test {

namespace {

LabVf read_vf(const fs::path& link) {
  LabVf vf;
  vf.address = fs::read_symlink(link).filename();
  for (const auto& entry : fs::directory_iterator(link / "net")) vf.netdev = entry.path().filename();
  vf.mac = read_file(fmt::format("/sys/class/net/{}/address", vf.netdev)).value_or("");
  while (vf.mac.ends_with('\n')) vf.mac.pop_back();
  return vf;
}

std::string text_of(const json::value* value) {
  if (value == nullptr) return {};
  return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

json::value first_link(const std::string& pod, const std::string& link) {
  const std::string netns = pod.empty() ? "" : "-n " + pod;
  const CommandResult result = run_shell(fmt::format("ip {} -d -j link show dev {}", netns, link));
  if (!result.ok()) return nullptr;
  return json::parse(result.out).as_array().at(0);
}

}  // namespace

void SriovLab::SetUp() {
  if (std::getenv("BAREWIRE_LAB") == nullptr) GTEST_SKIP() << "this test needs the lab's guest (docs/lab.md)";
  for (unsigned number = 0;; ++number) {
    const fs::path link = fmt::format("/sys/class/net/pf0/device/virtfn{}", number);
    if (!fs::exists(link)) break;
    vfs_.push_back(read_vf(link));
  }
  ASSERT_FALSE(vfs_.empty()) << "the test's VFS in CMakeLists.txt asks for VFs, but pf0 has none";
  for (const char* name : {"sriov", "host-local", "static"}) runner_.install(name, built_program("barewire-cni"));
  make_netns("a");
  make_netns("b");
}

std::string SriovLab::config(unsigned number, const std::string& members) const {
  return config_without_device(fmt::format(R"(,"deviceID":"{}"{})", vf(number).address, members));
}

std::string SriovLab::config_without_device(const std::string& members) {
  return fmt::format(R"({{"cniVersion":"1.1.0","name":"lan","type":"sriov"{}}})", members);
}

CniCall SriovLab::pod(const std::string& name, const std::string& ifname) {
  return {.container_id = "id-" + name, .netns = netns(name), .ifname = ifname, .args = "", .netns_override = ""};
}

PluginResult SriovLab::check(const std::string& text, const CniCall& call, const PluginResult& added) const {
  std::string with_previous = text;
  with_previous.insert(with_previous.size() - 1, ",\"prevResult\":" + added.out);
  return runner_.check("sriov", with_previous, call);
}

PluginResult SriovLab::must_add(const std::string& text, const CniCall& call) const {
  PluginResult result = add(text, call);
  EXPECT_TRUE(result.ok()) << result;
  return result;
}

void SriovLab::must_del(const std::string& text, const CniCall& call) const {
  const PluginResult result = del(text, call);
  EXPECT_TRUE(result.ok()) << result;
}

std::string SriovLab::vf_attribute(unsigned number, const std::string& attribute) {
  const json::value link = first_link("", "pf0");
  for (const json::value& vf : link.at("vfinfo_list").as_array())
    if (vf.at("vf").to_number<unsigned>() == number) {
      if (attribute == "rate") return text_of(vf.as_object().if_contains("rate"));
      return text_of(vf.as_object().if_contains(attribute));
    }
  return "(no such VF)";
}

std::string SriovLab::link_attribute(const std::string& pod, const std::string& link, const std::string& attribute) {
  const json::value found = first_link(pod, link);
  return found.is_object() ? text_of(found.get_object().if_contains(attribute)) : std::string();
}

bool SriovLab::link_exists(const std::string& pod, const std::string& link) {
  return first_link(pod, link).is_object();
}

std::string SriovLab::link_kind(const std::string& link) {
  const json::value found = first_link("", link);
  const json::value* info = found.is_object() ? found.get_object().if_contains("linkinfo") : nullptr;
  return info != nullptr ? text_of(info->as_object().if_contains("info_kind")) : std::string();
}

bool SriovLab::pings(const std::string& pod, const std::string& address, std::chrono::seconds patience) {
  const auto command = fmt::format(
      "for device in /proc/sys/net/ipv4/neigh/*; do echo 1 >$device/mcast_solicit; echo 60000 "
      ">$device/retrans_time_ms; "
      "done; ping -c 1 -W {} {}",
      patience.count(), address);
  return run_in(netns(pod), command).ok();
}

void SriovLab::give_address(const std::string& pod, const std::string& link, const std::string& address) {
  must_run_in(netns(pod), fmt::format("ip address add {} dev {}", address, link));
}

void SriovLab::await_netdev(unsigned number) const {
  must_run(fmt::format(
      "for i in $(seq 100); do [ -n \"$(ls /sys/bus/pci/devices/{}/net)\" ] && exit; sleep 0.1; done; exit 1",
      vf(number).address));
}

void SriovLab::bind(const std::string& address, const std::string& driver) {
  must_run(
      fmt::format("modprobe {1}; cd /sys/bus/pci/devices/{0}; echo {1} > driver_override;"
                  "[ ! -e driver ] || echo {0} > driver/unbind; echo {0} > /sys/bus/pci/drivers_probe;"
                  "[ $(basename $(readlink driver)) = {1} ]",
                  address, driver));
}

}  // namespace barewire::test
