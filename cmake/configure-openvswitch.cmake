# SPDX-License-Identifier: Apache-2.0
# Run with cmake -P by libopenvswitch.cmake, at build time: unpacks TARBALL into SOURCE and configures it with CC into BUILD.
# Or takes what another tree (LIKE) has configured of the same archive: configure asks the node for two minutes of a core,
# and what it finds of what we compile is the same for gcc and clang.
cmake_path(GET SOURCE PARENT_PATH tree)
file(REMOVE ${tree}/configured)
file(REMOVE_RECURSE ${SOURCE} ${BUILD})
file(MAKE_DIRECTORY ${SOURCE} ${BUILD})
file(SHA256 ${TARBALL} archive)

function(take_from other)
  set(configured "")
  if(EXISTS ${other}/configured)
    file(READ ${other}/configured configured)
  endif()
  if(configured STREQUAL archive)
    file(COPY ${other}/source ${other}/build DESTINATION ${tree})
    set(taken TRUE PARENT_SCOPE)
  endif()
endfunction()

function(run)
  cmake_parse_arguments(PARSE_ARGV 0 RUN "" "DOING" "COMMAND")
  execute_process(COMMAND ${RUN_COMMAND} WORKING_DIRECTORY ${BUILD} RESULT_VARIABLE failed OUTPUT_VARIABLE output
                  ERROR_VARIABLE output)
  if(failed)
    file(REMOVE_RECURSE ${SOURCE} ${BUILD})
    message(FATAL_ERROR "${RUN_DOING} failed:\n${output}")
  endif()
endfunction()

set(taken FALSE)
if(LIKE)
  take_from(${LIKE}/openvswitch)
endif()
if(NOT taken)
  # With the times of the archive, or make would take its own generated files for stale and ask for automake.
  run(DOING "Unpacking ${TARBALL}" COMMAND tar --extract --no-same-owner --strip-components=1
      --file ${TARBALL} --directory ${SOURCE})
  run(DOING "Configuring libopenvswitch" COMMAND ${CMAKE_COMMAND} -E env CC=${CC} CFLAGS= PYTHON3=python3
      ${SOURCE}/configure --quiet --prefix=/usr --sysconfdir=/etc --localstatedir=/var --disable-shared --disable-ssl
      --disable-libcapng --disable-afxdp --disable-dependency-tracking)
  run(DOING "Generating headers of libopenvswitch" COMMAND make --silent include/odp-netlink.h lib/dirs.c)
endif()
file(GLOB outputs ${SOURCE}/lib/*.c)
file(TOUCH_NOCREATE ${outputs} ${BUILD}/config.h ${BUILD}/include/odp-netlink.h ${BUILD}/lib/dirs.c)
file(WRITE ${tree}/configured ${archive}) # last: what is there without it is half
