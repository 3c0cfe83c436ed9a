// SPDX-License-Identifier: Apache-2.0
#include "device-manager/cli/status_view.h"

#include <gmock/gmock.h>

#include "tests/unit/device-manager/sample.h"

namespace barewire::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Looked fine() {
  Looked looked{manager::sample::snapshot(), manager::ReapPlan(), {}};
  looked.snapshot.pfs[0].vfs[2].state = manager::VfState::in_pod;
  looked.snapshot.pfs[0].vfs[2].drift.clear();
  return looked;
}

TEST(StatusView, CountsEveryVfOnce) {
  const Status status = assess(fine());
  EXPECT_TRUE(status.concerns.empty()) << status.concerns.front().what;
  EXPECT_EQ(1U, status.nics);
  EXPECT_EQ(5U, status.vfs);
  EXPECT_EQ(status.vfs, status.free + status.allocated + status.in_pods + status.elsewhere);
  EXPECT_EQ(
      "This node is fine.\nNICs    1\nVFs     5: 1 free, 0 allocated, 2 in pods, 2 elsewhere\n"
      "others  1 attachment that holds no VF\npolicy  none: networks may ask for anything\n",
      render_status(status, {}));
  EXPECT_EQ(true, to_json(status).at("fine"));
}

TEST(StatusView, SaysWhatHasDriftedAndWhatToType) {
  const Looked looked{manager::sample::snapshot(), manager::ReapPlan(), {}};
  const std::string text = render_status(assess(looked), {});
  EXPECT_THAT(text, HasSubstr("1 thing wants a look.\n"));
  EXPECT_THAT(text, HasSubstr("! VF 2 of ens1f0, in container 77aa00112233, has drifted: vlan is 300, ADD set 100\n"
                              "    barewire repair --container 77aa00112233\n"));
}

TEST(StatusView, TellsACarrierThatIsLostOnlyOfANicWithVfs) {
  Looked looked = fine();
  looked.snapshot.pfs[0].pf.link->carrier = false;
  EXPECT_THAT(render_status(assess(looked), {}), HasSubstr("! ens1f0, which has 5 VFs, has no carrier\n"));
  looked.snapshot.pfs[0].pf.link->flags = 0;
  EXPECT_THAT(render_status(assess(looked), {}), HasSubstr("    ip link set ens1f0 up\n"));
  looked.snapshot.pfs[0].vfs.clear();
  looked.snapshot.pfs[0].enabled_vfs = 0;
  EXPECT_THAT(render_status(assess(looked), {}), Not(HasSubstr("carrier")));
}

TEST(StatusView, NeverTakesNotKnowingForFine) {
  Looked looked = fine();
  looked.plan.reset();
  looked.blind = "this is another PID namespace";
  EXPECT_THAT(render_status(assess(looked), {}), HasSubstr("could not be told: this is another PID namespace"));
  looked = fine();
  looked.plan->unseen.push_back({"record a", "permission denied"});
  looked.snapshot.unreadable.emplace_back("b", "record b is damaged");
  EXPECT_EQ(2U, assess(looked).concerns.size());
}

TEST(StatusView, NamesWhatTheDeadLeft) {
  Looked looked = fine();
  looked.plan->attachments.push_back({manager::sample::attachment("blue", "c1", "web-9"), true});
  EXPECT_THAT(render_status(assess(looked), {}),
              HasSubstr("! 1 attachment is left of pods that are gone\n    barewire gc\n"));
}

}  // namespace
}  // namespace barewire::cli
