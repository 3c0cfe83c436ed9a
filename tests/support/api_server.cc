// SPDX-License-Identifier: Apache-2.0
/// Starting api_server.py and talking to its side for tests.
#include "tests/support/api_server.h"

#include <boost/json/serialize.hpp>

#include "core/fd.h"
#include "tests/support/within.h"

namespace barewire::test {

TestApiServer::TestApiServer(const std::string& certificate, const std::string& key) {
  const std::string said = directory_ / "url";
  Command command;
  command.program = "sh";
  command.arguments = {"-c", "exec python3 \"$0\" \"$@\" >" + said, BAREWIRE_SOURCE_DIR "/tests/support/api_server.py"};
  if (!certificate.empty()) command.arguments.insert(command.arguments.end(), {certificate, key});
  process_ = std::make_unique<ChildProcess>(command);
  const bool up = within(std::chrono::seconds(60), [&] {
    url_ = read_file(said).value_or("");
    return url_.ends_with('\n');
  });
  if (!up) throw Error(Error::Code::io, "the test API server does not start");
  url_.pop_back();
  kubernetes::Cluster cluster{.url = url_};
  cluster.insecure = true;
  client_ = std::make_unique<kubernetes::ApiClient>(cluster, std::chrono::seconds(60));
}

boost::json::value TestApiServer::control(const std::string& method, const std::string& path, const std::string& body) {
  return client_->require({.method = method, .path = "/test/" + path, .body = body});
}

void TestApiServer::write_kubeconfig(const std::string& path) const {
  write_text(path,
             fmt::format("apiVersion: v1\nkind: Config\ncurrent-context: test\n"
                         "contexts:\n- name: test\n  context: {{cluster: test, user: test}}\n"
                         "clusters:\n- name: test\n  cluster:\n    server: {}\n    insecure-skip-tls-verify: true\n"
                         "users:\n- name: test\n  user:\n    token: secret\n",
                         url_));
}

void TestApiServer::put(const std::string& path, const std::string& json) {
  control("PUT", "object" + path, json);
}

std::optional<boost::json::value> TestApiServer::find(const std::string& path) {
  kubernetes::ApiAnswer answer = client_->call({.path = "/test/object" + path});
  if (!answer.ok()) return std::nullopt;
  return std::move(answer.body);
}

void TestApiServer::remove(const std::string& path) {
  control("DELETE", "object" + path);
}

std::vector<boost::json::value> TestApiServer::list(const std::string& collection) {
  const auto answer = control("GET", "list" + collection);
  const auto& items = answer.as_array();
  return {items.begin(), items.end()};
}

void TestApiServer::answer(const std::string& answers) {
  control("PUT", "answers", answers);
}

void TestApiServer::set(const std::string& settings) {
  control("PUT", "settings", settings);
}

std::vector<std::string> TestApiServer::take_log() {
  const auto log = control("PUT", "log");
  std::vector<std::string> lines;
  for (const auto& each : log.as_array()) {
    const std::string path(each.at("path").as_string());
    lines.push_back(std::string(each.at("method").as_string()) + " " + path.substr(0, path.find('?')));
  }
  return lines;
}

std::vector<std::string> TestApiServer::take_writes() {
  std::vector<std::string> lines = take_log();
  std::erase_if(lines, [](const std::string& line) { return line.starts_with("GET "); });
  return lines;
}

}  // namespace barewire::test
