// SPDX-License-Identifier: Apache-2.0
/// One call, one connection: kubelet is asked seldom, and a channel that is kept would wake up to look after itself.
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include "core/unix_socket.h"
#include "device-manager/kubelet/rpc.h"

namespace barewire::kubelet {
namespace {

/// kubelet's own limit of what it sends. Source: pkg/kubelet/apis/podresources/constants.go.
constexpr int kLargestAnswer = 16 << 20;

std::shared_ptr<grpc::Channel> connect(const std::string& socket_path) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kLargestAnswer);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of an earlier kubelet is none to this one
  return grpc::CreateCustomChannel("unix:" + socket_path, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

std::string rpc_call(const std::string& socket_path, const std::string& method, const std::string& request,
                     std::chrono::milliseconds timeout) {
  // Throws where the path is too long for a socket, which gRPC would tell less plainly.
  unix_address(socket_path);
  grpc::GenericStub stub(connect(socket_path));
  grpc::ClientContext context;
  // Without one a kubelet that hangs would hold this thread for ever.
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  grpc::CompletionQueue queue;
  const grpc::Slice slice(request);
  const auto reader = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
  reader->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  reader->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  // One operation was begun, so one completion comes; `ok` says less than the status does.
  queue.Next(&tag, &ok);
  queue.Shutdown();
  if (!status.ok())
    throw Error(Error::Code::io,
                fmt::format("calling {} at {} failed: {}", method, socket_path, status.error_message()));
  grpc::Slice bytes;
  if (!answer.DumpToSingleSlice(&bytes).ok()) return {};
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

}  // namespace barewire::kubelet
