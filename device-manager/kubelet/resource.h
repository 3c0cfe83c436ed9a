// SPDX-License-Identifier: Apache-2.0
/// One resource as kubelet sees it: its socket, the streams that follow its list, and how it came to be registered.
/// What is in the list, and what is answered to Allocate, is the business of device_plugins.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "device-manager/kubelet/messages.h"
#include "device-manager/kubelet/rpc.h"

namespace barewire::kubelet {

/// How kubelet hears of a resource: it looks into plugins_registry by itself, or is told at its own socket. The first
/// survives a restart of kubelet by itself; for the second the plugin has to watch for it and call again.
enum class Registration { watcher, socket };

struct Endpoint {
  std::string resource{};  ///< "example.com/vf"
  std::string path{};      ///< of its socket
  Registration by = Registration::watcher;
};

/// Each is run on the thread that `post` leads to.
struct ResourceHandlers {
  std::function<void(std::function<void()>)> post;
  std::function<std::vector<std::vector<std::string>>(const std::vector<PreferredRequest>&)> prefer;
  /// Throws Error, which kubelet is told.
  std::function<std::vector<inventory::Grant>(const std::vector<std::vector<std::string>>&)> allocate;
  std::function<void(const RegistrationStatus&)> on_registered;
  /// kubelet follows the list no more: serve() has to be called soon.
  std::function<void()> on_lost;
};

/// Serves the device plugin API v1beta1 from its first serve() to its end. All but the calls of gRPC, which hand over
/// by `post`, is of one thread.
class Resource {
 public:
  Resource(Endpoint endpoint, ResourceHandlers handlers)
      : endpoint_(std::move(endpoint)), handlers_(std::move(handlers)) {}

  /// Listens, unless it does already at a socket that can be reached; true when the socket is new: also after kubelet
  /// has gone, since one that is still there hears of the resource by a new socket alone. Throws Error.
  bool serve();
  /// Tells kubelet at `kubelet_socket`; only for Registration::socket. Throws Error{io}.
  void announce(const std::string& kubelet_socket) const;
  /// Sends the list to every stream; false when it is the one they have.
  bool publish(std::vector<ListedDevice> devices);

  const Endpoint& endpoint() const noexcept { return endpoint_; }
  /// As last published, whether or not anybody listened.
  const std::vector<ListedDevice>& devices() const noexcept { return devices_; }

 private:
  /// Those of the device plugin API, and of registration for a watcher.
  RpcMethods methods();
  void add_registration_to(RpcMethods& methods);
  void add_list_to(RpcMethods& methods);
  /// A stream gets the present list at once.
  void add_stream(const std::shared_ptr<RpcStream>& stream);
  void on_stream_end();
  /// Records it, also when it is refused: then it throws Error.
  std::string allocate(const std::string& request);

  Endpoint endpoint_;
  ResourceHandlers handlers_;
  std::vector<ListedDevice> devices_;  ///< as last published
  std::vector<std::shared_ptr<RpcStream>> streams_;
  bool is_lost_ = false;                                        ///< it was followed, and is not any more
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< posted work may come after the end
  std::unique_ptr<RpcServer> server_;                           ///< last: its thread ends first
};

}  // namespace barewire::kubelet
