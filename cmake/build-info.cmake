# SPDX-License-Identifier: Apache-2.0
# barewire_build_info(TARGET...): version, commit and date for the --version of programs (core/build_info.h).
set(BAREWIRE_BUILD_INFO ${PROJECT_BINARY_DIR}/packaging/build_info.cc)

# Looked at in every build and written when it has changed, since a commit does not call for CMake.
add_custom_target(barewire-build-info-file BYPRODUCTS ${BAREWIRE_BUILD_INFO}
  COMMAND ${CMAKE_COMMAND} -DVERSION=${PROJECT_VERSION} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUTPUT=${BAREWIRE_BUILD_INFO}
          -DTYPE=${CMAKE_BUILD_TYPE} -P ${CMAKE_CURRENT_LIST_DIR}/write-build-info.cmake
  COMMENT "Looking which commit this is" VERBATIM)
add_library(barewire-build-info OBJECT ${BAREWIRE_BUILD_INFO})
target_include_directories(barewire-build-info PRIVATE ${PROJECT_SOURCE_DIR})
add_dependencies(barewire-build-info barewire-build-info-file)

function(barewire_build_info)
  foreach(target IN LISTS ARGN)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:barewire-build-info>)
  endforeach()
endfunction()
