// SPDX-License-Identifier: Apache-2.0
/// The device plugin service of one resource.
/// Calls may come in after the resource is gone, from gRPC's thread: each holds a weak reference, and is dropped then.
#include "device-manager/kubelet/resource.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "device-manager/kubelet/recorded_rpc.h"
#include "device-manager/kubelet/registration.h"

namespace barewire::kubelet {
namespace {

constexpr std::chrono::seconds kRegisterTimeout{10};

/// kubelet shows the message to whoever describes the pod.
RpcAnswer refusal(const Error& error) {
  const RpcCode code = error.is(Error::Code::decode)      ? RpcCode::invalid_argument
                       : error.is(Error::Code::device)    ? RpcCode::not_found
                       : error.is(Error::Code::try_again) ? RpcCode::unavailable
                       : error.is(Error::Code::held)      ? RpcCode::failed_precondition
                                                          : RpcCode::internal;
  return {
      code, {}, error.hint().empty() ? std::string(error.what()) : fmt::format("{}: {}", error.what(), error.hint())};
}

/// Without an answer kubelet would wait, and the pod with it.
RpcAnswer answer(const std::function<std::string()>& work) {
  try {
    return {RpcCode::ok, work(), {}};
  } catch (const Error& error) {
    return refusal(error);
  } catch (const std::exception& error) {
    return {RpcCode::internal, {}, error.what()};
  }
}

}  // namespace

bool Resource::serve() {
  // kubelet empties the directory when it starts: then the socket is ours no more, though it still listens.
  if (server_ && server_->is_reachable() && !is_lost_) return false;
  is_lost_ = false;
  server_.reset();
  // They were of the server that has ended, and nobody reads them.
  streams_.clear();
  server_ = std::make_unique<RpcServer>(endpoint_.path, methods());
  return true;
}

void Resource::announce(const std::string& kubelet_socket) const {
  if (endpoint_.by != Registration::socket) return;
  // kubelet looks for the name in its own directory, and takes no path.
  const std::string name = endpoint_.path.substr(endpoint_.path.rfind('/') + 1);
  rpc_call(kubelet_socket, "/v1beta1.Registration/Register", encode_register(name, endpoint_.resource),
           kRegisterTimeout);
}

bool Resource::publish(std::vector<ListedDevice> devices) {
  std::erase_if(streams_, [](const auto& stream) { return !stream->is_open(); });
  // Each answer makes kubelet write its checkpoint: the same list is not sent twice.
  if (devices == devices_) return false;
  devices_ = std::move(devices);
  const std::string bytes = encode_list(devices_);
  for (const auto& stream : streams_) stream->write(bytes);
  return true;
}

void Resource::add_stream(const std::shared_ptr<RpcStream>& stream) {
  std::erase_if(streams_, [](const auto& each) { return !each->is_open(); });
  streams_.push_back(stream);
  stream->write(encode_list(devices_));
}

/// When a daemon of the same resource ends, kubelet drops the connection to the one that came after it, and both are
/// one and the same to it: a rolling upgrade would leave the resource unhealthy for ever. Source:
/// pkg/kubelet/cm/devicemanager/plugin/v1beta1/handler.go, runClient and DeRegisterPlugin, which go by the name.
void Resource::on_stream_end() {
  const bool was_followed = !streams_.empty();
  std::erase_if(streams_, [](const auto& each) { return !each->is_open(); });
  if (!was_followed || !streams_.empty()) return;
  is_lost_ = true;
  handlers_.on_lost();
}

void Resource::add_registration_to(RpcMethods& methods) {
  // Part of it, and known: not to wait for a look at the node.
  methods.unary["/v1beta1.DevicePlugin/GetDevicePluginOptions"] = [](const std::string&,
                                                                     const RpcMethods::Reply& reply) {
    reply({RpcCode::ok, encode_options(true), {}});
  };
  // For the watcher; at the other socket kubelet never calls them.
  add_registration(methods, {"DevicePlugin", endpoint_.resource, endpoint_.path, {"v1beta1"}},
                   [this, alive = std::weak_ptr(alive_)](const RegistrationStatus& status) {
                     handlers_.post([this, alive, status] {
                       if (alive.lock()) handlers_.on_registered(status);
                     });
                   });
}

void Resource::add_list_to(RpcMethods& methods) {
  methods.streams["/v1beta1.DevicePlugin/ListAndWatch"] =
      [this, alive = std::weak_ptr(alive_)](const std::shared_ptr<RpcStream>& stream) {
        handlers_.post([this, alive, stream] {
          if (alive.lock()) add_stream(stream);
        });
      };
  methods.on_stream_end = [this, alive = std::weak_ptr(alive_)] {
    handlers_.post([this, alive] {
      if (alive.lock()) on_stream_end();
    });
  };
}

std::string Resource::allocate(const std::string& request) {
  const auto containers = decode_allocate(request);
  std::vector<std::string> devices;
  for (const auto& each : containers) devices.insert(devices.end(), each.begin(), each.end());
  return record_rpc({.command = "Allocate",
                     .device = devices.empty() ? "" : devices.front(),
                     .what = fmt::format("{}: {}", endpoint_.resource, fmt::join(devices, ", "))},
                    [&] { return encode_allocate(handlers_.allocate(containers)); });
}

/// What concerns devices is answered on the handlers' thread, where nothing else is at work on the resource.
RpcMethods Resource::methods() {
  const auto on_thread = [this](auto work) {
    return [this, alive = std::weak_ptr(alive_), work](std::string request, const RpcMethods::Reply& reply) {
      handlers_.post([alive, work, request = std::move(request), reply] {
        if (alive.lock()) reply(answer([&] { return work(request); }));
      });
    };
  };
  RpcMethods methods;
  // Not asked for in the options, and part of the service all the same.
  methods.unary["/v1beta1.DevicePlugin/PreStartContainer"] =
      on_thread([](const std::string&) { return std::string(); });
  methods.unary["/v1beta1.DevicePlugin/GetPreferredAllocation"] = on_thread(
      [this](const std::string& request) { return encode_preferred(handlers_.prefer(decode_preferred(request))); });
  methods.unary["/v1beta1.DevicePlugin/Allocate"] =
      on_thread([this](const std::string& request) { return allocate(request); });
  add_registration_to(methods);
  add_list_to(methods);
  return methods;
}

}  // namespace barewire::kubelet
