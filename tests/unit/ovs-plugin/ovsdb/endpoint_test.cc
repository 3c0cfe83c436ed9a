// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/ovsdb/endpoint.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace barewire::ovsdb {
namespace {

const TlsFiles kTls{"key.pem", "cert.pem", "ca.pem"};

TEST(Endpoint, ABarePathIsAUnixSocket) {
  EXPECT_EQ(parse_endpoint("/run/ovs/db.sock", "socket_file").text(), "unix:/run/ovs/db.sock");
  EXPECT_EQ(parse_endpoint("unix:/run/ovs/db.sock", "socket_file").address, "/run/ovs/db.sock");
  EXPECT_EQ(parse_endpoint("db.sock", "socket_file").text(), "unix:db.sock");
  EXPECT_EQ(parse_endpoint("/run/a:b/db.sock", "socket_file").text(), "unix:/run/a:b/db.sock");
}

TEST(Endpoint, NetworkAddressesMayBeOfEitherFamilyAndLeaveThePortOut) {
  EXPECT_EQ(parse_endpoint("tcp:192.0.2.1:6641", "k").text(), "tcp:192.0.2.1:6641");
  EXPECT_EQ(parse_endpoint("tcp:[2001:db8::1]:6641", "k").text(), "tcp:[2001:db8::1]:6641");
  EXPECT_EQ(parse_endpoint("tcp:192.0.2.1", "k").scheme, Endpoint::Scheme::tcp);
  EXPECT_EQ(parse_endpoint("ssl:192.0.2.1:6640", "k", kTls).scheme, Endpoint::Scheme::tls);
}

class BadEndpoint : public ::testing::TestWithParam<const char*> {};

TEST_P(BadEndpoint, IsAConfigErrorNamingKeyAndValue) {
  try {
    parse_endpoint(GetParam(), "socket_file");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::config));
    EXPECT_NE(std::string(error.what()).find(std::string("config key \"socket_file\" is \"") + GetParam()),
              std::string::npos)
        << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, BadEndpoint,
                         ::testing::Values("", "unix:", "punix:/run/db.sock", "http://192.0.2.1",
                                           "tcp:", "tcp:host.example:6640", "tcp:192.0.2.1:99999", "tcp:192.0.2.1:x",
                                           "ssl:192.0.2.1:6640"));

}  // namespace
}  // namespace barewire::ovsdb
