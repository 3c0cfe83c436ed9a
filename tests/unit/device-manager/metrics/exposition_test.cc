// SPDX-License-Identifier: Apache-2.0
#include "device-manager/metrics/exposition.h"

#include <gmock/gmock.h>

#include "device-manager/metrics/told.h"

namespace barewire::metrics {
namespace {

TEST(Exposition, IsPrometheusText) {
  Exposition page;
  page.family("barewire_up", Exposition::Type::gauge, "One.");
  page.sample({}, 1);
  page.family("barewire_nothing", Exposition::Type::gauge, "No sample, no family.");
  page.family("barewire_calls_total", Exposition::Type::counter, "Two.");
  page.sample({{"plugin", "sriov"}, {"code", "0"}}, 18446744073709551615ULL);
  page.sample({{"plugin", "ovs"}, {"code", "5"}}, 0);
  EXPECT_EQ(page.text(),
            "# HELP barewire_up One.\n# TYPE barewire_up gauge\nbarewire_up 1\n"
            "# HELP barewire_calls_total Two.\n# TYPE barewire_calls_total counter\n"
            "barewire_calls_total{plugin=\"sriov\",code=\"0\"} 18446744073709551615\n"
            "barewire_calls_total{plugin=\"ovs\",code=\"5\"} 0\n");
}

TEST(Told, IsWhatThePartsOfTheDaemonSaid) {
  Exposition before;
  write_told(before);
  EXPECT_EQ(before.text(), "");
  tell_unhealthy("example.com/a", "device plugin", 2);
  tell_unhealthy("example.com/a", "claims", 1);
  tell_unhealthy("example.com/a", "claims", 2);
  tell_unhealthy("example.com/b", "claims", 0);
  tell_traces({.sent = 3, .dropped = 0});
  tell_traces({.sent = 1, .dropped = 2});
  Exposition page;
  write_told(page);
  for (const char* line : {"barewire_pool_devices_unhealthy{resource=\"example.com/a\"} 2\n",
                           "barewire_pool_devices_unhealthy{resource=\"example.com/b\"} 0\n",
                           "barewire_traces_sent_total 4\n", "barewire_traces_dropped_total 2\n"})
    EXPECT_THAT(page.text(), ::testing::HasSubstr(line));
}

TEST(Exposition, AHistogramAddsUp) {
  Exposition page;
  page.family("t", Exposition::Type::histogram, "T.");
  page.histogram({{"a", "b"}}, {0.005, 1}, {2, 0, 3}, 7.5);
  EXPECT_EQ(page.text(),
            "# HELP t T.\n# TYPE t histogram\n"
            "t_bucket{a=\"b\",le=\"0.005\"} 2\nt_bucket{a=\"b\",le=\"1\"} 2\nt_bucket{a=\"b\",le=\"+Inf\"} 5\n"
            "t_sum{a=\"b\"} 7.5\nt_count{a=\"b\"} 5\n");
}

TEST(Exposition, NoValueOfALabelCanEndIt) {
  EXPECT_EQ(escape_label("plain ä"), "plain ä");
  EXPECT_EQ(escape_label("a\"} 1\nevil 2"), "a\\\"} 1\\nevil 2");
  EXPECT_EQ(escape_label("back\\slash"), "back\\\\slash");
  EXPECT_EQ(escape_label("\xff"), "\\\\xff");
}

}  // namespace
}  // namespace barewire::metrics
