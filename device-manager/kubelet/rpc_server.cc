// SPDX-License-Identifier: Apache-2.0
/// gRPC's generic asynchronous server: one completion queue and one thread each. Its callback interface would do, but
/// wakes threads every second for nothing.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>
#include <optional>
#include <thread>

#include "core/fd.h"
#include "core/unix_socket.h"
#include "device-manager/kubelet/rpc.h"

namespace barewire::kubelet {
namespace {

grpc::ByteBuffer to_buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

std::string to_bytes(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (!buffer.DumpToSingleSlice(&slice).ok()) return {};
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

grpc::Status to_status(const RpcAnswer& answer) {
  if (answer.code == RpcCode::ok) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(answer.code), answer.message};
}

/// A path says nothing of whose socket is there: another daemon's may have replaced it during an upgrade.
std::optional<ino_t> inode_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? std::optional(status.st_ino) : std::nullopt;
}

/// Operations are begun under the mutex, and none once the server has closed it. Answers may come after that.
struct Gate {
  std::mutex mutex;
  bool closed = false;
};

}  // namespace

class Call;

/// What a completion is about. A call is kept alive by its own tags: it goes with the last of them.
struct Tag {
  enum class Event { begun, read, written, finished, done };
  std::shared_ptr<Call> call;
  Event event;
};

class RpcServer::Impl {
 public:
  Impl(const std::string& socket_path, RpcMethods methods);
  ~Impl();

  void await_call();
  const RpcMethods methods;
  grpc::AsyncGenericService service;
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  const std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  std::optional<ino_t> inode;

 private:
  void run();
  std::unique_ptr<grpc::Server> server_;
  std::thread thread_;
};

/// One call from its arrival to its end.
class Call : public RpcStream, public std::enable_shared_from_this<Call> {
 public:
  explicit Call(RpcServer::Impl& server) : server_(server), gate_(server.gate), stream_(&context_) {}

  void await() {
    done_ = tag(Tag::Event::done);
    context_.AsyncNotifyWhenDone(done_);
    server_.service.RequestCall(&context_, &stream_, server_.queue.get(), server_.queue.get(), tag(Tag::Event::begun));
  }
  void on(Tag::Event event, bool ok);

  void write(const std::string& bytes) override {
    const std::lock_guard lock(gate_->mutex);
    if (gate_->closed || ended_) return;
    // Takes the place of one that waits: gRPC allows one write at a time, and only the newest list is worth sending.
    next_ = bytes;
    write_next();
  }
  bool is_open() const override {
    const std::lock_guard lock(gate_->mutex);
    return !ended_;
  }

 private:
  Tag* tag(Tag::Event event) { return new Tag{shared_from_this(), event}; }
  void on_begun();
  void on_read(bool ok);
  void on_done();
  void write_next() {
    if (writing_ || !next_) return;
    writing_ = true;
    stream_.Write(to_buffer(*std::exchange(next_, std::nullopt)), tag(Tag::Event::written));
  }
  void reply(const RpcAnswer& answer) {
    const std::lock_guard lock(gate_->mutex);
    // A handler answers from another thread: the caller may have hung up, the server may be on its way out.
    if (gate_->closed || ended_ || replied_) return;
    finish(answer);
  }
  /// Under the mutex.
  void finish(const RpcAnswer& answer) {
    replied_ = true;
    if (answer.code == RpcCode::ok)
      stream_.WriteAndFinish(to_buffer(answer.bytes), {}, grpc::Status::OK, tag(Tag::Event::finished));
    else
      stream_.Finish(to_status(answer), tag(Tag::Event::finished));
  }

  RpcServer::Impl& server_;  ///< not to be touched once the gate is closed
  const std::shared_ptr<Gate> gate_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  grpc::ByteBuffer request_;
  Tag* done_ = nullptr;              ///< comes back only for a call that has begun
  std::optional<std::string> next_;  ///< these under the gate's mutex
  bool writing_ = false;
  bool replied_ = false;
  bool ended_ = false;
};

void Call::on_begun() {
  // First: while this call is served, the next can come in.
  server_.await_call();
  const std::lock_guard lock(gate_->mutex);
  if (gate_->closed) return;
  const std::string method = context_.method();
  if (!server_.methods.unary.contains(method) && !server_.methods.streams.contains(method))
    return finish({static_cast<RpcCode>(grpc::UNIMPLEMENTED), {}, "no such method: " + method});
  stream_.Read(&request_, tag(Tag::Event::read));
}

void Call::on_read(bool ok) {
  const std::string method = context_.method();
  if (!ok) return reply({RpcCode::invalid_argument, {}, "a message is missing"});
  if (const auto handler = server_.methods.streams.find(method); handler != server_.methods.streams.end())
    return handler->second(shared_from_this());
  const auto self = shared_from_this();
  server_.methods.unary.at(method)(to_bytes(request_), [self](const RpcAnswer& answer) { self->reply(answer); });
}

void Call::on_done() {
  {
    const std::lock_guard lock(gate_->mutex);
    ended_ = true;
    if (gate_->closed || !server_.methods.on_stream_end || !server_.methods.streams.contains(context_.method())) return;
  }
  // Of the server's thread, which its end waits for: the server is still there.
  server_.methods.on_stream_end();
}

void Call::on(Tag::Event event, bool ok) {
  switch (event) {
    case Tag::Event::begun:
      if (ok)
        on_begun();
      else
        // gRPC gives this tag back only for a call that has begun; the server ended before.
        delete done_;
      break;
    case Tag::Event::read:
      on_read(ok);
      break;
    case Tag::Event::written: {
      const std::lock_guard lock(gate_->mutex);
      writing_ = false;
      if (ok && !gate_->closed && !ended_) write_next();
      break;
    }
    case Tag::Event::finished:
      break;
    case Tag::Event::done:
      on_done();
      break;
  }
}

RpcServer::Impl::Impl(const std::string& socket_path, RpcMethods given) : methods(std::move(given)) {
  constexpr int kLargestMessage = 1 << 20;
  // Anyone who can reach the socket can send: memory has a limit, and a message one of its own.
  constexpr std::size_t kMemory = 16U << 20U;
  grpc::ResourceQuota quota("kubelet");
  quota.Resize(kMemory);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket_path, grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(kLargestMessage);
  builder.SetResourceQuota(quota);
  builder.RegisterAsyncGenericService(&service);
  queue = builder.AddCompletionQueue();
  // The socket is made by gRPC with the process's mask: for root alone, from its first moment.
  const mode_t before = ::umask(0077);
  server_ = builder.BuildAndStart();
  ::umask(before);
  if (!server_) {
    // gRPC asks for a queue to be shut down and emptied before it goes.
    queue->Shutdown();
    void* tag = nullptr;
    for (bool ok = false; queue->Next(&tag, &ok);) {
    }
    throw Error(Error::Code::io, fmt::format("listening at {} failed", socket_path),
                "is its directory there and writable?");
  }
  // While nobody else can have replaced it yet.
  inode = inode_of(socket_path);
  await_call();
  thread_ = std::thread([this] { run(); });
}

RpcServer::Impl::~Impl() {
  {
    const std::lock_guard lock(gate->mutex);
    gate->closed = true;
  }
  // A deadline of now cancels calls that are open (ListAndWatch is always): without one it would wait for them.
  server_->Shutdown(std::chrono::system_clock::now());
  // Only after the server's: what it still has to complete needs the queue. run() ends when the last tag has come.
  queue->Shutdown();
  thread_.join();
}

void RpcServer::Impl::await_call() {
  const std::lock_guard lock(gate->mutex);
  if (!gate->closed) std::make_shared<Call>(*this)->await();
}

void RpcServer::Impl::run() {
  void* raw = nullptr;
  for (bool ok = false; queue->Next(&raw, &ok);) {
    const std::unique_ptr<Tag> tag(static_cast<Tag*>(raw));
    tag->call->on(tag->event, ok);
  }
}

RpcServer::RpcServer(const std::string& socket_path, RpcMethods methods) : socket_path_(socket_path) {
  unix_address(socket_path);  // a path that is too long is better told than failed on
  impl_ = std::make_unique<Impl>(socket_path, std::move(methods));
}

RpcServer::~RpcServer() {
  // Asked while the socket's inode is still in use: afterwards another file may have its number.
  const bool is_ours = is_reachable();
  impl_.reset();
  if (is_ours) ::unlink(socket_path_.c_str());
}

bool RpcServer::is_reachable() const {
  return impl_->inode.has_value() && inode_of(socket_path_) == impl_->inode;
}

}  // namespace barewire::kubelet
