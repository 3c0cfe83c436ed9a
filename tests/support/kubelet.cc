// SPDX-License-Identifier: Apache-2.0
/// kubelet's end of the device plugin API.
#include "tests/support/kubelet.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <sys/stat.h>

#include <filesystem>

#include "proto/device_plugin.pb.h"
#include "proto/plugin_registration.pb.h"
#include "proto/pod_resources.pb.h"

namespace fs = std::filesystem;

namespace barewire::test {

using kubelet::rpc_call;
using kubelet::RpcAnswer;
using kubelet::RpcCode;
using kubelet::RpcMethods;

namespace {

constexpr std::chrono::seconds kLong{30};

template <typename Message>
Message parse(const std::string& bytes) {
  Message message;
  if (!message.ParseFromString(bytes)) throw Error(Error::Code::decode, "the plugin's answer is no such message");
  return message;
}

/// An inode's number may be given again at once, with another time.
std::string identity_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return fmt::format("{} {}.{}", status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

}  // namespace

/// ListAndWatch of one resource, followed by a thread.
class TestKubelet::Stream {
 public:
  explicit Stream(const std::string& socket) : socket_(socket), stub_(channel(socket)), thread_([this] { run(); }) {}
  ~Stream() {
    context_.TryCancel();
    thread_.join();
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const std::string& socket() const { return socket_; }
  v1beta1::ListAndWatchResponse latest() const {
    const std::lock_guard lock(mutex_);
    return latest_;
  }
  int heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }
  bool ended() const {
    const std::lock_guard lock(mutex_);
    return ended_;
  }

 private:
  static std::shared_ptr<grpc::Channel> channel(const std::string& socket) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
  }
  bool next(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  }
  void run() {
    grpc::CompletionQueue queue;
    const auto call = stub_.PrepareCall(&context_, "/v1beta1.DevicePlugin/ListAndWatch", &queue);
    call->StartCall(nullptr);
    bool ok = next(queue);
    const grpc::Slice nothing("");
    if (ok) {
      call->WriteLast(grpc::ByteBuffer(&nothing, 1), {}, nullptr);
      ok = next(queue);
    }
    while (ok) {
      grpc::ByteBuffer buffer;
      call->Read(&buffer, nullptr);
      ok = next(queue);
      if (ok) hear(buffer);
    }
    grpc::Status status;
    call->Finish(&status, nullptr);
    next(queue);
    queue.Shutdown();
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  void hear(const grpc::ByteBuffer& buffer) {
    grpc::Slice bytes;
    if (!buffer.DumpToSingleSlice(&bytes).ok()) return;
    const std::lock_guard lock(mutex_);
    latest_.ParseFromArray(bytes.begin(), static_cast<int>(bytes.size()));
    ++heard_;
  }

  std::string socket_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  mutable std::mutex mutex_;
  v1beta1::ListAndWatchResponse latest_;
  int heard_ = 0;
  bool ended_ = false;
  std::thread thread_;
};

TestKubelet::TestKubelet(std::string directory, bool with_watcher) : directory_(std::move(directory)) {
  fs::create_directories(directory_ + "/device-plugins");
  fs::create_directories(directory_ + "/pod-resources");
  if (with_watcher) fs::create_directories(directory_ + "/plugins_registry");
}

TestKubelet::~TestKubelet() {
  stop();
}

void TestKubelet::start() {
  for (const auto& entry : fs::directory_iterator(directory_ + "/device-plugins"))
    if (entry.path().filename() != "kubelet_internal_checkpoint") fs::remove(entry.path());
  RpcMethods methods;
  methods.unary["/v1beta1.Registration/Register"] = [this](const std::string& bytes, const RpcMethods::Reply& reply) {
    v1beta1::RegisterRequest request;
    request.ParseFromString(bytes);
    connect(request.resource_name(), directory_ + "/device-plugins/" + request.endpoint());
    reply({RpcCode::ok, "", ""});
  };
  RpcMethods lister;
  lister.unary["/v1.PodResourcesLister/List"] = [this](const std::string&, const RpcMethods::Reply& reply) {
    reply({RpcCode::ok, pod_resources(), ""});
  };
  pod_resources_ = std::make_unique<kubelet::RpcServer>(directory_ + "/pod-resources/kubelet.sock", std::move(lister));
  registration_ = std::make_unique<kubelet::RpcServer>(directory_ + "/device-plugins/kubelet.sock", std::move(methods));
  look_for_plugins();
}

void TestKubelet::stop() {
  registration_.reset();
  pod_resources_.reset();
  std::map<std::string, std::shared_ptr<Stream>> streams;
  const std::lock_guard lock(mutex_);
  streams.swap(streams_);
  known_.clear();
}

void TestKubelet::drop(const std::string& resource) {
  std::shared_ptr<Stream> stream;
  const std::lock_guard lock(mutex_);
  stream.swap(streams_.at(resource));
  streams_.erase(resource);
}

void TestKubelet::connect(const std::string& resource, const std::string& socket) {
  auto stream = std::make_shared<Stream>(socket);
  const std::lock_guard lock(mutex_);
  streams_[resource].swap(stream);
  ++registrations_[resource];
}

void TestKubelet::look_for_plugins() {
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(directory_ + "/plugins_registry", missing)) {
    const std::string socket = entry.path();
    const std::string file = identity_of(socket);
    {
      const std::lock_guard lock(mutex_);
      if (known_[socket] == file) continue;
    }
    try {
      const auto info = parse<pluginregistration::PluginInfo>(
          rpc_call(socket, "/pluginregistration.Registration/GetInfo", "", std::chrono::seconds(1)));
      if (info.type() != "DevicePlugin") continue;
      connect(info.name(), info.endpoint());
      {
        const std::lock_guard lock(mutex_);
        known_[socket] = file;
      }
      pluginregistration::RegistrationStatus status;
      status.set_plugin_registered(true);
      rpc_call(socket, "/pluginregistration.Registration/NotifyRegistrationStatus", status.SerializeAsString(), kLong);
    } catch (const Error&) {
      // A socket that nobody listens at any more; kubelet tries again too.
    }
  }
}

int TestKubelet::registrations(const std::string& resource) const {
  const std::lock_guard lock(mutex_);
  const auto found = registrations_.find(resource);
  return found == registrations_.end() ? 0 : found->second;
}

std::map<std::string, std::string> TestKubelet::devices(const std::string& resource) const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> result;
  const auto found = streams_.find(resource);
  if (found == streams_.end() || found->second->ended()) return result;
  const v1beta1::ListAndWatchResponse latest = found->second->latest();
  for (const auto& device : latest.devices()) result[device.id()] = device.health();
  return result;
}

std::map<std::string, std::vector<int>> TestKubelet::nodes(const std::string& resource) const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::vector<int>> result;
  const auto found = streams_.find(resource);
  if (found == streams_.end()) return result;
  const v1beta1::ListAndWatchResponse latest = found->second->latest();
  for (const auto& device : latest.devices())
    for (const auto& node : device.topology().nodes()) result[device.id()].push_back(static_cast<int>(node.id()));
  return result;
}

int TestKubelet::lists_heard(const std::string& resource) const {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(resource);
  return found == streams_.end() ? 0 : found->second->heard();
}

std::string TestKubelet::socket_of(const std::string& resource) const {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(resource);
  if (found == streams_.end()) throw Error(Error::Code::io, resource + " is not registered");
  return found->second->socket();
}

std::vector<std::string> TestKubelet::prefer(const std::string& resource, const std::vector<std::string>& available,
                                             const std::vector<std::string>& must_include, int size) const {
  v1beta1::PreferredAllocationRequest request;
  auto* container = request.add_container_requests();
  for (const std::string& id : available) container->add_available_deviceids(id);
  for (const std::string& id : must_include) container->add_must_include_deviceids(id);
  container->set_allocation_size(size);
  const auto answer = parse<v1beta1::PreferredAllocationResponse>(rpc_call(
      socket_of(resource), "/v1beta1.DevicePlugin/GetPreferredAllocation", request.SerializeAsString(), kLong));
  const auto& ids = answer.container_responses(0).deviceids();
  return {ids.begin(), ids.end()};
}

Allocated TestKubelet::allocate(const std::string& resource, const std::vector<std::string>& devices,
                                const std::string& pod) {
  v1beta1::AllocateRequest request;
  auto* container = request.add_container_requests();
  for (const std::string& id : devices) container->add_devices_ids(id);
  const auto answer = parse<v1beta1::AllocateResponse>(
      rpc_call(socket_of(resource), "/v1beta1.DevicePlugin/Allocate", request.SerializeAsString(), kLong));
  remember(resource, devices, pod);
  Allocated allocated;
  const auto& response = answer.container_responses(0);
  for (const auto& [name, value] : response.envs()) allocated.environment[name] = value;
  for (const auto& node : response.devices())
    allocated.nodes.push_back({node.host_path(), node.container_path(), node.permissions()});
  for (const auto& [name, value] : response.annotations()) allocated.annotations[name] = value;
  return allocated;
}

void TestKubelet::remember(const std::string& resource, const std::vector<std::string>& devices,
                           const std::string& pod) {
  const std::lock_guard lock(mutex_);
  held_.push_back({resource, pod, devices});
}

void TestKubelet::forget(const std::string& pod) {
  const std::lock_guard lock(mutex_);
  std::erase_if(held_, [&](const Held& each) { return each.pod == pod; });
}

std::string TestKubelet::pod_resources() const {
  const std::lock_guard lock(mutex_);
  v1::ListPodResourcesResponse answer;
  for (const Held& each : held_) {
    v1::PodResources* pod = answer.add_pod_resources();
    pod->set_name(each.pod);
    pod->set_namespace_("default");
    v1::ContainerResources* container = pod->add_containers();
    container->set_name("main");
    v1::ContainerDevices* devices = container->add_devices();
    devices->set_resource_name(each.resource);
    for (const std::string& id : each.devices) devices->add_device_ids(id);
  }
  return answer.SerializeAsString();
}

}  // namespace barewire::test
