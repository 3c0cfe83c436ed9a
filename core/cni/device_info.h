// SPDX-License-Identifier: Apache-2.0
/// The device-info file by which a CNI plugin tells Multus, and through it the pod, which device an attachment is. Used
/// by every plugin that gets runtimeConfig.CNIDeviceInfoFile.
/// Source: Device Information Specification 1.1.0 of the Network Plumbing Working Group.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

namespace barewire::cni {

/// The file's content before; nullopt when there was none. Throws Error{io}.
std::optional<std::string> read_device_info(const std::string& path);
/// `before` as an object, empty when it is none: what a device plugin wrote stays unless it is ours to tell.
boost::json::object parse_device_info(const std::string& path, const std::optional<std::string>& before);
/// Replaces the file, mode 0444, its directories made. Throws Error{io}.
void write_device_info(const std::string& path, const boost::json::object& info);
/// Puts `before` back, or removes the file. Harmless when Multus has removed it already. Throws Error{io}.
void undo_device_info(const std::string& path, const std::optional<std::string>& before);

}  // namespace barewire::cni
