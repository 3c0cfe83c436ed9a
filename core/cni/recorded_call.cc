// SPDX-License-Identifier: Apache-2.0
// Everything here is said of a call that goes on or has ended: nothing that goes wrong may reach it.
#include "core/cni/recorded_call.h"

#include <unistd.h>

#include <array>
#include <climits>

namespace barewire::cni {

namespace {

/// Calls of this thread that are under way: more than one when a plugin calls another of this program.
int& depth() {
  thread_local int calls = 0;
  return calls;
}

/// Of CNI_ARGS, which may be none that can be parsed. Of several the last, as Args.
std::string argument(std::string_view args, std::string_view key) {
  std::string found;
  while (!args.empty()) {
    const auto end = args.find(';');
    const std::string_view pair = args.substr(0, end);
    if (pair.starts_with(key) && pair.substr(key.size()).starts_with('=')) found = pair.substr(key.size() + 1);
    if (end == std::string_view::npos) break;
    args.remove_prefix(end + 1);
  }
  return found;
}

/// Empty for what is no VF. Source: Documentation/ABI/testing/sysfs-bus-pci, physfn.
std::string pf_of(const std::string& device, const std::string& sysfs) {
  if (device.empty() || device.find('/') != std::string::npos) return {};
  std::array<char, PATH_MAX> buffer{};
  const std::string path = sysfs + "/bus/pci/devices/" + device + "/physfn";
  const ssize_t size = ::readlink(path.c_str(), buffer.data(), buffer.size());
  if (size <= 0) return {};
  const std::string_view target(buffer.data(), static_cast<std::size_t>(size));
  return std::string(target.substr(target.rfind('/') + 1));
}

}  // namespace

RecordedCall::RecordedCall(std::string_view plugin, const Environment& environment, const Node& node) noexcept
    : plugin_(plugin), environment_(environment), node_(node), span_(plugin, environment.command) {
  // What an earlier call of this thread noted and did not record is not this call's.
  if (depth()++ == 0) journal::take_noted_device();
  if (environment.command == "GC") collecting_.emplace();
}

RecordedCall::~RecordedCall() {
  --depth();
}

void RecordedCall::set_request(const Request& request) noexcept {
  try {
    network_ = request.conf.name;
    span_.set("cni.network", network_);
    span_.set("cni.container_id", request.container_id);
    span_.set("cni.interface", request.ifname);
    span_.set("k8s.namespace.name", request.args.find("K8S_POD_NAMESPACE").value_or(""));
    span_.set("k8s.pod.name", request.args.find("K8S_POD_NAME").value_or(""));
    // The key by which Multus hands over what the device plugin gave, whatever the plugin.
    const auto device = request.conf.root().find("deviceID");
    if (device && device->is_string()) configured_device_ = device->string();
  } catch (...) {  // it is recorded without
  }
}

bool RecordedCall::is_recorded(bool success) const {
  if (depth() != 1) return false;
  const std::string& command = environment_.command;
  return command == "ADD" || command == "DEL" || (!success && (command == "CHECK" || command == "GC"));
}

void RecordedCall::record(journal::Event event) {
  const auto took = std::chrono::steady_clock::now() - start_;
  event.took = std::chrono::duration_cast<std::chrono::microseconds>(took);
  event.cause = is_by_itself_ ? plugin_ : "runtime";
  event.plugin = plugin_;
  event.command = environment_.command;
  event.network = network_;
  event.name_space = argument(environment_.args, "K8S_POD_NAMESPACE");
  event.pod = argument(environment_.args, "K8S_POD_NAME");
  event.container = environment_.container_id;
  event.ifname = environment_.ifname;
  event.device = journal::take_noted_device();
  if (event.device.empty()) event.device = configured_device_;
  event.pf = pf_of(event.device, node_.sysfs);
  journal::record(std::move(event));
}

void RecordedCall::succeeded() noexcept {
  try {
    if (!is_recorded(true)) return;
    record({.kind = environment_.command == "ADD" ? journal::Kind::attach : journal::Kind::detach});
  } catch (...) {  // out of memory
  }
}

void RecordedCall::failed(int code, std::string_view what, std::string_view hint) noexcept {
  span_.fail(what);
  try {
    if (!is_recorded(false)) return;
    const bool drifted = environment_.command == "CHECK" && code == static_cast<int>(Error::Code::drift);
    record({.kind = drifted ? journal::Kind::drift : journal::Kind::refusal,
            .code = code,
            .what = std::string(what),
            .hint = std::string(hint)});
  } catch (...) {  // out of memory
  }
}

}  // namespace barewire::cni
