// SPDX-License-Identifier: Apache-2.0
/// What kubelet says to a DRA driver and hears from it, in Barewire's terms, to and from serialised protobuf. Bytes
/// that are no such message throw Error{decode}. Source: Kubernetes' DRA plugin API v1 and v1beta1, health API v1.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace barewire::dra {

/// How kubelet names a claim: the UID tells it from another that had the name before or gets it later.
struct ClaimRef {
  std::string name_space{}, uid{}, name{};
  std::string text() const { return name_space + "/" + name; }
};
/// Of both requests: they have one form.
std::vector<ClaimRef> decode_claims(const std::string& bytes);

/// What kubelet has to know of one device: whose request it fills, and the CDI names that give containers its nodes.
struct PreparedDevice {
  std::string request{}, pool{}, device{}, share_id{};
  std::vector<std::string> cdi_ids{};
};
/// The answer for one claim: devices, or an error in words, never both.
struct Prepared {
  std::vector<PreparedDevice> devices{};
  std::string error{};
};
/// By UID.
std::string encode_prepared(const std::map<std::string, Prepared>& claims);
/// UID → error, empty when it is done.
std::string encode_unprepared(const std::map<std::string, std::string>& claims);

/// One entry of the health stream; `message` goes into the pod's status, and is cut to what the API takes, 1024 bytes.
struct DeviceHealth {
  std::string pool{}, device{};
  bool healthy = true;
  std::string message{};
};
/// `now` in seconds since 1970; kubelet takes a device's health for unknown `valid_for` seconds later.
std::string encode_health(const std::vector<DeviceHealth>& devices, std::int64_t now, std::int64_t valid_for);

}  // namespace barewire::dra
