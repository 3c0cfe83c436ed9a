// SPDX-License-Identifier: Apache-2.0
// The calendar of C++20 is a few divisions, and touches no file.
#include "core/utc.h"

#include "core/error.h"

namespace barewire {

std::string utc_text(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto seconds_since_epoch = floor<seconds>(time);
  const auto day = floor<days>(seconds_since_epoch);
  const year_month_day date(day);
  const hh_mm_ss clock(seconds_since_epoch - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

}  // namespace barewire
