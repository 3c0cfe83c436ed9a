// SPDX-License-Identifier: Apache-2.0
#include "device-manager/cli/redact.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace barewire::cli {
namespace {

std::string without_secrets(const char* text) {
  boost::json::value document = boost::json::parse(text);
  leave_out_secrets(document);
  return boost::json::serialize(document);
}

TEST(Redact, LeavesOutWhatIsUnderASecretsKeyHoweverDeep) {
  EXPECT_EQ(R"x({"a":[{"apiToken":"(left out)"}],"private_key":"(left out)","Password":"(left out)"})x",
            without_secrets(R"({"a":[{"apiToken":"x"}],"private_key":"/etc/key","Password":{"deep":[1]}})"));
}

TEST(Redact, LeavesTheRestAsItIs) {
  EXPECT_EQ(R"({"mac":"02:00:00:00:00:01","key":7,"ipam":{"type":"host-local"}})",
            without_secrets(R"({"mac":"02:00:00:00:00:01","key":7,"ipam":{"type":"host-local"}})"));
}

}  // namespace
}  // namespace barewire::cli
