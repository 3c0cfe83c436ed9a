// SPDX-License-Identifier: Apache-2.0
/// Secrets in what is handed to others. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <string_view>

namespace barewire::cli {

/// Whether a key by this name is likely to hold a secret: a password, a token, a private key, credentials. Where it
/// only names a file, nothing is lost by leaving it out.
bool names_a_secret(std::string_view key);

/// Every value under such a key, however deep, becomes "(left out)".
void leave_out_secrets(boost::json::value& document);

}  // namespace barewire::cli
