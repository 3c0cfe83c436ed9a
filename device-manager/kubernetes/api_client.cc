// SPDX-License-Identifier: Apache-2.0
/// One easy handle, used again and again, so that TLS is negotiated once.
#include "device-manager/kubernetes/api_client.h"

#include <curl/curl.h>

#include "core/fd.h"
#include "core/json_view.h"

namespace barewire::kubernetes {
namespace {

constexpr std::size_t kLargestAnswer = 16 << 20;
constexpr std::size_t kLargestToken = 64 << 10;

struct Body {
  std::string bytes;
  bool too_large = false;
};

std::size_t on_bytes(char* data, std::size_t size, std::size_t count, void* into) noexcept {
  auto& body = *static_cast<Body*>(into);
  const std::size_t bytes = size * count;
  body.too_large = body.bytes.size() + bytes > kLargestAnswer;
  // Less than was given ends the transfer. Source: CURLOPT_WRITEFUNCTION(3).
  if (body.too_large) return 0;
  body.bytes.append(data, bytes);
  return bytes;
}

std::string token_of(const Cluster& cluster) {
  if (cluster.token_file.empty()) return cluster.token;
  const auto bytes = read_file(cluster.token_file, kLargestToken);
  if (!bytes)
    throw Error(Error::Code::io, fmt::format("there is no token in {}", cluster.token_file),
                "is a service account mounted into the daemon's pod?");
  std::string token = *bytes;
  while (!token.empty() && (token.back() == '\n' || token.back() == ' ')) token.pop_back();
  // What ends a line would begin another header.
  if (token.find_first_of("\r\n") != std::string::npos)
    throw Error(Error::Code::io, fmt::format("the token in {} has several lines", cluster.token_file));
  return token;
}

}  // namespace

class ApiClient::Transfer {
 public:
  Transfer() : curl_(::curl_easy_init()) {
    if (curl_ == nullptr) throw Error(Error::Code::io, "setting up libcurl failed");
  }
  ~Transfer() {
    ::curl_slist_free_all(headers_);
    ::curl_easy_cleanup(curl_);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  template <typename Value>
  void set(CURLoption option, Value value) {
    ::curl_easy_setopt(curl_, option, value);
  }
  void set_text(CURLoption option, const std::string& text) {
    if (!text.empty()) set(option, text.c_str());
  }
  void set_blob(CURLoption option, const std::string& bytes) {
    if (bytes.empty()) return;
    curl_blob blob{const_cast<char*>(bytes.data()), bytes.size(), CURL_BLOB_COPY};
    set(option, &blob);
  }
  void trust(const Cluster& cluster) {
    set_text(CURLOPT_CAINFO, cluster.ca_file);
    set_blob(CURLOPT_CAINFO_BLOB, cluster.ca);
    set_text(CURLOPT_SSLCERT, cluster.certificate_file);
    set_blob(CURLOPT_SSLCERT_BLOB, cluster.certificate);
    set_text(CURLOPT_SSLKEY, cluster.key_file);
    set_blob(CURLOPT_SSLKEY_BLOB, cluster.key);
    if (!cluster.insecure) return;
    set(CURLOPT_SSL_VERIFYPEER, 0L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  void add_header(const std::string& line) { headers_ = ::curl_slist_append(headers_, line.c_str()); }

  void begin() {
    // Options are forgotten, so that none of the last request's is left; connections and TLS sessions are kept. Source:
    // curl_easy_reset(3).
    ::curl_easy_reset(curl_);
    ::curl_slist_free_all(std::exchange(headers_, nullptr));
    error_[0] = '\0';
    set(CURLOPT_ERRORBUFFER, error_);
    set(CURLOPT_NOSIGNAL, 1L);  // other threads run
  }
  CURLcode perform() {
    set(CURLOPT_HTTPHEADER, headers_);
    return ::curl_easy_perform(curl_);
  }
  int status() const {
    long code = 0;
    ::curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &code);
    return static_cast<int>(code);
  }
  std::string words(CURLcode code) const { return error_[0] != '\0' ? error_ : ::curl_easy_strerror(code); }

 private:
  CURL* curl_;
  curl_slist* headers_ = nullptr;
  char error_[CURL_ERROR_SIZE]{};
};

ApiClient::ApiClient(Cluster cluster, std::chrono::milliseconds timeout)
    : cluster_(std::move(cluster)), timeout_(timeout) {
  // Once in the program, however many clients there are and whichever thread makes the first: it may not run twice at a
  // time. Source: curl_global_init(3).
  static const CURLcode initialised = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) throw Error(Error::Code::io, "setting up libcurl failed");
  transfer_ = std::make_unique<Transfer>();
}

ApiClient::~ApiClient() = default;

void ApiClient::prepare(const ApiRequest& request, const std::string& url) {
  Transfer& transfer = *transfer_;
  transfer.begin();
  transfer.set_text(CURLOPT_URL, url);
  // A name only; whether a body is sent is decided by POSTFIELDS below, which alone would make it a POST.
  transfer.set_text(CURLOPT_CUSTOMREQUEST, request.method);
  transfer.set(CURLOPT_PROTOCOLS_STR, "http,https");
  transfer.set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_.count()));
  transfer.trust(cluster_);
  transfer.add_header("Accept: application/json");
  // Taken out: with larger bodies libcurl would first ask whether it may send them, and wait up to a second for the
  // answer.
  transfer.add_header("Expect:");
  if (const std::string token = token_of(cluster_); !token.empty())
    transfer.add_header("Authorization: Bearer " + token);
  if (request.body.empty()) return;
  transfer.add_header("Content-Type: " + request.content_type);
  // The size by itself: without it libcurl would stop at the first zero byte.
  transfer.set(CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
  transfer.set_text(CURLOPT_POSTFIELDS, request.body);
}

ApiAnswer ApiClient::call(const ApiRequest& request) {
  const std::string url = cluster_.url + request.path;
  prepare(request, url);
  Body body;
  transfer_->set(CURLOPT_WRITEFUNCTION, on_bytes);
  transfer_->set(CURLOPT_WRITEDATA, &body);
  const CURLcode code = transfer_->perform();
  if (code != CURLE_OK)
    throw Error(Error::Code::io,
                fmt::format("{} {} failed: {}", request.method, url.substr(0, url.find('?')),
                            body.too_large ? "the answer is larger than 16 MiB" : transfer_->words(code)));
  ApiAnswer answer{.status = transfer_->status()};
  if (body.bytes.empty()) return answer;
  try {
    answer.body = parse_json(body.bytes, "the API server's answer");
  } catch (const Error&) {
    if (answer.ok()) throw;  // a refusal may be in any form
  }
  return answer;
}

}  // namespace barewire::kubernetes
