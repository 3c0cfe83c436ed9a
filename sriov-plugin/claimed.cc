// SPDX-License-Identifier: Apache-2.0
/// The network's admin writes the configuration, the pod's author the claim: neither overrides the other in silence.
#include "sriov-plugin/claimed.h"

#include <boost/json/serialize.hpp>

#include "core/state/claim_record.h"
#include "core/vf/claim.h"

namespace barewire::sriov {

namespace json = boost::json;

namespace {

[[noreturn]] void contradict(const state::ClaimedDevice& claimed, const std::string& key, const std::string& asked,
                             const std::string& other) {
  throw Error(Error::Code::config,
              fmt::format("the resource claim asks for \"{}\" {} of {}, {}", key, asked, claimed.id, other),
              "leave the key out of one of them");
}

/// "driver" was for the daemon, which chose the VF by it; "ifname" is the runtime's to give.
void add_key(const cni::Request& request, const state::ClaimedDevice& claimed, const std::string& key,
             const json::value& value, json::object& config) {
  const std::string asked = json::serialize(value);
  if (key == "driver") return;
  if (key == "ifname") {
    if (std::string_view(value.as_string()) != request.ifname)
      contradict(claimed, key, asked, fmt::format("the call is for {}", request.ifname));
    return;
  }
  if (key == "mac") {
    const auto given = cni::requested_mac(request);
    const auto wanted = MacAddress::parse(value.as_string());
    if (given && given != wanted) contradict(claimed, key, asked, fmt::format("the call for {}", given->text()));
  }
  const auto given = request.conf.root().find(key);
  // IPAM plugins are handed the configuration as it came, at DEL too: one that is not in it would never be released.
  if (key == "ipam" && !given) contradict(claimed, key, asked, "the network configuration has none");
  if (key != "mac" && given && given->value() != value)
    contradict(claimed, key, asked, fmt::format("the network configuration for {}", json::serialize(given->value())));
  config[key] = value;
}

}  // namespace

cni::Request with_claim(const cni::Request& request, const Node& node) {
  const auto device = vf::requested_device(request);
  const auto claimed = device ? state::find_claimed(node.cni_state_dir, *device) : std::nullopt;
  if (!claimed || claimed->settings.empty()) return request;
  json::object config = request.conf.document->as_object();
  for (const auto& [key, value] : claimed->settings) add_key(request, *claimed, std::string(key), value, config);
  cni::Request completed = request;
  completed.conf.document = std::make_shared<const json::value>(std::move(config));
  return completed;
}

}  // namespace barewire::sriov
