// SPDX-License-Identifier: Apache-2.0
// Any bytes as the node's policy: understood, or refused with an Error of the policy that names the file. One that is
// understood judges every kind of ask without failing in another way.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "core/policy/policy.h"

namespace {

using namespace barewire;

policy::Asks some_of_each_kind(std::string_view text) {
  using policy::Subject;
  const std::string word(text.substr(0, 64));
  policy::Asks asks{policy::ask_flag(Subject::trust, "trust"),
                    policy::ask_name(Subject::bridges, "bridge", word),
                    policy::ask_name(Subject::data_dirs, "dataDir", "/" + word),
                    policy::ask_range(Subject::vlans, "vlan", {0, 4095}),
                    policy::ask_mac("mac", "02:00:00:00:00:01"),
                    policy::ask_address(Subject::addresses, "ipam.addresses", "2001:db8::1/64"),
                    policy::ask_number(Subject::rate, "max_tx_rate", policy::kUnlimited)};
  asks.push_back({.subject = Subject::pfs, .key = "pf", .shown = word, .names = {word}, .numbers = {{0, 7}}});
  return asks;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    policy::Policy policy;
    policy.add_file("policy.json", input);
    if (policy.rules().size() > policy::lines_of_rules(input).size()) std::abort();
    for (const policy::Ask& ask : some_of_each_kind(input)) {
      try {
        policy.require_allowed({"blue", "tenant-a"}, {ask});
      } catch (const Error& error) {
        if (!error.is(Error::Code::policy)) std::abort();
      }
    }
  } catch (const Error& error) {
    if (!error.is(Error::Code::policy) || std::string_view(error.what()).find("policy.json") == std::string_view::npos)
      std::abort();
  }
  return 0;
}
