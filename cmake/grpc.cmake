# SPDX-License-Identifier: Apache-2.0
# gRPC and protobuf, for the node daemon alone: target barewire::grpc, and barewire_proto(TARGET FILE...), a library of the
# messages of .proto files. Messages only: calls go through gRPC's generic interface, so no service is generated.
find_program(PROTOC protoc REQUIRED)
pkg_check_modules(GRPC REQUIRED grpc++_unsecure) # no TLS: kubelet is met on unix sockets
pkg_check_modules(PROTOBUF REQUIRED protobuf-lite)

barewire_import(barewire::protobuf "${PROTOBUF_INCLUDE_DIRS}" protobuf-lite)
target_link_libraries(barewire::protobuf INTERFACE Threads::Threads)

# Archives as everywhere here; they refer to each other in circles. Debian's grpc++_unsecure.pc leaves out the last ones.
set(grpc_archives)
foreach(name IN LISTS GRPC_STATIC_LIBRARIES ITEMS upb address_sorting cares z)
  find_library(${name}_ARCHIVE NAMES lib${name}.a)
  if(${name}_ARCHIVE)
    list(APPEND grpc_archives ${${name}_ARCHIVE})
  endif()
endforeach()
list(REMOVE_DUPLICATES grpc_archives)
add_library(barewire::grpc INTERFACE IMPORTED GLOBAL)
target_include_directories(barewire::grpc SYSTEM INTERFACE ${GRPC_INCLUDE_DIRS})
target_link_libraries(barewire::grpc INTERFACE -Wl,--start-group ${grpc_archives} -Wl,--end-group atomic
                                               ${CMAKE_DL_LIBS} Threads::Threads)

function(barewire_proto target)
  set(generated)
  foreach(file IN LISTS ARGN)
    get_filename_component(name ${file} NAME_WE)
    get_filename_component(directory ${file} DIRECTORY)
    set(base ${CMAKE_CURRENT_BINARY_DIR}/proto/${name}.pb)
    add_custom_command(
      OUTPUT ${base}.cc ${base}.h
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/proto
      COMMAND ${PROTOC} --proto_path=${CMAKE_CURRENT_SOURCE_DIR}/${directory}
              --cpp_out=lite:${CMAKE_CURRENT_BINARY_DIR}/proto ${CMAKE_CURRENT_SOURCE_DIR}/${file}
      DEPENDS ${file} VERBATIM)
    list(APPEND generated ${base}.cc)
  endforeach()
  add_library(${target} STATIC ${generated})
  target_include_directories(${target} SYSTEM PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${target} PUBLIC barewire::protobuf barewire-hardening)
  target_compile_options(${target} PRIVATE -w)
endfunction()
