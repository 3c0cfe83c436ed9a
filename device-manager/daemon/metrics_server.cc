// SPDX-License-Identifier: Apache-2.0
// A slow or hostile client costs one connection of bounded memory until its time is over; the library's one thread
// serves them all by epoll, so none waits for another.
#include "device-manager/daemon/metrics_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "device-manager/metrics/exposition.h"

namespace barewire::daemon {
namespace {

/// More than a thousand clients that never finish their request, at 8 KiB each; beyond that, connections wait.
constexpr unsigned kMostConnections = 2048;
constexpr std::size_t kConnectionMemory = 8 << 10;  ///< request line and headers, in bytes
constexpr unsigned kIdleSeconds = 10;

constexpr std::string_view kText = "text/plain; charset=utf-8";

Error wrong_address(std::string_view text) {
  return Error(Error::Code::config,
               fmt::format("\"{}\" is no loopback address with a port, as 127.0.0.1:9808 or [::1]:9808", text),
               "metrics name the pods of the node, so they are served to the node alone; a proxy that asks for "
               "credentials, or node_exporter with `barewire metrics --output`, takes them further");
}

/// "host:port" or "[host]:port" → host, port or nothing; nullopt for other forms.
std::optional<std::pair<std::string_view, std::string_view>> split(std::string_view text) {
  const std::size_t end = text.find(':');
  if (text.starts_with('[')) {
    const auto bracket = text.find(']');
    if (bracket == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(bracket + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
    return std::pair(text.substr(1, bracket - 1), rest.substr(rest.empty() ? 0 : 1));
  }
  if (end == std::string_view::npos) return std::pair(text, std::string_view());
  return std::pair(text.substr(0, end), text.substr(end + 1));
}

/// The answer of a request that has come in whole. Source: libmicrohttpd(3), MHD_AccessHandlerCallback.
MHD_Result on_request(void* server, MHD_Connection* connection, const char* path, const char* method, const char*,
                      const char*,
                      std::size_t* body_size,  // NOLINT(readability-non-const-parameter): the type of the library
                      void** state) {
  // Called once when the headers are there, and again with the body: only then may be answered.
  static int headers_seen;
  const bool may_have_body = std::strcmp(method, "GET") != 0 && std::strcmp(method, "HEAD") != 0;
  if (*state == nullptr && !may_have_body) {  // another method is refused at once, whatever it means to send
    *state = &headers_seen;
    return MHD_YES;
  }
  if (*body_size != 0 && !may_have_body) return MHD_NO;  // nothing here takes a body: the connection ends
  const char* host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
  MetricsServer::Answer answer;
  try {
    answer = static_cast<MetricsServer*>(server)->answer(method, path, host != nullptr ? host : "");
  } catch (const std::exception&) {  // C above here: the connection ends, the server goes on
    return MHD_NO;
  }
  // Copied by the library: the page may be replaced while it is sent.
  MHD_Response* response = MHD_create_response_from_buffer(answer.body->size(), const_cast<char*>(answer.body->data()),
                                                           MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, std::string(answer.content_type).c_str());
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  if (answer.status == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  const MHD_Result queued = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return queued;
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

std::shared_ptr<const std::string> text(std::string_view line) {
  return std::make_shared<const std::string>(fmt::format("{}\n", line));
}

}  // namespace

ListenAddress parse_listen_address(std::string_view text) {
  const auto parts = split(text);
  if (!parts) throw wrong_address(text);
  const auto [host, port_text] = *parts;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (port_text.empty() || error != std::errc() || end != port_text.data() + port_text.size())
    throw wrong_address(text);
  if (host == "127.0.0.1" || equal_ignoring_case(host, "localhost")) return {"127.0.0.1", port};
  if (host == "::1") return {"::1", port};
  throw wrong_address(text);
}

bool is_own_host(std::string_view host) {
  const auto parts = split(host);
  if (!parts) return false;
  const auto [name, port] = *parts;
  if (!std::all_of(port.begin(), port.end(), [](char each) { return each >= '0' && each <= '9'; })) return false;
  return name == "127.0.0.1" || name == "::1" || equal_ignoring_case(name, "localhost");
}

MetricsServer::MetricsServer(const ListenAddress& address, Sources sources) : sources_(std::move(sources)) {
  make_room_for_descriptors();
  // The library would listen on every address of a port that is given alone.
  const SocketAddress where = socket_address(address);
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG;
  if (where.is_v6) flags |= MHD_USE_IPv6;
  // The logger first: the library may have something to say of the options that follow.
  server_ = MHD_start_daemon(flags, address.port, nullptr, nullptr, on_request, this,  //
                             MHD_OPTION_EXTERNAL_LOGGER, drop_message, nullptr,        //
                             MHD_OPTION_SOCK_ADDR, &where.any,                         //
                             MHD_OPTION_CONNECTION_LIMIT, most_connections(),          //
                             MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,              //
                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,    //
                             MHD_OPTION_END);
  if (server_ == nullptr)
    throw Error(
        Error::Code::io,
        fmt::format("listening for metrics on {} port {} failed: {}", address.host, address.port, std::strerror(errno)),
        "another program may have the port: `ss -ltnp` names it");
}

MetricsServer::~MetricsServer() {
  MHD_stop_daemon(server_);
}

std::uint16_t MetricsServer::port() const {
  return MHD_get_daemon_info(server_, MHD_DAEMON_INFO_BIND_PORT)->port;
}

std::shared_ptr<const std::string> MetricsServer::page() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (page_ == nullptr || now - page_made_ > kFresh) {
    page_ = std::make_shared<const std::string>(sources_.metrics());
    // When it was done: one that takes long to make would be old at once.
    page_made_ = std::chrono::steady_clock::now();
  }
  return page_;
}

MetricsServer::Answer MetricsServer::answer(std::string_view method, std::string_view path, std::string_view host) {
  // As to a request that was meant for another server. Source: RFC 9110 §15.5.20.
  if (!is_own_host(host)) return {MHD_HTTP_MISDIRECTED_REQUEST, kText, text("this host is not served here")};
  if (method != "GET" && method != "HEAD") return {MHD_HTTP_METHOD_NOT_ALLOWED, kText, text("GET and HEAD alone")};
  if (path == "/metrics") return {MHD_HTTP_OK, metrics::Exposition::kContentType, page()};
  if (path != "/healthz") return {MHD_HTTP_NOT_FOUND, kText, text("there are /metrics and /healthz")};
  if (sources_.is_well()) return {MHD_HTTP_OK, kText, text("ok")};
  return {MHD_HTTP_SERVICE_UNAVAILABLE, kText, text("the daemon's loop does not answer")};
}

}  // namespace barewire::daemon
