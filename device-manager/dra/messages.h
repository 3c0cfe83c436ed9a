// SPDX-License-Identifier: Apache-2.0
/// What kubelet says to a DRA driver and hears from it, in Barewire's terms, to and from serialised protobuf. Bytes
/// that are no such message throw Error{decode}. Source: Kubernetes' DRA plugin API v1 and v1beta1, health API v1.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace barewire::dra {

struct ClaimRef {
  std::string name_space{}, uid{}, name{};
  std::string text() const { return name_space + "/" + name; }
};
/// Of both requests: they have one form.
std::vector<ClaimRef> decode_claims(const std::string& bytes);

struct PreparedDevice {
  std::string request{}, pool{}, device{}, share_id{};
  std::vector<std::string> cdi_ids{};
};
struct Prepared {
  std::vector<PreparedDevice> devices{};
  std::string error{};
};
/// By UID.
std::string encode_prepared(const std::map<std::string, Prepared>& claims);
/// UID → error, empty when it is done.
std::string encode_unprepared(const std::map<std::string, std::string>& claims);

struct DeviceHealth {
  std::string pool{}, device{};
  bool healthy = true;
  std::string message{};
};
/// `now` in seconds since 1970; kubelet takes a device's health for unknown `valid_for` seconds later.
std::string encode_health(const std::vector<DeviceHealth>& devices, std::int64_t now, std::int64_t valid_for);

}  // namespace barewire::dra
