# SPDX-License-Identifier: Apache-2.0
# The headers that most sources read, compiled once: reading them is half of compiling a source.
#   barewire_precompiled(TARGET)        the standard library, fmt, Boost.JSON
#   barewire_precompiled_tests(TARGET)  those and GoogleTest
# Each source still includes what it uses; a build without them is -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON.
function(barewire_precompile name)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc CONTENT "")
  add_library(${name} OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  target_precompile_headers(${name} PRIVATE
    <algorithm> <array> <chrono> <cstdint> <filesystem> <functional> <map> <memory> <optional> <set> <span> <string>
    <string_view> <utility> <vector> <fmt/format.h> <fmt/ranges.h> <boost/json/array.hpp> <boost/json/object.hpp>
    <boost/json/parse.hpp> <boost/json/serialize.hpp> <boost/json/value.hpp> ${ARGN})
endfunction()

function(barewire_precompiled target)
  if(NOT TARGET barewire-precompiled)
    barewire_precompile(barewire-precompiled)
    target_link_libraries(barewire-precompiled PRIVATE barewire-options barewire::json)
  endif()
  target_precompile_headers(${target} REUSE_FROM barewire-precompiled)
endfunction()

function(barewire_precompiled_tests target)
  if(NOT TARGET barewire-precompiled-tests)
    barewire_precompile(barewire-precompiled-tests <gmock/gmock.h> <gtest/gtest.h>)
    target_link_libraries(barewire-precompiled-tests PRIVATE barewire-options barewire::json GTest::gmock GTest::gtest)
  endif()
  target_precompile_headers(${target} REUSE_FROM barewire-precompiled-tests)
endfunction()
