// SPDX-License-Identifier: Apache-2.0
/// Messages of kubelet's DRA API. v1 and v1beta1 have the same fields under the same numbers, so one generated type
/// reads both.
#include "device-manager/dra/messages.h"

#include "core/error.h"
#include "core/utf8.h"
#include "proto/dra.pb.h"

namespace barewire::dra {

std::vector<ClaimRef> decode_claims(const std::string& bytes) {
  ::dra::NodePrepareResourcesRequest message;
  if (!message.ParseFromString(bytes)) throw Error(Error::Code::decode, "decoding kubelet's list of claims failed");
  std::vector<ClaimRef> claims;
  for (const auto& each : message.claims()) claims.push_back({each.namespace_(), each.uid(), each.name()});
  return claims;
}

std::string encode_prepared(const std::map<std::string, Prepared>& claims) {
  ::dra::NodePrepareResourcesResponse message;
  for (const auto& [uid, prepared] : claims) {
    auto& answer = (*message.mutable_claims())[uid];
    answer.set_error(prepared.error);
    for (const PreparedDevice& each : prepared.devices) {
      auto* device = answer.add_devices();
      device->add_request_names(each.request);
      device->set_pool_name(each.pool);
      device->set_device_name(each.device);
      for (const std::string& id : each.cdi_ids) device->add_cdi_device_ids(id);
      // Optional in the message: an empty one is a share without a name, which is not the same as none.
      if (!each.share_id.empty()) device->set_share_id(each.share_id);
    }
  }
  return message.SerializeAsString();
}

std::string encode_unprepared(const std::map<std::string, std::string>& claims) {
  ::dra::NodeUnprepareResourcesResponse message;
  for (const auto& [uid, error] : claims) (*message.mutable_claims())[uid].set_error(error);
  return message.SerializeAsString();
}

std::string encode_health(const std::vector<DeviceHealth>& devices, std::int64_t now, std::int64_t valid_for) {
  constexpr std::size_t kLongestMessage = 1024;
  ::dra::NodeWatchResourcesResponse message;
  for (const DeviceHealth& each : devices) {
    auto* device = message.add_devices();
    device->mutable_device()->set_pool_name(each.pool);
    device->mutable_device()->set_device_name(each.device);
    device->set_health(each.healthy ? ::dra::HEALTHY : ::dra::UNHEALTHY);
    device->set_last_updated_time(now);
    device->set_health_check_timeout_seconds(valid_for);
    // A string of proto3 is UTF-8 to its end, or kubelet refuses the whole message. What a cut leaves of a character
    // becomes one of up to three bytes.
    device->set_message(replace_bytes(each.message.substr(0, kLongestMessage - 2)));
  }
  return message.SerializeAsString();
}

}  // namespace barewire::dra
