// SPDX-License-Identifier: Apache-2.0
// Any JSON as a result of any version: read, or refused with an Error; and what was read can be written in the shape of
// the latest version, and says the same when it is read again.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/cni/result.h"
#include "core/error.h"

namespace {

using namespace barewire;

void convert(const boost::json::value& json) {
  const cni::Result result = cni::Result::parse(JsonView(json), {0, 2, 0});
  for (const cni::Version& version : cni::kSupportedVersions) try {
      (void)result.to_json(version);
    } catch (const Error&) {
      if (version >= cni::Version{0, 3, 0}) std::abort();  // only the oldest shapes cannot say everything
    }
  const boost::json::value written = result.to_json(cni::kLatestVersion);
  const cni::Result again = cni::Result::parse(JsonView(written), cni::kLatestVersion);
  if (boost::json::serialize(again.to_json(cni::kLatestVersion)) != boost::json::serialize(written)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  boost::json::error_code failed;
  const boost::json::value json =
      boost::json::parse(std::string_view(reinterpret_cast<const char*>(data), size), failed);
  if (failed) return 0;
  try {
    convert(json);
  } catch (const Error&) {
  }
  return 0;
}
