// SPDX-License-Identifier: Apache-2.0
// Files are taken as they are and only put together: a plugin of another version may know spans that this one does not.
#include "device-manager/traces/outbox.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <vector>

#include "core/build_info.h"
#include "core/directory.h"
#include "core/fd.h"
#include "core/json_view.h"
#include "core/run_directory.h"
#include "core/trace.h"
#include "core/utf8.h"

namespace barewire::traces {

namespace json = boost::json;

namespace {

/// Of one request: what any collector takes.
constexpr std::size_t kLargestRequest = 1 << 20;

json::object attribute(std::string_view key, std::string_view value) {
  return {{"key", key}, {"value", json::object{{"stringValue", escape_bytes(value)}}}};
}

/// Source: opentelemetry-proto, trace_service.proto, ExportTraceServiceRequest.
std::string request_of(json::array spans, std::string_view host) {
  const json::object resource{
      {"attributes", json::array{attribute("service.name", "barewire"), attribute("service.version", build_info()),
                                 attribute("host.name", host)}}};
  const json::object scope{{"scope", json::object{{"name", "barewire"}}}, {"spans", std::move(spans)}};
  const json::object of_node{{"resource", resource}, {"scopeSpans", json::array{scope}}};
  return json::serialize(json::object{{"resourceSpans", json::array{of_node}}});
}

/// Throws Error{decode} for what no plugin has left.
json::array spans_of(const std::string& text) {
  const json::value document = parse_json(text, "a file of spans");
  const json::object* object = document.if_object();
  const json::value* spans = object != nullptr ? object->if_contains("spans") : nullptr;
  if (spans == nullptr || !spans->is_array()) throw Error(Error::Code::decode, "it has no spans");
  for (const json::value& span : spans->get_array())
    if (!span.is_object()) throw Error(Error::Code::decode, "a span of it is no object");
  return spans->get_array();
}

bool is_old(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0) return false;
  const auto changed = std::chrono::system_clock::from_time_t(status.st_mtime);
  return std::chrono::system_clock::now() - changed > kOldest;
}

/// The collector says no to this very request, and would again: a malformed or too large one.
bool is_refused_for_good(int status) {
  return status == 400 || status == 413 || status == 422;
}

}  // namespace

struct Outbox::Batch {
  std::vector<std::string> names;
  json::array spans;
};

CollectorUrl parse_collector_url(std::string_view text) {
  const auto scheme = text.find("://");
  const auto refused = [&] {
    return Error(Error::Code::config, fmt::format("\"{}\" is no URL of a collector", escape_line(text)),
                 "as http://127.0.0.1:4318/v1/traces, where it takes OTLP over HTTP");
  };
  if (scheme == std::string_view::npos || (text.substr(0, scheme) != "http" && text.substr(0, scheme) != "https"))
    throw refused();
  const auto host = scheme + 3;
  const auto path = text.find('/', host);
  const std::string_view authority = text.substr(host, path == std::string_view::npos ? path : path - host);
  for (const char each : text)
    if (each <= ' ' || each > '~') throw refused();
  if (authority.empty() || authority.find_first_of("@?#") != std::string_view::npos) throw refused();
  return {std::string(text.substr(0, path)),
          path == std::string_view::npos ? std::string("/v1/traces") : std::string(text.substr(path))};
}

Outbox::Outbox(kubernetes::Api& api, std::string path, std::string directory, std::string host, Say say)
    : api_(api),
      path_(std::move(path)),
      directory_(std::move(directory)),
      host_(std::move(host)),
      say_(std::move(say)) {}

void Outbox::open(const std::string& run_dir) const {
  make_run_directory(run_dir, trace::kBelow + 1);
}

void Outbox::drop(const std::string& name, std::string_view why) {
  remove_file(directory_ + "/" + name);
  ++counts_.dropped;
  say_(fmt::format("spans in {} are not sent: {}", name, why));
}

/// Also what a killed plugin left unfinished.
void Outbox::give_up_old() {
  std::size_t old = 0;
  for (const std::string& name : list_directory(directory_)) {
    if (!is_old(directory_ + "/" + name)) continue;
    remove_file(directory_ + "/" + name);
    ++old;
  }
  counts_.dropped += old;
  if (old != 0) say_(fmt::format("the spans of {} calls are not sent: the collector is away for too long", old));
}

Outbox::Batch Outbox::next_batch() {
  Batch batch;
  std::size_t size = 0;
  for (const std::string& name : list_directory(directory_)) {
    if (name.starts_with('.')) continue;  // being written
    try {
      const auto text = read_file(directory_ + "/" + name, trace::kLargestFile);
      if (!text) continue;
      if (!batch.names.empty() && size + text->size() > kLargestRequest) break;
      json::array spans = spans_of(*text);
      batch.spans.insert(batch.spans.end(), std::make_move_iterator(spans.begin()),
                         std::make_move_iterator(spans.end()));
      batch.names.push_back(name);
      size += text->size();
    } catch (const Error& error) {
      drop(name, error.what());
    }
  }
  return batch;
}

/// False when the collector will never take it.
bool Outbox::deliver(const Batch& batch) {
  const auto answer = api_.call({.method = "POST", .path = path_, .body = request_of(batch.spans, host_)});
  if (answer.ok()) return true;
  if (is_refused_for_good(answer.status)) return false;
  throw Error(Error::Code::io, fmt::format("the collector answers with status {}", answer.status));
}

std::size_t Outbox::send() {
  give_up_old();
  std::size_t sent = 0;
  for (Batch batch = next_batch(); !batch.names.empty(); batch = next_batch()) {
    const bool taken = deliver(batch);
    for (const std::string& name : batch.names) {
      if (taken)
        remove_file(directory_ + "/" + name);
      else
        drop(name, "the collector refuses them");
    }
    if (!taken) continue;
    sent += batch.names.size();
    counts_.sent += batch.names.size();
  }
  return sent;
}

void close_outbox(const std::string& directory) {
  // A plugin that leaves spans in between keeps it from going: the next start of the daemon tries again.
  for (const std::string& name : list_directory(directory)) remove_file(directory + "/" + name);
  if (::rmdir(directory.c_str()) < 0 && errno != ENOENT && errno != ENOTEMPTY)
    throw sys_error("removing {}", directory);
}

}  // namespace barewire::traces
