# SPDX-License-Identifier: Apache-2.0
# libopenvswitch, the part of it that speaks JSON-RPC: target barewire::openvswitch, and barewire::openvswitch-tls with the
# ssl: stream on top. The system's library where one is installed with its headers, else the sources that Debian's
# openvswitch-source carries, built here. docs/decisions/libopenvswitch.md has the figures and the reasons.
pkg_check_modules(OPENVSWITCH QUIET libopenvswitch)
find_path(OPENVSWITCH_JSONRPC_DIR jsonrpc.h HINTS ${OPENVSWITCH_INCLUDE_DIRS} PATH_SUFFIXES openvswitch lib)

if(OPENVSWITCH_FOUND AND OPENVSWITCH_JSONRPC_DIR)
  message(STATUS "libopenvswitch: the system's, ${OPENVSWITCH_VERSION}")
  add_library(barewire::openvswitch INTERFACE IMPORTED GLOBAL)
  target_include_directories(barewire::openvswitch SYSTEM INTERFACE ${OPENVSWITCH_JSONRPC_DIR} ${OPENVSWITCH_INCLUDE_DIRS})
  target_link_libraries(barewire::openvswitch INTERFACE ${OPENVSWITCH_LINK_LIBRARIES} atomic m Threads::Threads)
  add_library(barewire::openvswitch-tls ALIAS barewire::openvswitch)
  return()
endif()

find_file(OPENVSWITCH_SOURCE_TARBALL openvswitch.tar.gz PATHS /usr/src/openvswitch NO_DEFAULT_PATH)
if(NOT OPENVSWITCH_SOURCE_TARBALL)
  message(FATAL_ERROR "Finding libopenvswitch failed: neither a system library with jsonrpc.h nor "
                      "/usr/src/openvswitch/openvswitch.tar.gz is there. Install the package openvswitch-source, or set "
                      "OPENVSWITCH_SOURCE_TARBALL.")
endif()
set(BAREWIRE_OPENVSWITCH_LIKE "" CACHE PATH "Another build tree; what it has configured of the same sources is taken")
find_package(OpenSSL REQUIRED)

# What jsonrpc.c, stream.c and uuid.c stand on, found by following undefined symbols; the other nine tenths of the library
# are datapath and OpenFlow.
set(openvswitch_modules
  aes128 async-append-null byteq coverage crc32c csum dns-resolve-stub dp-packet dynamic-string entropy fatal-signal
  guarded-list hash hmap json jsonrpc latch-unix ofpbuf ovs-rcu ovs-replay ovs-thread packets poll-loop random reconnect
  seq sha1 shash signals socket-util socket-util-unix sset stream-fd stream-replay stream-tcp stream-unix strsep svec
  syslog-direct syslog-libc syslog-null timeval token-bucket unicode unixctl util uuid vlog)
set(openvswitch_source ${PROJECT_BINARY_DIR}/openvswitch/source)
set(openvswitch_build ${PROJECT_BINARY_DIR}/openvswitch/build)
set(openvswitch_sources ${openvswitch_modules})
list(TRANSFORM openvswitch_sources REPLACE "(.+)" "${openvswitch_source}/lib/\\1.c")
list(APPEND openvswitch_sources ${openvswitch_build}/lib/dirs.c)
set(openvswitch_plain ${openvswitch_source}/lib/stream.c ${openvswitch_source}/lib/stream-nossl.c)
set(openvswitch_tls ${openvswitch_source}/lib/stream-ssl.c ${openvswitch_source}/lib/dhparams.c)
set(openvswitch_headers ${openvswitch_build}/config.h ${openvswitch_build}/include/odp-netlink.h)

add_custom_command(
  OUTPUT ${openvswitch_sources} ${openvswitch_plain} ${openvswitch_tls} ${openvswitch_headers}
  COMMAND ${CMAKE_COMMAND} -DTARBALL=${OPENVSWITCH_SOURCE_TARBALL} -DSOURCE=${openvswitch_source}
          -DBUILD=${openvswitch_build} -DCC=${CMAKE_C_COMPILER} -DLIKE=${BAREWIRE_OPENVSWITCH_LIKE}
          -P ${CMAKE_CURRENT_LIST_DIR}/configure-openvswitch.cmake
  DEPENDS ${OPENVSWITCH_SOURCE_TARBALL} ${CMAKE_CURRENT_LIST_DIR}/configure-openvswitch.cmake
  COMMENT "Unpacking and configuring libopenvswitch" VERBATIM)

function(barewire_openvswitch name)
  add_library(${name} STATIC ${ARGN} ${openvswitch_headers})
  target_include_directories(${name} SYSTEM PUBLIC
    ${openvswitch_build} ${openvswitch_build}/include ${openvswitch_source}/include ${openvswitch_source}/lib)
  target_include_directories(${name} PRIVATE ${openvswitch_source} ${openvswitch_build}/lib)
  # Its lock and log macros put __FILE__ into the program, which is to be the same wherever it is built.
  target_compile_options(${name} PRIVATE -w -ffile-prefix-map=${PROJECT_BINARY_DIR}/=)
  if(BAREWIRE_FUZZ)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link,address -fno-omit-frame-pointer -O1)
  elseif(BAREWIRE_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=address -fno-omit-frame-pointer -O1)
  endif()
  target_link_libraries(${name} PRIVATE barewire-hardening PUBLIC Threads::Threads atomic m)
endfunction()

barewire_openvswitch(openvswitch ${openvswitch_sources} ${openvswitch_plain})
add_library(barewire::openvswitch ALIAS openvswitch)

# config.h leaves HAVE_OPENSSL undefined, so the same files serve both.
barewire_openvswitch(openvswitch-tls ${openvswitch_tls} ${openvswitch_source}/lib/stream.c)
target_compile_definitions(openvswitch-tls PRIVATE HAVE_OPENSSL=1)
target_link_libraries(openvswitch-tls PUBLIC openvswitch OpenSSL::SSL)
add_library(barewire::openvswitch-tls ALIAS openvswitch-tls)
