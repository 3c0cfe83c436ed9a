// SPDX-License-Identifier: Apache-2.0
#include "tests/support/dra_kubelet.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "device-manager/kubelet/rpc.h"
#include "proto/dra.pb.h"
#include "proto/plugin_registration.pb.h"

namespace fs = std::filesystem;

namespace barewire::test {

using kubelet::rpc_call;

namespace {

constexpr std::chrono::seconds kLong{45};

std::string encode(const std::vector<dra::ClaimRef>& claims) {
  ::dra::NodePrepareResourcesRequest request;
  for (const dra::ClaimRef& each : claims) {
    auto* claim = request.add_claims();
    claim->set_namespace_(each.name_space);
    claim->set_uid(each.uid);
    claim->set_name(each.name);
  }
  return request.SerializeAsString();
}

template <typename Message>
Message parse(const std::string& bytes) {
  Message message;
  if (!message.ParseFromString(bytes)) throw Error(Error::Code::decode, "the driver's answer is no such message");
  return message;
}

}  // namespace

/// NodeWatchResources, followed by a thread.
class TestDraKubelet::Stream {
 public:
  explicit Stream(const std::string& socket)
      : stub_(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials())), thread_([this] { run(); }) {}
  ~Stream() {
    context_.TryCancel();
    thread_.join();
  }
  ::dra::NodeWatchResourcesResponse latest() {
    const std::lock_guard lock(mutex_);
    return latest_;
  }

 private:
  static bool next(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  }
  void run() {
    grpc::CompletionQueue queue;
    const auto call = stub_.PrepareCall(&context_, "/v1alpha1.DRAResourceHealth/NodeWatchResources", &queue);
    call->StartCall(nullptr);
    const grpc::Slice nothing("");
    bool ok = next(queue);
    if (ok) call->WriteLast(grpc::ByteBuffer(&nothing, 1), {}, nullptr);
    ok = ok && next(queue);
    while (ok) {
      grpc::ByteBuffer buffer;
      call->Read(&buffer, nullptr);
      grpc::Slice bytes;
      ok = next(queue) && buffer.DumpToSingleSlice(&bytes).ok();
      const std::lock_guard lock(mutex_);
      if (ok) latest_.ParseFromArray(bytes.begin(), static_cast<int>(bytes.size()));
    }
    grpc::Status status;
    call->Finish(&status, nullptr);
    next(queue);
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::mutex mutex_;
  ::dra::NodeWatchResourcesResponse latest_;
  std::thread thread_;
};

TestDraKubelet::TestDraKubelet(std::string directory) : directory_(std::move(directory)) {
  fs::create_directories(directory_ + "/plugins_registry");
  fs::create_directories(directory_ + "/plugins");
}

TestDraKubelet::~TestDraKubelet() = default;

bool TestDraKubelet::find_driver(const std::string& version) {
  for (const auto& entry : fs::directory_iterator(directory_ + "/plugins_registry")) {
    if (!entry.path().native().ends_with("-reg.sock")) continue;
    try {
      const auto info = parse<pluginregistration::PluginInfo>(
          rpc_call(entry.path(), "/pluginregistration.Registration/GetInfo", "", std::chrono::seconds(5)));
      const auto& versions = info.supported_versions();
      if (info.type() != "DRAPlugin" ||
          std::find(versions.begin(), versions.end(), version + ".DRAPlugin") == versions.end())
        continue;
      driver_ = info.name();
      version_ = version;
      stream_.reset();
      socket_ = info.endpoint();
      pluginregistration::RegistrationStatus status;
      status.set_plugin_registered(true);
      rpc_call(entry.path(), "/pluginregistration.Registration/NotifyRegistrationStatus", status.SerializeAsString(),
               kLong);
      stream_ = std::make_unique<Stream>(socket_);
      return true;
    } catch (const Error&) {
      // A socket that nobody listens at any more; kubelet tries again too.
    }
  }
  return false;
}

std::map<std::string, dra::Prepared> TestDraKubelet::prepare(const std::vector<dra::ClaimRef>& claims) const {
  const auto answer = parse<::dra::NodePrepareResourcesResponse>(
      rpc_call(socket_, fmt::format("/k8s.io.kubelet.pkg.apis.dra.{}.DRAPlugin/NodePrepareResources", version_),
               encode(claims), kLong));
  std::map<std::string, dra::Prepared> result;
  for (const auto& [uid, claim] : answer.claims()) {
    dra::Prepared& prepared = result[uid];
    prepared.error = claim.error();
    for (const auto& each : claim.devices())
      prepared.devices.push_back({each.request_names(0),
                                  each.pool_name(),
                                  each.device_name(),
                                  each.share_id(),
                                  {each.cdi_device_ids().begin(), each.cdi_device_ids().end()}});
  }
  return result;
}

std::map<std::string, std::string> TestDraKubelet::unprepare(const std::vector<dra::ClaimRef>& claims) const {
  const auto answer = parse<::dra::NodeUnprepareResourcesResponse>(
      rpc_call(socket_, fmt::format("/k8s.io.kubelet.pkg.apis.dra.{}.DRAPlugin/NodeUnprepareResources", version_),
               encode(claims), kLong));
  std::map<std::string, std::string> result;
  for (const auto& [uid, claim] : answer.claims()) result[uid] = claim.error();
  return result;
}

std::map<std::string, std::string> TestDraKubelet::health() {
  std::map<std::string, std::string> result;
  if (!stream_) return result;
  const auto latest = stream_->latest();
  for (const auto& each : latest.devices())
    result[each.device().device_name()] = each.health() == ::dra::HEALTHY ? "" : each.message();
  return result;
}

}  // namespace barewire::test
