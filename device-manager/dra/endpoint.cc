// SPDX-License-Identifier: Apache-2.0
/// kubelet picks the newest version that it knows of those told at registration. 1.33 and older do not know v1; the
/// messages of v1beta1 are the same, so one implementation serves both.
#include "device-manager/dra/endpoint.h"

#include <algorithm>

#include "core/directory.h"
#include "core/fd.h"
#include "device-manager/kubelet/registration.h"
#include "device-manager/kubelet/stale_sockets.h"

namespace barewire::dra {

using kubelet::RpcAnswer;
using kubelet::RpcCode;
using kubelet::RpcMethods;

namespace {

/// Whatever is thrown is an answer: without one kubelet waits until its deadline, and the pod with it.
RpcAnswer answer(const std::function<std::string()>& work) {
  try {
    return {RpcCode::ok, work(), {}};
  } catch (const Error& error) {
    return {error.is(Error::Code::decode) ? RpcCode::invalid_argument : RpcCode::internal, {}, error.what()};
  } catch (const std::exception& error) {
    return {RpcCode::internal, {}, error.what()};
  }
}

}  // namespace

EndpointPaths endpoint_paths(const std::string& kubelet_dir, const std::string& driver, const std::string& instance) {
  // kubelet 1.33 and newer take two instances of a driver at once, each with its own sockets.
  const std::string suffix = instance.empty() ? "" : "-" + instance;
  return {.registration = fmt::format("{}/plugins_registry/{}{}-reg.sock", kubelet_dir, driver, suffix),
          .service = fmt::format("{}/plugins/{}/dra{}.sock", kubelet_dir, driver, suffix)};
}

/// kubelet 1.32 knows one instance of a driver, and drops the driver when the socket of any goes: to it a socket made
/// anew is a new driver. Source: pkg/kubelet/cm/dra/plugin/registration.go, DeRegisterPlugin.
bool Endpoint::another_has_gone() {
  const auto slash = paths_.registration.rfind('/');
  std::set<std::string> now;
  for (const std::string& name : list_directory(paths_.registration.substr(0, slash)))
    if (name.starts_with(driver_) && name.ends_with("-reg.sock") && name != paths_.registration.substr(slash + 1))
      now.insert(name);
  const bool gone = !std::includes(now.begin(), now.end(), others_.begin(), others_.end());
  others_ = std::move(now);
  return gone;
}

void Endpoint::remove_stale() const {
  const auto directory_of = [](const std::string& path) { return path.substr(0, path.rfind('/')); };
  kubelet::remove_stale_sockets(directory_of(paths_.registration), driver_, "-reg.sock", paths_.registration);
  kubelet::remove_stale_sockets(directory_of(paths_.service), "dra", ".sock", paths_.service);
}

bool Endpoint::serve() {
  remove_stale();
  const bool one_went = another_has_gone();
  const bool service = service_ && service_->is_reachable();
  const bool registration = registration_ && registration_->is_reachable() && !one_went;
  if (service && registration) return false;
  // First: while the service's socket is made anew, kubelet must not be led to the old one.
  registration_.reset();
  if (!service) {
    service_.reset();
    streams_.clear();
    make_directories(paths_.service.substr(0, paths_.service.rfind('/')), 0750);
    service_ = std::make_unique<kubelet::RpcServer>(paths_.service, service_methods());
  }
  // Last: kubelet calls as soon as it has found it.
  registration_ = std::make_unique<kubelet::RpcServer>(paths_.registration, registration_methods());
  return true;
}

void Endpoint::tell_health(std::string bytes) {
  std::erase_if(streams_, [](const auto& stream) { return !stream->is_open(); });
  health_ = std::move(bytes);
  for (const auto& stream : streams_) stream->write(health_);
}

void Endpoint::add_stream(const std::shared_ptr<kubelet::RpcStream>& stream) {
  std::erase_if(streams_, [](const auto& each) { return !each->is_open(); });
  streams_.push_back(stream);
  stream->write(health_);
}

std::string Endpoint::prepare(const std::string& request) const {
  // An entry for every claim, failed ones too: kubelet refuses an answer that leaves one out, and all of it then.
  std::map<std::string, Prepared> answers;
  for (const ClaimRef& claim : decode_claims(request)) answers[claim.uid] = handlers_.prepare(claim);
  return encode_prepared(answers);
}

std::string Endpoint::unprepare(const std::string& request) const {
  std::map<std::string, std::string> answers;
  for (const ClaimRef& claim : decode_claims(request)) answers[claim.uid] = handlers_.unprepare(claim);
  return encode_unprepared(answers);
}

RpcMethods Endpoint::service_methods() {
  // gRPC's thread only hands over, since the driver is of one thread; a request that comes after the end is dropped.
  const auto on_thread = [this](auto work) {
    return [this, alive = std::weak_ptr(alive_), work](std::string request, const RpcMethods::Reply& reply) {
      handlers_.post([alive, work, request = std::move(request), reply] {
        if (alive.lock()) reply(answer([&] { return work(request); }));
      });
    };
  };
  RpcMethods methods;
  for (const char* version : {"v1", "v1beta1"}) {
    const std::string service = fmt::format("/k8s.io.kubelet.pkg.apis.dra.{}.DRAPlugin/", version);
    methods.unary[service + "NodePrepareResources"] =
        on_thread([this](const std::string& request) { return prepare(request); });
    methods.unary[service + "NodeUnprepareResources"] =
        on_thread([this](const std::string& request) { return unprepare(request); });
  }
  for (const char* package : {"v1", "v1alpha1"})
    methods.streams[fmt::format("/{}.DRAResourceHealth/NodeWatchResources", package)] =
        [this, alive = std::weak_ptr(alive_)](const std::shared_ptr<kubelet::RpcStream>& stream) {
          handlers_.post([this, alive, stream] {
            if (alive.lock()) add_stream(stream);
          });
        };
  return methods;
}

RpcMethods Endpoint::registration_methods() {
  RpcMethods methods;
  const kubelet::PluginInfo info{
      "DRAPlugin",
      driver_,
      paths_.service,
      {"v1.DRAPlugin", "v1beta1.DRAPlugin", "v1.DRAResourceHealth", "v1alpha1.DRAResourceHealth"}};
  kubelet::add_registration(methods, info,
                            [this, alive = std::weak_ptr(alive_)](const kubelet::RegistrationStatus& status) {
                              handlers_.post([this, alive, status] {
                                if (alive.lock()) handlers_.on_registered(status);
                              });
                            });
  return methods;
}

}  // namespace barewire::dra
