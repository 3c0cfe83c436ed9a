// SPDX-License-Identifier: Apache-2.0
#include "device-manager/cli/list_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/device-manager/sample.h"

namespace barewire::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string list(const ListView& view = {}) {
  return render_list(manager::sample::snapshot(), view, {});
}

TEST(ListView, ShowsEachVfOnOneLineUnderItsPf) {
  EXPECT_EQ(list(), R"(ens1f0  0000:01:00.0  igb  Intel 82576  no NUMA  no eswitch  up 1000 Mb/s  5 of 7 VFs, 1 free
  VF  PCI           DRIVER  NETDEV    MAC                 VLAN  TRUST  SPOOF  Mb/s  STATE             HELD BY                      NETWORK  IF
   0  0000:01:10.0  igbvf   ens1f0v0  52:54:00:00:00:00      -  off    on        -  free              -                            -        -
   1  0000:01:10.1  igbvf   -         52:54:00:00:00:01  100/3  off    on      500  in pod            default/web-0                blue     net1
   2  0000:01:10.2  igbvf   -         52:54:00:00:00:02      -  off    on        -  drifted           container 77aa00112233       red      net1
    vlan is 300, ADD set 100
   3  0000:01:10.3  igbvf   -         52:54:00:00:00:03      -  off    on        -  in use elsewhere  ens1f0v3 is enslaved to br0  -        -
   4  0000:01:10.4  -       -         52:54:00:00:00:04      -  off    on        -  no driver         -                            -        -
)");
}

TEST(ListView, ChosenColumnsComeInTheOrderGivenAndAloneWithoutTitles) {
  EXPECT_EQ(list({.titles = false, .columns = {"state", "PCI", "held_by"}}),
            R"(free              0000:01:10.0  -
in pod            0000:01:10.1  default/web-0
drifted           0000:01:10.2  container 77aa00112233
in use elsewhere  0000:01:10.3  ens1f0v3 is enslaved to br0
no driver         0000:01:10.4  -
)");
  EXPECT_THAT(list({.columns = {"container"}}), HasSubstr("  CONTAINER\n"));
  EXPECT_THROW(list({.columns = {"nonsense"}}), Error);
}

TEST(ListView, NamesAreThePciAddressesOfTheVfs) {
  EXPECT_EQ(render_names(manager::sample::snapshot()),
            "0000:01:10.0\n0000:01:10.1\n0000:01:10.2\n0000:01:10.3\n0000:01:10.4\n");
}

TEST(ListView, WideAddsContainerNetnsTimeAndLinkState) {
  const std::string wide = list({.wide = true});
  for (const char* part : {"CONTAINER", "NETNS", "SINCE", "LINK", "3f2a9c1d5e7b8a90", "/run/netns/3f2a9c1d5e7b8a90",
                           "2026-01-02T03:04:05Z"}) {
    EXPECT_THAT(wide, HasSubstr(part));
    EXPECT_THAT(list(), Not(HasSubstr(std::string(part) + " ")));
  }
}

TEST(ListView, FitsTheTerminalAndKeepsWhoHoldsWhat) {
  const std::string text = render_list(manager::sample::snapshot(), {}, {.colours = false, .utf8 = false, .width = 80});
  std::size_t from = 0;
  for (std::size_t end; (end = text.find('\n', from)) != std::string::npos; from = end + 1) {
    EXPECT_LE(display_width(text.substr(from, end - from)), 80U) << text.substr(from, end - from);
  }
  EXPECT_THAT(text, HasSubstr("default/web-0"));
  EXPECT_THAT(text, Not(HasSubstr("SPOOF")));
}

TEST(ListView, AttachmentsWithoutAVfComeOnlyWhenAskedFor) {
  EXPECT_THAT(list(), Not(HasSubstr("host-device")));
  EXPECT_THAT(list({.wide = false, .with_others = true}),
              HasSubstr("Other attachments\n"
                        "  PLUGIN       DEVICE  STATE  HELD BY       NETWORK  IF\n"
                        "  host-device  eth7    -      default/db-0  hosts    net1\n"));
}

TEST(ListView, APfWithoutVfsSaysSo) {
  manager::Snapshot snapshot = manager::sample::snapshot();
  snapshot.pfs[0].vfs.clear();
  snapshot.pfs[0].enabled_vfs = 0;
  EXPECT_THAT(render_list(snapshot, {}, {}), HasSubstr("up 1000 Mb/s  no VFs of 7\n"));
}

TEST(ListView, VlanTextTellsPriorityAndProtocol) {
  kernel::VfInfo info;
  EXPECT_EQ(vlan_text(info), "");
  info.vlan = 100;
  EXPECT_EQ(vlan_text(info), "100");
  info.qos = 3;
  EXPECT_EQ(vlan_text(info), "100/3");
  info.vlan_proto = kernel::VlanProto::dot1ad;
  EXPECT_EQ(vlan_text(info), "100/3 ad");
}

TEST(ListView, RateTextTellsLimitAndGuarantee) {
  kernel::VfInfo info;
  EXPECT_EQ(rate_text(info), "");
  info.max_tx_rate = 500;
  EXPECT_EQ(rate_text(info), "500");
  info.min_tx_rate = 100;
  EXPECT_EQ(rate_text(info), "100-500");
  info.max_tx_rate = 0;
  EXPECT_EQ(rate_text(info), "min 100");
}

TEST(ListView, AVfHandedToUserSpaceShowsItsVfioGroup) {
  vf::Vf vf;
  vf.pci.driver = "vfio-pci";
  vf.pci.iommu_group = "17";
  EXPECT_EQ(interface_text(vf), "vfio 17");
}

}  // namespace
}  // namespace barewire::cli
