# SPDX-License-Identifier: Apache-2.0
# Run with cmake -P by libopenvswitch.cmake, at build time: unpacks TARBALL into SOURCE and configures it with CC into BUILD.
file(REMOVE_RECURSE ${SOURCE} ${BUILD})
file(MAKE_DIRECTORY ${SOURCE} ${BUILD})

function(run)
  cmake_parse_arguments(PARSE_ARGV 0 RUN "" "DOING" "COMMAND")
  execute_process(COMMAND ${RUN_COMMAND} WORKING_DIRECTORY ${BUILD} RESULT_VARIABLE failed OUTPUT_VARIABLE output
                  ERROR_VARIABLE output)
  if(failed)
    file(REMOVE_RECURSE ${SOURCE} ${BUILD})
    message(FATAL_ERROR "${RUN_DOING} failed:\n${output}")
  endif()
endfunction()

# With the times of the archive, or make would take its own generated files for stale and ask for automake.
run(DOING "Unpacking ${TARBALL}" COMMAND tar --extract --no-same-owner --strip-components=1
    --file ${TARBALL} --directory ${SOURCE})
run(DOING "Configuring libopenvswitch" COMMAND ${CMAKE_COMMAND} -E env CC=${CC} CFLAGS= PYTHON3=python3
    ${SOURCE}/configure --quiet --prefix=/usr --sysconfdir=/etc --localstatedir=/var --disable-shared --disable-ssl
    --disable-libcapng --disable-afxdp --disable-dependency-tracking)
run(DOING "Generating headers of libopenvswitch" COMMAND make --silent include/odp-netlink.h lib/dirs.c)
file(GLOB outputs ${SOURCE}/lib/*.c)
file(TOUCH_NOCREATE ${outputs} ${BUILD}/config.h ${BUILD}/include/odp-netlink.h ${BUILD}/lib/dirs.c)
