// SPDX-License-Identifier: Apache-2.0
/// What kubelet's plugin watcher calls at a socket that it has found, be it a device plugin's or a DRA driver's.
#pragma once

#include <functional>

#include "device-manager/kubelet/messages.h"
#include "device-manager/kubelet/rpc.h"

namespace barewire::kubelet {

/// GetInfo and NotifyRegistrationStatus, both answered on gRPC's own thread whatever the daemon is at: kubelet waits 1
/// s for the first and 5 s for the second, and tries one that was late again only after a growing while. `on_status` is
/// called on that thread, once kubelet has its answer; it hands over what may take long. Source:
/// pkg/kubelet/pluginmanager/operationexecutor/operation_generator.go.
void add_registration(RpcMethods& methods, const PluginInfo& info, std::function<void(RegistrationStatus)> on_status);

}  // namespace barewire::kubelet
