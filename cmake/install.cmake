# SPDX-License-Identifier: Apache-2.0
# What is installed, where. Components: plugins; node (the daemon and the commands); dpdk (its probe); docs. The Debian packages are these.

# The plugins go by rename into a directory that may be in use, and what they take the place of is kept (install-plugins).
install(CODE "
  set(directory \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/cni\")
  execute_process(COMMAND \"${PROJECT_SOURCE_DIR}/packaging/install-plugins\" \"$<TARGET_FILE:barewire-cni>\"
    \"\${directory}\" COMMAND_ERROR_IS_FATAL ANY)
  if(CMAKE_INSTALL_DO_STRIP)
    execute_process(COMMAND \"${CMAKE_STRIP}\" \"\${directory}/barewire-cni\" COMMAND_ERROR_IS_FATAL ANY)
  endif()
  list(APPEND CMAKE_INSTALL_MANIFEST_FILES \"\${CMAKE_INSTALL_PREFIX}/lib/cni/barewire-cni\")" COMPONENT plugins)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/packaging/install-plugins DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/barewire
  COMPONENT plugins)
install(TARGETS cnitool RUNTIME DESTINATION bin COMPONENT node)

# Units say where the programs are: the prefix of this installation, which may not be that of the configuration.
install(FILES ${PROJECT_SOURCE_DIR}/packaging/cni-dhcp.socket DESTINATION lib/systemd/system COMPONENT plugins)
function(barewire_install_unit name component)
  install(CODE "
    configure_file(\"${PROJECT_SOURCE_DIR}/packaging/${name}.in\" \"${PROJECT_BINARY_DIR}/papers/${name}\" @ONLY)
    file(INSTALL \"${PROJECT_BINARY_DIR}/papers/${name}\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system\")"
    COMPONENT ${component})
endfunction()
barewire_install_unit(cni-dhcp.service plugins)
barewire_install_unit(barewired.service node)
barewire_install_unit(barewire-apply.service node)
barewire_install_unit(barewire-apply-nic@.service node)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/udev/90-barewire.rules DESTINATION lib/udev/rules.d COMPONENT node)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/udev/10-barewire-vf.network DESTINATION lib/systemd/network COMPONENT node)

set(man ${PROJECT_SOURCE_DIR}/docs/man)
install(FILES ${man}/barewire.1 ${man}/cnitool.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT node)
install(FILES ${man}/barewire-dpdk-probe.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 COMPONENT dpdk)
install(FILES ${man}/barewired.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 COMPONENT node)
install(FILES ${man}/cni-dhcp-daemon.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 COMPONENT plugins)
install(DIRECTORY ${BAREWIRE_PAPERS}/man8 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT plugins)

# Where the shells of Debian look.
install(FILES ${BAREWIRE_PAPERS}/completion/barewire
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT node)
install(FILES ${BAREWIRE_PAPERS}/completion/_barewire
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT node)
install(FILES ${BAREWIRE_PAPERS}/completion/barewire.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT node)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/examples ${PROJECT_SOURCE_DIR}/packaging/kubernetes
  ${PROJECT_SOURCE_DIR}/packaging/monitoring
  DESTINATION ${CMAKE_INSTALL_DATADIR}/barewire COMPONENT docs)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/policy.schema.json ${PROJECT_SOURCE_DIR}/packaging/node.schema.json
  DESTINATION ${CMAKE_INSTALL_DATADIR}/barewire
  COMPONENT node)
set(doc ${CMAKE_INSTALL_DATADIR}/doc/barewire-doc)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ DESTINATION ${doc}/docs COMPONENT docs
  PATTERN man EXCLUDE PATTERN examples EXCLUDE)
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${doc} COMPONENT docs)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${doc} RENAME copyright COMPONENT docs)

# Bill of materials and notices tell of what was linked, so they are made when linking is done, of what ships alone.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_GENERATOR STREQUAL "Ninja")
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  # By Debian's rule the notices are a package's /usr/share/doc/PACKAGE/copyright.
  foreach(component_package plugins:barewire-plugins node:barewire dpdk:barewire-dpdk)
    string(REPLACE ":" ";" pair ${component_package})
    list(GET pair 0 component)
    list(GET pair 1 package)
    install(CODE "
      execute_process(COMMAND \"${Python3_EXECUTABLE}\" \"${PROJECT_SOURCE_DIR}/packaging/sbom\"
        \"${PROJECT_BINARY_DIR}\" --version \"${PROJECT_VERSION}\" --epoch \"${BAREWIRE_EPOCH}\"
        --output \"${BAREWIRE_PAPERS}\" COMMAND_ERROR_IS_FATAL ANY)
      set(directory \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/doc/${package}\")
      file(INSTALL \"${BAREWIRE_PAPERS}/NOTICE\" DESTINATION \"\${directory}\" RENAME copyright)
      file(INSTALL \"${BAREWIRE_PAPERS}/barewire.spdx.json\" DESTINATION \"\${directory}\")" COMPONENT ${component})
  endforeach()
endif()

add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -DBUILD=${PROJECT_BINARY_DIR} -DSOURCE=${PROJECT_SOURCE_DIR}
  -P ${CMAKE_CURRENT_LIST_DIR}/uninstall.cmake COMMENT "Removing what was installed" VERBATIM)
