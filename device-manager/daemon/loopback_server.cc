// SPDX-License-Identifier: Apache-2.0
// A slow or hostile client costs one connection of bounded memory until its time is over; the library's one thread
// serves them all by epoll, so none waits for another. What takes longer than a moment is answered from elsewhere, and
// its connection sleeps meanwhile.
#include "device-manager/daemon/loopback_server.h"

#include <arpa/inet.h>
#include <fmt/ranges.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "core/error.h"

namespace barewire::daemon {
namespace {

/// More than a thousand clients that never finish their request, at 8 KiB each; beyond that, connections wait.
constexpr unsigned kMostConnections = 2048;
constexpr std::size_t kConnectionMemory = 8 << 10;  ///< request line and headers, in bytes
constexpr unsigned kIdleSeconds = 10;
constexpr std::size_t kMostAtOnce = 64;         ///< requests that are answered from elsewhere
constexpr std::size_t kStreamBlock = 16 << 10;  ///< of events, handed to the library

/// Nothing but what this server itself serves, and by scripts and styles that are files.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A request from its headers to its last byte.
struct Request {
  MHD_Connection* connection = nullptr;
  bool is_begun = false;  ///< an answer comes from elsewhere, and the connection sleeps
  std::optional<Answer> answer{};
};

/// A stream's connection, as the library holds it.
struct Stream {
  EventStream& events;
  std::shared_ptr<EventStream::Listener> listener{};
};

ssize_t read_stream(void* stream, std::uint64_t, char* to, std::size_t room) {
  auto* self = static_cast<Stream*>(stream);
  const EventStream::Read read = self->events.read(*self->listener, to, room);
  switch (read.outcome) {
    case EventStream::Outcome::bytes:
      return static_cast<ssize_t>(read.size);
    case EventStream::Outcome::suspended:
      return 0;  // the library asks again when the connection is resumed
    case EventStream::Outcome::ended:
      return MHD_CONTENT_READER_END_OF_STREAM;
  }
  return MHD_CONTENT_READER_END_WITH_ERROR;
}

void end_stream(void* stream) {
  const std::unique_ptr<Stream> self(static_cast<Stream*>(stream));
  if (self->listener) self->events.leave(self->listener);
}

MHD_Result queue(MHD_Connection* connection, unsigned status, std::string_view content_type, MHD_Response* response) {
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, std::string(content_type).c_str());
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(response, "Content-Security-Policy", kPolicy);
  MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
  MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
  if (status == MHD_HTTP_METHOD_NOT_ALLOWED) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  const MHD_Result queued = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return queued;
}

MHD_Result send(MHD_Connection* connection, const Answer& answer) {
  // Copied by the library: the text may be replaced while it is sent.
  return queue(connection, answer.status, answer.content_type,
               MHD_create_response_from_buffer(answer.body->size(), const_cast<char*>(answer.body->data()),
                                               MHD_RESPMEM_MUST_COPY));
}

MHD_Result send_events(MHD_Connection* connection, EventStream& events, bool is_head) {
  constexpr std::string_view kType = "text/event-stream";
  if (is_head) return send(connection, {MHD_HTTP_OK, kType, std::make_shared<const std::string>()});
  auto stream = std::make_unique<Stream>(Stream{events});
  stream->listener = events.join(
      {[connection] { MHD_suspend_connection(connection); }, [connection] { MHD_resume_connection(connection); }});
  if (!stream->listener) return send(connection, text_answer(MHD_HTTP_SERVICE_UNAVAILABLE, "too many listen already"));
  MHD_Response* response =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kStreamBlock, read_stream, stream.get(), end_stream);
  if (response == nullptr) {
    events.leave(stream->listener);
    return MHD_NO;
  }
  (void)stream.release();  // the response's now, which end_stream goes with
  return queue(connection, MHD_HTTP_OK, kType, response);
}

/// Connections are descriptors: those of the daemon itself must not run out.
void make_room_for_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, rlim_t{2} * kMostConnections);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Half of the descriptors at most.
unsigned most_connections() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return 64;
  return static_cast<unsigned>(std::min<rlim_t>(kMostConnections, limit.rlim_cur / 2));
}

struct SocketAddress {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  bool is_v6 = false;
};

SocketAddress socket_address(const ListenAddress& address) {
  SocketAddress result{};
  result.is_v6 = address.host == "::1";
  if (result.is_v6) {
    result.v6 = {};
    result.v6.sin6_family = AF_INET6;
    result.v6.sin6_port = htons(address.port);
    result.v6.sin6_addr = in6addr_loopback;
  } else {
    result.v4 = {};
    result.v4.sin_family = AF_INET;
    result.v4.sin_port = htons(address.port);
    result.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  return result;
}

/// The library would print of each bad request.
void drop_message(void*, const char*, va_list) {}

}  // namespace

/// Shared with who has yet to answer: they may do so when the server is gone.
struct LoopbackServer::Serving : std::enable_shared_from_this<Serving> {
  explicit Serving(std::vector<Route> list) : routes(std::move(list)) {}

  const Route* find(std::string_view path) const {
    const auto found = std::find_if(routes.begin(), routes.end(), [&](const Route& each) { return each.path == path; });
    return found == routes.end() ? nullptr : &*found;
  }
  Answer not_found() const {
    std::vector<std::string_view> paths;
    for (const Route& route : routes) paths.emplace_back(route.path);
    return text_answer(MHD_HTTP_NOT_FOUND, fmt::format("there are {}", fmt::join(paths, ", ")));
  }
  /// Whose answer may come at any moment from now on; false: there are too many.
  bool begin(const std::shared_ptr<Request>& request) {
    const std::lock_guard lock(mutex);
    if (is_closed || asleep.size() >= kMostAtOnce) return false;
    asleep.insert(request);
    return true;
  }
  /// From any thread; the second answer to a request, and one after the end, go nowhere.
  void reply(const std::shared_ptr<Request>& request, Answer answer) {
    // Until it is awake: close() must not come to its end in between.
    const std::lock_guard waking_one(waking);
    {
      const std::lock_guard lock(mutex);
      if (asleep.erase(request) == 0) return;
      request->answer = std::move(answer);
    }
    // Without the lock, as the library has locks of its own; a connection that sleeps cannot go meanwhile.
    MHD_resume_connection(request->connection);
  }
  /// Nothing may sleep when the library stops. Source: microhttpd.h, MHD_stop_daemon.
  void close() {
    std::set<std::shared_ptr<Request>> left;
    {
      const std::lock_guard lock(mutex);
      is_closed = true;
      left = asleep;
    }
    for (const auto& request : left) reply(request, text_answer(MHD_HTTP_SERVICE_UNAVAILABLE, "the daemon ends"));
    // Another thread may be between taking one out and waking it.
    const std::lock_guard all_awake(waking);
    for (const Route& route : routes)
      if (route.events != nullptr) route.events->close();
  }

  /// The library's callbacks. Source: microhttpd.h, MHD_AccessHandlerCallback, MHD_RequestCompletedCallback.
  static MHD_Result on_request(void* serving, MHD_Connection* connection, const char* path, const char* method,
                               const char*, const char*, std::size_t* body_size, void** state);
  static void on_completed(void*, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
    delete static_cast<std::shared_ptr<Request>*>(*state);
    *state = nullptr;
  }
  MHD_Result answer(MHD_Connection* connection, const std::shared_ptr<Request>& request, std::string_view path,
                    bool is_head);
  MHD_Result answer_later(MHD_Connection* connection, const std::shared_ptr<Request>& request, const Route& route);

  const std::vector<Route> routes;
  std::mutex waking;  ///< taken before mutex, and held while a connection is resumed
  std::mutex mutex;
  std::set<std::shared_ptr<Request>> asleep;  ///< under mutex
  bool is_closed = false;                     ///< under mutex
};

MHD_Result LoopbackServer::Serving::answer_later(MHD_Connection* connection, const std::shared_ptr<Request>& request,
                                                 const Route& route) {
  const char* given = route.takes.empty()
                          ? nullptr
                          : MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, route.takes.c_str());
  if (!begin(request)) return send(connection, text_answer(MHD_HTTP_SERVICE_UNAVAILABLE, "too many ask at once"));
  request->is_begun = true;
  // Before anybody knows of it: the answer may come at once.
  MHD_suspend_connection(connection);
  route.later(given == nullptr ? "" : given,
              [self = shared_from_this(), request](Answer answer) { self->reply(request, std::move(answer)); });
  return MHD_YES;
}

MHD_Result LoopbackServer::Serving::answer(MHD_Connection* connection, const std::shared_ptr<Request>& request,
                                           std::string_view path, bool is_head) {
  const Route* route = find(path);
  if (route == nullptr) return send(connection, not_found());
  if (route->events != nullptr) return send_events(connection, *route->events, is_head);
  return route->now ? send(connection, route->now()) : answer_later(connection, request, *route);
}

MHD_Result LoopbackServer::Serving::on_request(
    void* serving, MHD_Connection* connection, const char* path, const char* method, const char*, const char*,
    std::size_t* body_size,  // NOLINT(readability-non-const-parameter): the type of the library
    void** state) try {
  const bool is_head = std::strcmp(method, "HEAD") == 0;
  const bool is_read = is_head || std::strcmp(method, "GET") == 0;
  // Called once when the headers are there, and again with the body: only then may be answered. Another method is
  // refused at once, whatever it means to send.
  if (*state == nullptr && is_read) {
    *state = new std::shared_ptr<Request>(std::make_shared<Request>(Request{connection}));
    return MHD_YES;
  }
  if (*body_size != 0 && is_read) return MHD_NO;  // nothing here takes a body: the connection ends
  const char* host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
  // As to a request that was meant for another server. Source: RFC 9110 §15.5.20.
  if (!is_own_host(host == nullptr ? "" : host))
    return send(connection, text_answer(MHD_HTTP_MISDIRECTED_REQUEST, "this host is not served here"));
  if (!is_read) return send(connection, text_answer(MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD alone"));
  const std::shared_ptr<Request> request = *static_cast<std::shared_ptr<Request>*>(*state);
  auto* self = static_cast<Serving*>(serving);
  if (!request->is_begun) return self->answer(connection, request, path, is_head);
  const std::lock_guard lock(self->mutex);
  return request->answer ? send(connection, *request->answer) : MHD_YES;
} catch (const std::exception&) {  // C above here: the connection ends, the server goes on
  return MHD_NO;
}

Answer text_answer(unsigned status, std::string_view line) {
  return {status, "text/plain; charset=utf-8", std::make_shared<const std::string>(fmt::format("{}\n", line))};
}

std::shared_ptr<const std::string> RecentText::get() {
  const std::lock_guard lock(mutex_);
  if (text_ == nullptr || std::chrono::steady_clock::now() - made_ > kFresh) {
    text_ = std::make_shared<const std::string>(make_());
    // When it was done: one that takes long to make would be old at once.
    made_ = std::chrono::steady_clock::now();
  }
  return text_;
}

LoopbackServer::LoopbackServer(const ListenAddress& address, std::vector<Route> routes)
    : serving_(std::make_shared<Serving>(std::move(routes))) {
  make_room_for_descriptors();
  // The library would listen on every address of a port that is given alone.
  const SocketAddress where = socket_address(address);
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  if (where.is_v6) flags |= MHD_USE_IPv6;
  // The logger first: the library may have something to say of the options that follow.
  server_ = MHD_start_daemon(flags, address.port, nullptr, nullptr, Serving::on_request, serving_.get(),  //
                             MHD_OPTION_EXTERNAL_LOGGER, drop_message, nullptr,                           //
                             MHD_OPTION_SOCK_ADDR, &where.any,                                            //
                             MHD_OPTION_NOTIFY_COMPLETED, Serving::on_completed, nullptr,                 //
                             MHD_OPTION_CONNECTION_LIMIT, most_connections(),                             //
                             MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,                                 //
                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,                       //
                             MHD_OPTION_END);
  if (server_ == nullptr)
    throw Error(Error::Code::io,
                fmt::format("listening on {} port {} failed: {}", address.host, address.port, std::strerror(errno)),
                "another program may have the port: `ss -ltnp` names it");
}

LoopbackServer::~LoopbackServer() {
  serving_->close();
  MHD_stop_daemon(server_);
}

std::uint16_t LoopbackServer::port() const {
  return MHD_get_daemon_info(server_, MHD_DAEMON_INFO_BIND_PORT)->port;
}

}  // namespace barewire::daemon
