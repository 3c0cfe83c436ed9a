# SPDX-License-Identifier: Apache-2.0
# What is taken from Debian; docs/decisions/dependencies.md says why each is there.
find_package(PkgConfig REQUIRED)
find_package(fmt 9 REQUIRED) # its headers; core/fmt_library.cc compiles the rest
find_package(Boost 1.81 REQUIRED)
find_package(Threads REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(NL REQUIRED libnl-3.0 libnl-genl-3.0)

# Archives where Debian has them, so that what ships needs glibc alone and a plugin starts without a dynamic linker.
function(barewire_import name header_dirs)
  add_library(${name} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${name} SYSTEM INTERFACE ${header_dirs})
  foreach(archive IN LISTS ARGN)
    find_library(${archive}_ARCHIVE NAMES lib${archive}.a REQUIRED)
    target_link_libraries(${name} INTERFACE ${${archive}_ARCHIVE})
  endforeach()
endfunction()

barewire_import(barewire::nl "${NL_INCLUDE_DIRS}" nl-genl-3 nl-3)
target_link_libraries(barewire::nl INTERFACE Threads::Threads)
find_path(RE2_INCLUDE_DIR NAMES re2/re2.h REQUIRED)
barewire_import(barewire::re2 "${RE2_INCLUDE_DIR}" re2)
barewire_import(barewire::json "${Boost_INCLUDE_DIRS}" boost_json boost_container)
