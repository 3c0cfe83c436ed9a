// SPDX-License-Identifier: Apache-2.0
/// The files of device-manager/page, put into the program when it is built.
#pragma once

#include <string_view>

namespace barewire::daemon {

extern const std::string_view kPageHtml;
extern const std::string_view kPageCss;
extern const std::string_view kPageJs;

}  // namespace barewire::daemon
