# SPDX-License-Identifier: Apache-2.0
# Debian packages of the components: `cmake --build … --target ship && (cd build/… && cpack)`; packaging/make-packages
# does it so that two builds are the same bytes.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME barewire)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "Barewire's maintainers <maintainers@barewire.invalid>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_SET_DESTDIR ON) # so that install scripts see /usr as the prefix
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL plugins node dpdk docs)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

set(control ${PROJECT_SOURCE_DIR}/packaging/debian)
set(CPACK_DEBIAN_PLUGINS_PACKAGE_NAME barewire-plugins)
set(CPACK_COMPONENT_PLUGINS_DESCRIPTION "CNI plugins for bare-metal nodes
 SR-IOV virtual functions, Open vSwitch, and the standard plugins (bridge, ptp,
 macvlan, ipvlan, vlan, portmap, firewall, host-local, dhcp and others), in one
 program. Takes the place of the reference plugins: same keys, files, results.")
# The same names in the same directory, by whoever asks for the reference plugins.
set(CPACK_DEBIAN_PLUGINS_PACKAGE_PROVIDES "containernetworking-plugins (= 1.1.1)")
set(CPACK_DEBIAN_PLUGINS_PACKAGE_CONFLICTS containernetworking-plugins)
set(CPACK_DEBIAN_PLUGINS_PACKAGE_REPLACES containernetworking-plugins)
set(CPACK_DEBIAN_PLUGINS_PACKAGE_RECOMMENDS "iptables")
set(CPACK_DEBIAN_PLUGINS_PACKAGE_SUGGESTS "openvswitch-switch, barewire")
set(CPACK_DEBIAN_PLUGINS_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PLUGINS_PACKAGE_CONTROL_EXTRA
  ${control}/plugins/postinst ${control}/plugins/prerm ${control}/plugins/postrm)

set(CPACK_DEBIAN_NODE_PACKAGE_NAME barewire)
set(CPACK_COMPONENT_NODE_DESCRIPTION "node daemon and commands of the Barewire CNI suite
 barewire shows which pod holds which VF, checks, repairs and provisions;
 barewired collects what dead pods left, and is a device plugin of Kubernetes;
 cnitool runs a network configuration by hand.")
set(CPACK_DEBIAN_NODE_PACKAGE_RECOMMENDS barewire-plugins)
set(CPACK_DEBIAN_NODE_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_NODE_PACKAGE_CONTROL_EXTRA ${control}/node/postinst ${control}/node/prerm ${control}/node/postrm)

set(CPACK_DEBIAN_NODE_PACKAGE_SUGGESTS barewire-dpdk)

# Apart from the node's package: DPDK and its drivers are 100 packages that a node without it does not want.
set(CPACK_DEBIAN_DPDK_PACKAGE_NAME barewire-dpdk)
set(CPACK_COMPONENT_DPDK_DESCRIPTION "DPDK probe of the Barewire CNI suite
 barewire-dpdk-probe tells what DPDK can do with a VF or a NIC: driver, queues,
 offloads, flow rules, representors, and whether it starts.")
# The drivers are plugins of DPDK, which no dependency of the program names.
set(CPACK_DEBIAN_DPDK_PACKAGE_RECOMMENDS "librte-meta-net, barewire")
set(CPACK_DEBIAN_DPDK_PACKAGE_SHLIBDEPS ON)

set(CPACK_DEBIAN_DOCS_PACKAGE_NAME barewire-doc)
set(CPACK_DEBIAN_DOCS_PACKAGE_SECTION doc)
set(CPACK_DEBIAN_DOCS_PACKAGE_ARCHITECTURE all)
set(CPACK_COMPONENT_DOCS_DESCRIPTION "documents, examples and manifests of the Barewire CNI suite
 Guides and the reference of every key, network configurations to start from,
 and manifests for Kubernetes.")
include(CPack)
