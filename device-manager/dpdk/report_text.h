// SPDX-License-Identifier: Apache-2.0
/// A report of barewire-dpdk-probe as text for people: of the probe itself and of `barewire show --dpdk`. No I/O.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace barewire::dpdk {

/// `report` as core/vf/dpdk_report.h keeps it. Throws Error{config} when it is not one.
std::string text_of(const boost::json::object& report);

}  // namespace barewire::dpdk
