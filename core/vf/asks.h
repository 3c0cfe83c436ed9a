// SPDX-License-Identifier: Apache-2.0
/// What taking a device asks of the node's policy: which PF a VF is of, what a device is called otherwise, which driver
/// it has. For the guards (core/cni/guard.h) of plugins that hand devices over; reads sysfs and rtnetlink. Changes
/// nothing.
#pragma once

#include <optional>
#include <string>

#include "core/json_view.h"
#include "core/node.h"
#include "core/policy/ask.h"
#include "core/vf/inventory.h"

namespace barewire::vf {

/// `text` is an interface's name, a PCI address or an auxiliary device. A VF is asked for as one of its PF, any other
/// device by each of its names; a device that is not found by its name as written.
void ask_device(const Node& node, const std::string& key, const std::string& text, policy::Asks& asks);
/// Takes no device, but uses the interface `name` of the node: by that and every other name it has.
void ask_interface(policy::Subject subject, const std::string& key, const std::string& name, policy::Asks& asks);
/// Every VF of `range`, since any of them may be the one taken.
void ask_pool(const Node& node, const std::string& key, const VfRange& range, policy::Asks& asks);
/// What `deviceID`, `pciBusID` and `runtimeConfig.deviceID` of the configuration `root` name, each.
void ask_requested_device(const JsonView& root, const Node& node, policy::Asks& asks);

}  // namespace barewire::vf
