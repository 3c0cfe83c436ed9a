// SPDX-License-Identifier: Apache-2.0
/// What the daemon does for one claim, as a program without other threads, so that it can be killed at each of its
/// system calls: claim-worker {prepare|unprepare} URL UID NAME. The node is the caller's; the pools are
/// /run/pools.json.
#include <cstdio>
#include <iostream>

#include "core/fd.h"
#include "device-manager/dra/driver.h"
#include "device-manager/dra/scan.h"
#include "device-manager/kubernetes/api_client.h"

int main(int argc, char** argv) try {
  if (argc != 5) return 2;
  using namespace barewire;  // NOLINT(google-build-using-namespace): a program of one function
  const Node node;
  kubernetes::ApiClient api({.url = argv[2]});
  dra::Driver driver(node, api, {.node = "n1"}, [](const std::string&) {});
  const auto pools = inventory::parse_pools(*read_file("/run/pools.json"), "/run/pools.json", "").pools;
  inventory::Watches watches;
  driver.know(dra::scan(node, pools, driver.records(), watches, {}).offers, pools);
  const dra::ClaimRef claim{"default", argv[3], argv[4]};
  const std::string error =
      argv[1] == std::string_view("prepare") ? driver.prepare(claim).error : driver.unprepare(claim);
  std::cout << error << "\n";
  return error.empty() ? 0 : 1;
} catch (const std::exception& error) {
  std::cout << error.what() << "\n";
  return 3;
}
