# SPDX-License-Identifier: Apache-2.0
# How every target is compiled and linked.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# -O3 makes nothing here faster, and gcc 12 warn of overflows that cannot be.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")

# Every program is position independent and nothing is a shared library: -fPIE for all, so that archives and programs can
# share precompiled headers.
add_compile_options(-fPIE)

add_library(barewire-options INTERFACE)
target_include_directories(barewire-options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(barewire-options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
# gcc 12 sees overlaps and overruns in string concatenation that are not there (gcc bug 105651; the latter with
# precompiled headers).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  foreach(alarm restrict array-bounds stringop-overflow)
    target_compile_options(barewire-options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-${alarm}>)
  endforeach()
endif()
if(BAREWIRE_WERROR)
  target_compile_options(barewire-options INTERFACE -Werror)
endif()

if(BAREWIRE_SANITIZE)
  target_compile_options(barewire-options INTERFACE -fsanitize=${BAREWIRE_SANITIZE} -fno-omit-frame-pointer
                                                   -fno-sanitize-recover=all -O0)
  target_link_options(barewire-options INTERFACE -fsanitize=${BAREWIRE_SANITIZE})
  # Instrumented code hides from gcc what sets a variable (gcc(1), -fsanitize=); the release build still warns.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(barewire-options INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(BAREWIRE_FUZZ)
  target_compile_options(barewire-options INTERFACE -fsanitize=fuzzer-no-link,address,undefined -O1)
  target_link_options(barewire-options INTERFACE -fsanitize=address,undefined)
endif()

# mold links a program in a tenth of bfd's time. What ships is linked as Debian links it.
find_program(BAREWIRE_MOLD mold)
if(BAREWIRE_MOLD AND NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  add_link_options(-fuse-ld=mold)
endif()

# Hardening of what ships, ours and what we build of others. Source: dpkg-buildflags(1), hardening=+all.
add_library(barewire-hardening INTERFACE)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(barewire-hardening INTERFACE -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fcf-protection
                                                      -ffunction-sections -fdata-sections)
  target_link_options(barewire-hardening INTERFACE -Wl,-z,relro,-z,now -Wl,--gc-sections)
endif()
target_link_libraries(barewire-options INTERFACE barewire-hardening)

# The plugin program starts once per CNI call, so it is linked as a static PIE; with a sanitizer it cannot be.
# docs/decisions/one-plugin-program.md has the figures.
include(CheckLinkerFlag)
check_linker_flag(CXX LINKER:--no-warnings BAREWIRE_LINKER_CAN_BE_QUIET)
check_linker_flag(CXX LINKER:-z,pack-relative-relocs BAREWIRE_LINKER_PACKS_RELOCATIONS)
function(barewire_static_pie target)
  if(NOT BAREWIRE_SANITIZE AND NOT BAREWIRE_FUZZ)
    target_link_options(${target} PRIVATE -static-pie)
    # The program applies its relocations to itself as it starts. docs/decisions/start-up.md has the figures.
    if(BAREWIRE_LINKER_PACKS_RELOCATIONS)
      target_link_options(${target} PRIVATE LINKER:-z,pack-relative-relocs)
    endif()
    # The linker warns of every lookup by name in an archive that could be called (getaddrinfo of libopenvswitch,
    # getprotobyname of libnl): addresses and protocols are numbers here, so none is.
    if(BAREWIRE_LINKER_CAN_BE_QUIET)
      target_link_options(${target} PRIVATE LINKER:--no-warnings)
    endif()
  endif()
endfunction()
