// SPDX-License-Identifier: Apache-2.0
// Drawn over itself on a terminal; elsewhere a line that is printed once.
#include "device-manager/cli/progress.h"

namespace barewire::cli {

void ProgressLines::show(const manager::Progress& progress) {
  const bool live = session_.terminal.width.has_value();
  if (progress.step != step_) finish();
  const bool is_new = progress.step != step_;
  step_ = progress.step;
  std::string line = progress.step->describe(pf_);
  if (progress.total > 0) line += fmt::format("  {}/{}", progress.done, progress.total);
  if (progress.elapsed >= std::chrono::seconds(1)) {
    line += fmt::format("  {:.1f} s", static_cast<double>(progress.elapsed.count()) / 1000);
  }
  if (live)
    // Back to the beginning and clear the line: progress is drawn over. Source: console_codes(4).
    session_.print("\r\033[K" + line);
  else if (is_new)
    session_.print(progress.step->describe(pf_) + "\n");
}

void ProgressLines::finish() {
  if (step_ != nullptr && session_.terminal.width) session_.print("\n");
  step_ = nullptr;
}

}  // namespace barewire::cli
