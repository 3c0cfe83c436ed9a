// SPDX-License-Identifier: Apache-2.0
/// Resource claims as the API server has them once the scheduler has chosen their devices.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

namespace barewire::test {

struct TestClaim {
  std::string name = "net";
  std::string uid = "11111111-aaaa";
  std::vector<std::pair<std::string, std::string>> devices{};  ///< request, device
  std::string pool = "n1/0000-01-00.0";
  std::string configs{};  ///< members of the list "config"
  std::vector<std::string> pods = {"web-0"};
  std::string result_extra{};  ///< ",\"adminAccess\":true"

  std::string path() const { return "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/" + name; }
  std::string json() const {
    std::string results, reserved;
    for (const auto& [request, device] : devices)
      results += fmt::format(R"({}{{"request":"{}","driver":"barewire.io","pool":"{}","device":"{}"{}}})",
                             results.empty() ? "" : ",", request, pool, device, result_extra);
    for (const std::string& pod : pods)
      reserved +=
          fmt::format(R"({}{{"resource":"pods","name":"{}","uid":"uid-{}"}})", reserved.empty() ? "" : ",", pod, pod);
    return fmt::format(R"({{"metadata":{{"namespace":"default","name":"{}","uid":"{}"}},"status":{{"reservedFor":[{}],)"
                       R"("allocation":{{"devices":{{"results":[{}],"config":[{}]}}}}}}}})",
                       name, uid, reserved, results, configs);
  }
  /// One of `configs`.
  static std::string config(const std::string& source, const std::string& requests, const std::string& keys) {
    return fmt::format(R"({{"source":"{}","requests":[{}],"opaque":{{"driver":"barewire.io","parameters":)"
                       R"({{"apiVersion":"barewire.io/v1","kind":"VfConfig"{}{}}}}}}})",
                       source, requests, keys.empty() ? "" : ",", keys);
  }
};

}  // namespace barewire::test
