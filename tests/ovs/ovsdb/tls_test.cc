// SPDX-License-Identifier: Apache-2.0
#include "tests/ovs/support/ovs_client_test.h"

namespace barewire::test {
namespace {

using ovsdb::Connection;
using ovsdb::Endpoint;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// An ovsdb-server behind TLS, with a small certificate authority for both sides.
class TlsTest : public OvsTest {
 protected:
  void SetUp() override {
    OvsTest::SetUp();
    if (IsSkipped()) return;
    if (!run_shell("command -v openssl").ok()) GTEST_SKIP() << "openssl is not installed";
    make_authority("ca");
    for (const char* name : {"server", "client"}) make_certificate(name, "ca");
    ovs->kill_ovsdb();
    ovs->start_ovsdb({"pssl:6640:127.0.0.1", "--private-key=" + ovs->file("server.key"),
                      "--certificate=" + ovs->file("server.pem"), "--ca-cert=" + ovs->file("ca.pem")});
  }
  void make_authority(const std::string& name) {
    must_run(
        fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={0} "
                    "-keyout {1}.key -out {1}.pem 2>&1",
                    name, ovs->file(name)));
  }
  void make_certificate(const std::string& name, const std::string& authority) {
    must_run(fmt::format(
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={0} -keyout {1}.key -out "
        "{1}.csr 2>&1 && "
        "openssl x509 -req -in {1}.csr -CA {2}.pem -CAkey {2}.key -CAcreateserial -days 2 -out {1}.pem 2>&1",
        name, ovs->file(name), ovs->file(authority)));
  }
  Endpoint endpoint(const std::string& key = "client", const std::string& authority = "ca") {
    Endpoint made =
        ovsdb::parse_endpoint("ssl:127.0.0.1:6640", "socket_file",
                              {ovs->file(key + ".key"), ovs->file(key + ".pem"), ovs->file(authority + ".pem")});
    made.tls_helper = TLS_HELPER;
    return made;
  }
};

TEST_F(TlsTest, ReadsOverTls) {
  ovs->vsctl("--no-wait add-br br0");
  Connection connection = Connection::open(endpoint(), within(10s));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(bridges(connection, within(10s)), ElementsAre("br0"));
  EXPECT_EQ(connection.session(), 1U);
}

TEST_F(TlsTest, ALargeRequestAndAnswerPassWhole) {
  Connection connection = Connection::open(endpoint(), within(10s));
  const std::string large(1'000'000, 'x');
  ovsdb::Transaction write;
  write.mutate("Open_vSwitch", {}, {{"external_ids", "insert", ovsdb::Value(ovsdb::StringMap{{"large", large}})}});
  const auto selected = write.select("Open_vSwitch", {}, {"external_ids"});
  const auto outcome = transact(connection, write, within(20s), "testing");
  EXPECT_EQ(outcome.rows(selected).at(0).string_map("external_ids").at("large"), large);
}

TEST_F(TlsTest, AServerOfAnotherAuthorityIsNotTrusted) {
  make_authority("other");
  const Error error = error_of([&] { Connection::open(endpoint("client", "other"), within(10s)); });
  EXPECT_THAT(error, HasCode(Error::Code::try_again));
  EXPECT_THAT(error.what(), HasSubstr("ssl:127.0.0.1:6640 failed: "));
  EXPECT_THAT(error.what(), HasSubstr("certificate verify failed"));
}

TEST_F(TlsTest, AMissingKeyIsNamed) {
  const Error error = error_of([&] { Connection::open(endpoint("nobody"), within(10s)); });
  EXPECT_THAT(error, HasCode(Error::Code::io));
  EXPECT_THAT(error.what(), HasSubstr("nobody.key"));
}

TEST_F(TlsTest, AServerThatIsDownIsTryAgain) {
  ovs->kill_ovsdb();
  const Error error = error_of([&] { Connection::open(endpoint(), within(10s)); });
  EXPECT_THAT(error, HasCode(Error::Code::try_again));
  EXPECT_THAT(error.what(), HasSubstr("Connection refused"));
}

TEST_F(TlsTest, AHelperThatIsNotInstalledIsAnErrorNamingIt) {
  Endpoint wrong = endpoint();
  wrong.tls_helper = ovs->file("no-helper");
  const Error error = error_of([&] { Connection::open(wrong, within(10s)); });
  EXPECT_THAT(error, HasCode(Error::Code::io));
  EXPECT_THAT(error.what(), HasSubstr("no-helper"));
}

TEST_F(TlsTest, TheHelperEndsWithTheConnection) {
  const auto children = [] { return run_shell(fmt::format("pgrep -c -P {}", getpid())).out; };
  const std::string before = children();
  { const Connection connection = Connection::open(endpoint(), within(10s)); }
  EXPECT_EQ(children(), before);
}

}  // namespace
}  // namespace barewire::test
