// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/ovsdb/transaction.h"

#include "tests/ovs/support/ovs_client_test.h"

namespace barewire::test {
namespace {

using ovsdb::Connection;
using ovsdb::NamedUuid;
using ovsdb::Outcome;
using ovsdb::Refusal;
using ovsdb::Row;
using ovsdb::Set;
using ovsdb::StringMap;
using ovsdb::Transaction;
using ovsdb::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TransactionTest : public OvsTest {
 protected:
  // Without ovs-vswitchd the rows stay as the test writes them.
  void SetUp() override {
    OvsTest::SetUp();
    if (IsSkipped()) return;
    ovs->kill_vswitchd();
    connection = std::make_unique<Connection>(connect(ovs->socket()));
  }
  Outcome run(const Transaction& transaction) { return transact(*connection, transaction, within(10s), "testing"); }
  Refusal refusal_of(const Transaction& transaction) {
    auto result = try_transact(*connection, transaction, within(10s));
    EXPECT_TRUE(std::holds_alternative<Refusal>(result));
    return std::holds_alternative<Refusal>(result) ? std::get<Refusal>(result) : Refusal{};
  }
  ovsdb::Uuid add_bridge(const std::string& name) {
    Transaction transaction;
    const auto inserted = transaction.insert("Bridge", Row{{"name", name}}, "bridge");
    transaction.mutate("Open_vSwitch", {}, {{"bridges", "insert", NamedUuid{"bridge"}}});
    return run(transaction).inserted(inserted);
  }
  Row bridge(const std::string& name) {
    Transaction transaction;
    const auto selected =
        transaction.select("Bridge", {{"name", "==", name}}, {"name", "external_ids", "datapath_type"});
    return run(transaction).rows(selected).at(0);
  }
  std::unique_ptr<Connection> connection;
};

TEST_F(TransactionTest, EveryKindOfOperationDoesWhatItSays) {
  const ovsdb::Uuid uuid = add_bridge("br0");
  Transaction transaction;
  transaction.comment("every kind of operation");
  const auto updated = transaction.update("Bridge", ovsdb::row_is(uuid), Row{{"datapath_type", "netdev"}});
  const auto mutated = transaction.mutate(
      "Bridge", ovsdb::row_is(uuid), {{"external_ids", "insert", Value(StringMap{{"owner", "us"}, {"a", "b\"\\é"}})}});
  const auto selected =
      transaction.select("Bridge", {{"name", "==", "br0"}}, {"_uuid", "external_ids", "datapath_type"});
  const auto removed = transaction.remove("Queue", {{"dscp", "==", 5}});
  const Outcome outcome = run(transaction);
  EXPECT_EQ(outcome.count(updated), 1);
  EXPECT_EQ(outcome.count(mutated), 1);
  EXPECT_EQ(outcome.count(removed), 0);
  ASSERT_EQ(outcome.rows(selected).size(), 1U);
  const Row& row = outcome.rows(selected)[0];
  EXPECT_EQ(row.get<ovsdb::Uuid>("_uuid"), uuid);
  EXPECT_EQ(row.get<std::string>("datapath_type"), "netdev");
  EXPECT_THAT(row.string_map("external_ids"), ElementsAre(std::pair("a", "b\"\\é"), std::pair("owner", "us")));
  EXPECT_EQ(ovs->vsctl("get bridge br0 external_ids:owner"), "us\n");
}

TEST_F(TransactionTest, ARefusedOperationUndoesTheOthers) {
  const std::string before = ovs->configuration();
  Transaction transaction;
  transaction.insert("Queue", Row{{"dscp", 3}});
  transaction.insert("Queue", Row{{"dscp", 64}});
  const Refusal refusal = refusal_of(transaction);
  EXPECT_EQ(refusal.operation, 1U);
  EXPECT_EQ(refusal.title, "insert in table Queue");
  EXPECT_EQ(refusal.error, "constraint violation");
  EXPECT_EQ(ovs->configuration(), before);
}

TEST_F(TransactionTest, AnUnknownColumnOrTableIsRefusedByName) {
  Transaction column;
  column.insert("Queue", Row{{"color", "red"}});
  EXPECT_THAT(refusal_of(column).details, HasSubstr("color"));
  Transaction table;
  table.select("Colors", {}, {});
  EXPECT_THAT(refusal_of(table).details, HasSubstr("Colors"));
}

TEST_F(TransactionTest, ADuplicateIsRefusedAtTheCommit) {
  add_bridge("br0");
  Transaction transaction;
  transaction.insert("Bridge", Row{{"name", "br0"}}, "bridge");
  transaction.mutate("Open_vSwitch", {}, {{"bridges", "insert", NamedUuid{"bridge"}}});
  const Refusal refusal = refusal_of(transaction);
  EXPECT_EQ(refusal.operation, transaction.size());
  EXPECT_EQ(refusal.title, "commit");
  EXPECT_EQ(refusal.error, "constraint violation");
}

TEST_F(TransactionTest, AWaitThatDoesNotHoldStopsTheRest) {
  add_bridge("br0");
  const std::string before = ovs->configuration();
  Transaction transaction;
  transaction.insert("Queue", Row{{"dscp", 3}});
  const auto guard = transaction.wait("Bridge", {{"name", "==", "br0"}}, {"datapath_type"}, Transaction::Until::equal,
                                      {Row{{"datapath_type", "netdev"}}});
  const Refusal refusal = refusal_of(transaction);
  EXPECT_EQ(refusal.operation, guard);
  EXPECT_EQ(refusal.error, "timed out");
  EXPECT_EQ(ovs->configuration(), before);
}

TEST_F(TransactionTest, AWaitForNoRowsHoldsUntilThereIsOne) {
  Transaction transaction;
  transaction.wait("Bridge", {{"name", "==", "br0"}}, {"name"}, Transaction::Until::equal, {});
  run(transaction);
  add_bridge("br0");
  EXPECT_EQ(refusal_of(transaction).error, "timed out");
}

TEST_F(TransactionTest, AWaitWithPatienceSeesWhatAnotherClientChanges) {
  add_bridge("br0");
  std::thread other([&] {
    std::this_thread::sleep_for(100ms);
    run_shell(fmt::format("ovs-vsctl --no-wait --db=unix:{} set bridge br0 datapath_type=netdev", ovs->socket()));
  });
  Transaction transaction;
  transaction.wait("Bridge", {{"name", "==", "br0"}}, {"datapath_type"}, Transaction::Until::different,
                   {Row{{"datapath_type", ""}}}, 10s);
  const auto selected = transaction.select("Bridge", {}, {"datapath_type"});
  EXPECT_EQ(run(transaction).rows(selected).at(0).get<std::string>("datapath_type"), "netdev");
  other.join();
}

TEST_F(TransactionTest, MutatingASetLeavesItsOtherMembersAlone) {
  const ovsdb::Uuid uuid = add_bridge("br0");
  ovs->vsctl("--no-wait set bridge br0 protocols=OpenFlow13,OpenFlow14");
  Transaction transaction;
  transaction.mutate("Bridge", ovsdb::row_is(uuid),
                     {{"protocols", "insert", "OpenFlow15"}, {"protocols", "delete", "OpenFlow13"}});
  run(transaction);
  EXPECT_EQ(ovs->vsctl("get bridge br0 protocols"), "[OpenFlow14, OpenFlow15]\n");
}

TEST_F(TransactionTest, ALockNotHeldIsRefused) {
  Transaction transaction;
  transaction.assert_lock("barewire");
  EXPECT_EQ(refusal_of(transaction).error, "not owner");
}

TEST_F(TransactionTest, AnUnknownDatabaseIsAnError) {
  Transaction transaction("Other");
  transaction.comment("nothing");
  const Error error = error_of([&] { run(transaction); });
  EXPECT_THAT(error, HasCode(Error::Code::ovsdb));
  EXPECT_THAT(error.what(), HasSubstr("database \"Other\" failed: unknown database"));
}

TEST_F(TransactionTest, AReplyShorterThanTheOperationsIsAnErrorAlthoughNoneWasRefused) {
  const OvsdbRelay fake(ovs->file("fake.sock"), "", [](const auto& request) {
    return Treatment::answer(request, R"([{"uuid":["uuid","6a9c2f2e-0a5c-4b1d-9e3f-0123456789ab"]}])");
  });
  Connection lied_to = connect(ovs->file("fake.sock"));
  Transaction transaction;
  transaction.insert("Port", Row{{"name", "p"}}, "port");
  transaction.mutate("Bridge", {{"name", "==", "br0"}}, {{"ports", "insert", NamedUuid{"port"}}});
  const Error error = error_of([&] { transact(lied_to, transaction, within(10s), "testing"); });
  EXPECT_THAT(error, HasCode(Error::Code::ovsdb));
  EXPECT_THAT(error.what(), HasSubstr("expected 2 results, one per operation"));
}

TEST_F(TransactionTest, AServerKilledBeforeItAnswersIsTryAgainAndNothingIsHalfDone) {
  add_bridge("br0");
  std::string before = ovs->configuration();
  const OvsdbRelay relay(ovs->file("relay.sock"), ovs->socket(), [&](const auto&) {
    kill(ovs->ovsdb_pid(), SIGKILL);
    return Treatment{};
  });
  Connection doomed = connect(ovs->file("relay.sock"));
  Transaction transaction;
  transaction.insert("Port", Row{{"name", "p"}, {"interfaces", NamedUuid{"interface"}}}, "port");
  transaction.insert("Interface", Row{{"name", "p"}}, "interface");
  transaction.mutate("Bridge", {{"name", "==", "br0"}}, {{"ports", "insert", NamedUuid{"port"}}});
  EXPECT_THAT(error_of([&] { transact(doomed, transaction, within(10s), "testing"); }),
              HasCode(Error::Code::try_again));
  ovs->kill_ovsdb();
  ovs->start_ovsdb();
  EXPECT_EQ(ovs->configuration(), before);
}

}  // namespace
}  // namespace barewire::test
