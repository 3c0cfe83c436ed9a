// SPDX-License-Identifier: Apache-2.0
/// Nothing here depends on the node: what is told of a plugin is known when it begins to listen.
#include "device-manager/kubelet/registration.h"

#include "core/error.h"

namespace barewire::kubelet {

void add_registration(RpcMethods& methods, const PluginInfo& info, std::function<void(RegistrationStatus)> on_status) {
  methods.unary["/pluginregistration.Registration/GetInfo"] = [bytes = encode_info(info)](
                                                                  const std::string&, const RpcMethods::Reply& reply) {
    reply({RpcCode::ok, bytes, {}});
  };
  methods.unary["/pluginregistration.Registration/NotifyRegistrationStatus"] =
      [on_status = std::move(on_status)](const std::string& request, const RpcMethods::Reply& reply) {
        try {
          RegistrationStatus status = decode_status(request);
          reply({RpcCode::ok, {}, {}});
          on_status(std::move(status));
        } catch (const Error& error) {
          reply({RpcCode::invalid_argument, {}, error.what()});
        }
      };
}

}  // namespace barewire::kubelet
