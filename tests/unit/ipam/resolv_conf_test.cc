// SPDX-License-Identifier: Apache-2.0
#include "ipam/resolv_conf.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "tests/support/process.h"

namespace barewire::ipam {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ResolvConf, GivesEveryKeywordThatDnsHas) {
  const cni::Dns dns = parse_resolv_conf(
      "# a comment\n; another\n\nnameserver 10.0.0.1\n  nameserver\t192.168.0.1  \nsearch a.example b.example\n"
      "domain c.example\noptions ndots:5 rotate\nsearch d.example\nsortlist 130.155.160.0\r\nnameserver\n");
  EXPECT_THAT(dns.nameservers, ElementsAre("10.0.0.1", "192.168.0.1"));
  EXPECT_THAT(dns.search, ElementsAre("a.example", "b.example", "d.example"));
  EXPECT_EQ(dns.domain, "c.example");
  EXPECT_THAT(dns.options, ElementsAre("ndots:5", "rotate"));
}

TEST(ResolvConf, ReadsALastLineWithoutNewline) {
  EXPECT_THAT(parse_resolv_conf("nameserver 10.0.0.1").nameservers, ElementsAre("10.0.0.1"));
}

TEST(ResolvConf, MissingNamesTheKeyAndTheFile) {
  const test::TempDir dir;
  try {
    read_resolv_conf(dir / "none");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("\"ipam.resolvConf\" is \"" + dir / "none"));
    EXPECT_TRUE(error.is(Error::Code::config));
  }
}

}  // namespace
}  // namespace barewire::ipam
