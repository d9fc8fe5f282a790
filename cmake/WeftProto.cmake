# SPDX-License-Identifier: Apache-2.0
# weft_protobuf_c(TARGET DIR FILE...): generates FILE.pb-c.{c,h} with protoc-c below the build tree into an object library.
find_program(WEFT_PROTOC_C protoc-c REQUIRED)
find_program(WEFT_PROTOC protoc REQUIRED)
find_path(WEFT_PROTOBUF_INCLUDE google/protobuf/descriptor.proto REQUIRED)

function(weft_protobuf_c target root)
    set(out "${PROJECT_BINARY_DIR}/gen")
    file(MAKE_DIRECTORY "${out}")
    set(sources)
    foreach(file IN LISTS ARGN)
        set(base "${out}/${file}")
        string(REGEX REPLACE "\\.proto$" ".pb-c" base "${base}")
        if(EXISTS "${root}/${file}")
            set(dep "${root}/${file}")
        else()
            set(dep "${WEFT_PROTOBUF_INCLUDE}/${file}")
        endif()
        add_custom_command(OUTPUT "${base}.c" "${base}.h"
            COMMAND "${WEFT_PROTOC_C}" "--proto_path=${root}" "--proto_path=${WEFT_PROTOBUF_INCLUDE}" "--c_out=${out}" "${file}"
            DEPENDS "${dep}" VERBATIM COMMENT "protoc-c ${file}")
        list(APPEND sources "${base}.c")
    endforeach()
    add_library(${target} OBJECT ${sources})
    # Generated code is not held to our warnings, only to our visibility and sanitizers.
    target_compile_options(${target} PRIVATE -w -fvisibility=hidden)
    foreach(san IN LISTS WEFT_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${san})
    endforeach()
    target_include_directories(${target} SYSTEM PUBLIC "${out}")
    target_link_libraries(${target} PUBLIC weft::dep::protobuf_c)
endfunction()
